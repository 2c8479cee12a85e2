/**
 * What a DingTalk app can send: AI cards while the month's calls last, the session's webhook, and
 * the robot's own messages with pictures and files.
 */
import { Buffer } from "node:buffer";
import type { Json } from "../../core/store.ts";
import type { AcceptedAttachments, Attachment } from "../im/attachment.ts";
import type { ChannelParts } from "../im/channel.ts";
import { downgrade } from "../im/markdown.ts";
import { withoutMentions } from "../im/mention_guard.ts";
import {
  type DeliveryMethod,
  type FetchedFile,
  type Incoming,
  type Platform,
  PlatformError,
  type SendOptions,
  type StaticMethod,
  type Voucher,
} from "../im/platform.ts";
import { standaloneSend } from "../im/send.ts";
import type { DingTalkApi } from "./api.ts";
import type { DingChat } from "./budgets.ts";
import { type App, voucherOf } from "./event.ts";
import type { DingTalkSettings } from "./settings.ts";
import { UnionIds } from "./union_ids.ts";

/** `msgParam` may hold 15,000 bytes as JSON, where quotes and line breaks take two. */
const MAX_MARKDOWN_BYTES = 9000;

/**
 * Milliseconds between edits where the month is not the concern: what the vendor's own SDK leaves.
 */
const FREE_INTERVAL_MS = 800;

/** Milliseconds to the first edit in quota pace; each further one waits three times as long. */
const QUOTA_INTERVAL_MS = 4000;

/** Milliseconds that a session webhook must still hold for an answer to begin with it. */
const WEBHOOK_MARGIN_MS = 60_000;

/**
 * Milliseconds after which an answer without a card says that the bot is at work, so that it is
 * there within three seconds.
 */
const PLACEHOLDER_MS = 2500;

/**
 * Images and files of up to 20 MB: help.dingtalk.io, "upload-media-files". It lets .xls, .ppt and
 * .pptx be uploaded as well, but a `sampleFile` message names only these kinds
 * ("robot-message-type", as clients quote it: xlsx, pdf, zip, rar, doc, docx).
 */
const ACCEPTED: AcceptedAttachments = {
  image: { types: /^image\/(?:png|jpe?g|gif|bmp)$/, bytes: 20 << 20 },
  file: { names: /\.(?:xlsx|pdf|zip|rar|doc|docx)$/i, bytes: 20 << 20 },
};

export interface DingTalkPlatformParts {
  readonly name: string;
  readonly settings: DingTalkSettings;
  readonly parts: Pick<ChannelParts, "budget" | "clock" | "store">;
  readonly api: DingTalkApi;
}

export class DingTalkPlatform implements Platform {
  readonly accepts = ACCEPTED;
  readonly #api: DingTalkApi;
  readonly #settings: DingTalkSettings;
  readonly #parts: DingTalkPlatformParts["parts"];
  readonly #app: App;
  readonly #unions: UnionIds;

  constructor({ name, settings, parts, api }: DingTalkPlatformParts) {
    this.#api = api;
    this.#settings = settings;
    this.#parts = parts;
    this.#app = { clientId: settings.clientId, name };
    this.#unions = new UnionIds({ ...parts, app: name });
  }

  async methods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    const chat: DingChat = incoming.address;
    const month = this.#api.budgets.month();
    const left = await this.#api.monthLeft(this.#parts.budget);
    const keep = month.quota!.limit / 10;
    const methods: DeliveryMethod[] = [];
    if (this.#settings.cardTemplateId !== undefined && left > keep) {
      methods.push(this.#card(chat, this.#callsAreDear(left, month.quota!.limit)));
    }
    return [...methods, ...this.#messages(chat)];
  }

  /**
   * What the gateway itself says never grows: a card would cost two calls of the month for nothing.
   */
  noticeMethods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    return Promise.resolve(this.#messages(incoming.address));
  }

  /**
   * The session's webhook while it holds, which costs nothing of the month, and the robot's own
   * message.
   */
  #messages(chat: DingChat): DeliveryMethod[] {
    const holds = (chat.webhookUntil ?? Infinity) > this.#parts.clock.now() + WEBHOOK_MARGIN_MS;
    const webhook = this.#api.isSession(chat.webhook) && holds;
    return webhook ? [this.#webhook(chat), this.#message(chat)] : [this.#message(chat)];
  }

  /**
   * A card shows once however often it is sent, and costs two calls; where each is dear it is a
   * message.
   */
  async pushMethods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    const methods = await this.methods(incoming);
    const month = this.#api.budgets.month();
    const callsAreDear = this.#callsAreDear(
      await this.#api.monthLeft(this.#parts.budget),
      month.quota!.limit,
    );
    return callsAreDear ? methods.slice(-1) : methods;
  }

  /** The session's webhook ends with its session. */
  lastingAddress({ address }: Incoming): Json {
    return { ...address, webhook: undefined, webhookUntil: undefined };
  }

  /**
   * Whether each call is dear: always in the standard edition, elsewhere when the month is used up
   * faster than it passes.
   */
  #callsAreDear(left: number, limit: number): boolean {
    const { pace, edition } = this.#settings;
    if (pace !== "auto") return pace === "quota";
    if (edition === "standard") return true;
    const china = new Date(this.#parts.clock.now() + 480 * 60_000);
    const days = new Date(Date.UTC(china.getUTCFullYear(), china.getUTCMonth() + 1, 0))
      .getUTCDate();
    return left / limit < 1 - china.getUTCDate() / days;
  }

  #card(chat: DingChat, callsAreDear: boolean): DeliveryMethod {
    const api = this.#api;
    // Opening, the last words, and the card's state at the end.
    const edits = this.#settings.callsPerAnswer - (this.#settings.cardStatus ? 3 : 2);
    const close = async (id: string, text: () => string, send: SendOptions) => {
      await api.streamCard(id, text, true, send);
      // The words are there, so a state that cannot be set is no reason to say them again.
      await api.finishCard(id, send).catch((error) => {
        if (!(error instanceof PlatformError)) throw error;
      });
    };
    return {
      name: "card",
      maxBytes: this.#settings.cardBytes,
      live: true,
      repeatable: true,
      lifetime: Infinity,
      // What does not fit goes on as messages when calls are dear: a card costs two calls, a
      // webhook none.
      maxMessages: callsAreDear ? 1 : 20,
      editInterval: (n) =>
        !callsAreDear ? FREE_INTERVAL_MS : n < edits ? QUOTA_INTERVAL_MS * 3 ** n : Infinity,
      finalPath: [api.budgets.month()],
      render: (markdown) => withoutMentions(downgrade(markdown, { images: true }), "dingtalk"),
      async open(text, send) {
        const id = `nexus-${send.id}`;
        await api.createCard(id, chat, text, send);
        if (send.isWhole) await api.streamCard(id, text, true, send);
        return { id };
      },
      edit: (place, text, send) => api.streamCard(place.id, text, false, send),
      close: (place, text, send) => close(place.id, () => text, send),
    };
  }

  #webhook(chat: DingChat): DeliveryMethod {
    const api = this.#api;
    return {
      ...this.#staticMethod("webhook"),
      finalPath: [],
      async open(text, send) {
        await api.replyByWebhook(chat, text, send);
        return {};
      },
    };
  }

  #message(chat: DingChat): DeliveryMethod {
    const api = this.#api;
    return {
      ...this.#staticMethod("message"),
      finalPath: [api.budgets.month()],
      async open(text, send) {
        await api.sendMarkdown(chat, text, send);
        return {};
      },
    };
  }

  #staticMethod(name: string): Omit<StaticMethod, "open" | "finalPath"> {
    const after = this.#settings.placeholderAfter;
    return {
      name,
      maxBytes: MAX_MARKDOWN_BYTES,
      live: false,
      repeatable: false,
      maxMessages: Infinity,
      placeholderAfter: after === undefined ? PLACEHOLDER_MS : after * 1000,
      render: (markdown) =>
        withoutMentions(downgrade(markdown, { tables: true, images: true }), "dingtalk"),
    };
  }

  async departments(incoming: Incoming): Promise<readonly string[]> {
    const { dept_id_list = [] } = await this.#api.user(
      incoming.sender.id,
      standaloneSend(`${incoming.id}:dept`),
    );
    return dept_id_list.map(String);
  }

  /**
   * Where the message names no union id, it is asked for once a week: each question is a call of
   * the month.
   */
  async vouch(incoming: Incoming): Promise<Voucher | undefined> {
    const chat: DingChat = incoming.address;
    if (chat.corpId === undefined) return undefined;
    const union = await this.#unions.of(chat.staffId, async () => {
      const { unionid } = await this.#api.user(
        chat.staffId,
        standaloneSend(`${incoming.id}:union`),
      );
      return unionid;
    });
    return union === undefined ? undefined : voucherOf(chat, union, this.#app);
  }

  async fetchImage(incoming: Incoming, ref: Json): Promise<string> {
    const answer = await this.#api.download(ref, standaloneSend(`${incoming.id}:in`));
    const type = answer.headers.get("content-type")?.split(";")[0] ?? "image/png";
    return `data:${type.startsWith("image/") ? type : "image/png"};base64,${
      Buffer.from(answer.bytes).toString("base64")
    }`;
  }

  async fetchFile(incoming: Incoming, ref: Json, max: number): Promise<FetchedFile> {
    return await this.#api.download(ref, standaloneSend(`${incoming.id}:in`), max);
  }

  async attach(
    incoming: Incoming,
    attachment: Attachment,
    form: "image" | "file",
    send: SendOptions,
  ): Promise<void> {
    const media: string = send.checkpoint?.media ?? await this.#api.upload(attachment, form, send);
    await send.saveCheckpoint({ media });
    if (form === "image") await this.#api.sendImage(incoming.address, media, send);
    else await this.#api.sendFile(incoming.address, media, attachment.name, send);
  }
}
