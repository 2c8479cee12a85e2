/**
 * One DingTalk app, running: its robot callbacks or its Stream connection, and its inbox.
 */
import { Buffer } from "node:buffer";
import type { Json } from "../../core/store.ts";
import type { AcceptedAttachments, Attachment } from "../im/attachment.ts";
import { readBody } from "../im/body.ts";
import { parse } from "../im/http_call.ts";
import type { Channel, ChannelParts } from "../im/channel.ts";
import { Inbox } from "../im/inbox.ts";
import { Envelope } from "../im/envelope.ts";
import { type AppHealth, Health } from "../im/health.ts";
import { ReconnectingSocket } from "../im/reconnecting_socket.ts";
import { downgrade } from "../im/markdown.ts";
import { withoutMentions } from "../im/mention_guard.ts";
import { standaloneSend } from "../im/send.ts";
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
import { type DingChat, DingTalkApi } from "./api.ts";
import { robotForged } from "./crypto.ts";
import { type App, readMessage, voucherOf } from "./event.ts";
import { explain } from "./explain.ts";
import type { DingTalkSettings } from "./settings.ts";
import { UnionIds } from "./union_ids.ts";

/** `msgParam` may hold 15,000 bytes as JSON, where quotes and line breaks take two. */
const MARKDOWN_BYTES = 9000;

/**
 * Milliseconds between edits where the month is not the concern: what the vendor's own SDK leaves.
 */
const FREE_PAUSE = 800;

/** Milliseconds to the first edit in quota pace; each further one waits three times as long. */
const QUOTA_PAUSE = 4000;

/** Milliseconds that a session webhook must still hold for an answer to begin with it. */
const WEBHOOK_MARGIN = 60_000;

/**
 * Milliseconds of silence after which the Stream is dialled anew; DingTalk's own pings are far more
 * frequent.
 */
const SILENCE = 10 * 60_000;

/**
 * Milliseconds after which an answer without a card says that the bot is at work, so that it is
 * there within three seconds.
 */
const PLACEHOLDER = 2500;

/**
 * Images and files of up to 20 MB: help.dingtalk.io, "upload-media-files". It lets .xls, .ppt and
 * .pptx be uploaded as well, but a `sampleFile` message names only these kinds
 * ("robot-message-type", as clients quote it: xlsx, pdf, zip, rar, doc, docx).
 */
const TAKES: AcceptedAttachments = {
  image: { types: /^image\/(?:png|jpe?g|gif|bmp)$/, bytes: 20 << 20 },
  file: { names: /\.(?:xlsx|pdf|zip|rar|doc|docx)$/i, bytes: 20 << 20 },
};

export class DingTalkChannel implements Channel, Platform {
  readonly accepts = TAKES;
  readonly inbox: Inbox;
  readonly #api: DingTalkApi;
  readonly #parts: ChannelParts;
  readonly #s: DingTalkSettings;
  readonly #health: Health;
  readonly #app: App;
  readonly #unions: UnionIds;
  #line: ReconnectingSocket | undefined;

  constructor(name: string, settings: DingTalkSettings, parts: ChannelParts) {
    this.#s = settings;
    this.#app = { clientId: settings.clientId, name };
    this.#unions = new UnionIds({ ...parts, app: name });
    this.#parts = parts;
    this.#health = new Health({ ...parts, channel: "dingtalk", app: name, explain });
    this.#api = new DingTalkApi(parts, settings, this.#health);
    this.inbox = new Inbox({
      ...parts,
      channel: "dingtalk",
      app: name,
      platform: this,
      settings,
      reportFailure: (code, said) => this.#health.recordFailure(code, said),
    });
  }

  async start(): Promise<void> {
    await this.inbox.resume();
    if (this.#s.mode !== "stream") return;
    const { clock, observer, random } = this.#parts;
    // Not the vendor's client: its gateway's address is a constant, so neither a proxy nor a test
    // counterpart could stand in for it.
    this.#line = new ReconnectingSocket({
      clock,
      random: random ?? Math.random,
      silence: SILENCE,
      address: async () => {
        const { endpoint, ticket } = await this.#api.openStream(standaloneSend("stream"));
        return `${endpoint}?ticket=${encodeURIComponent(ticket)}`;
      },
      onOpen: () => this.#health.opened(),
      frame: (frame, send) => {
        this.#frame(frame as Json, send).catch((error) =>
          observer.tell({ type: "fault", where: "dingtalk: stream", error })
        );
      },
      onLost: (why) => this.#health.disconnected(why),
    });
    await this.#line.start();
  }

  get health(): AppHealth {
    return this.#health.view(this.#s.mode === "webhook" || (this.#line?.open ?? false));
  }

  async stop(): Promise<void> {
    this.inbox.close();
    await this.#line?.stop();
  }

  /**
   * `POST /channels/dingtalk/NAME`: the robot's messages, and sealed events where a subscription is
   * set up.
   */
  async fetch(request: Request, address?: string): Promise<Response> {
    if (request.method !== "POST") {
      return new Response(null, { status: 405, headers: { allow: "POST" } });
    }
    const body = await readBody(request);
    if (!body) return new Response(null, { status: 413 });
    const refuse = (why: string) => {
      this.#health.recordRefusal(why, address);
      return new Response(null, { status: 401 });
    };
    const json = parse(new TextDecoder().decode(body));
    if (typeof json !== "object" || json === null) return new Response(null, { status: 400 });
    if (typeof json.encrypt === "string") {
      return this.#sealed(new URL(request.url), json.encrypt, refuse);
    }
    const forged = robotForged(this.#s.clientSecret, request.headers, this.#parts.clock.now());
    if (forged) return refuse(forged);
    await this.#take(json);
    return Response.json({});
  }

  #sealed(url: URL, encrypted: string, refuse: (why: string) => Response): Response {
    const { token, aesKey, clientId } = this.#s;
    if (token === undefined || aesKey === undefined) {
      return refuse("sealed, and no token and aesKey are configured");
    }
    const envelope = new Envelope({ token, aesKey, receiver: clientId });
    const query = (name: string) => url.searchParams.get(name) ?? "";
    const opened = envelope.open(
      query("msg_signature") || query("signature"),
      query("timestamp"),
      query("nonce"),
      encrypted,
    );
    if ("forged" in opened) return refuse(opened.forged);
    const timeStamp = String(this.#parts.clock.now()), nonce = crypto.randomUUID().slice(0, 8);
    const encrypt = envelope.encrypt("success");
    return Response.json({
      msg_signature: envelope.sign(timeStamp, nonce, encrypt),
      encrypt,
      timeStamp,
      nonce,
    });
  }

  async #take(json: Json): Promise<void> {
    this.#parts.onStep?.("received");
    const { clock, budget } = this.#parts;
    this.#health.received();
    const incoming = readMessage(json, {
      app: this.#app,
      now: clock.now(),
      webhook: (address) => this.#session(address),
    });
    if (!incoming) return;
    if (await this.inbox.receive(incoming) === "repeat") return;
    // A delivery counts for the month whether it is wanted or not; what is counted here is only for
    // those who look.
    const permit = await budget.take([this.#api.webhookMonth()], {
      priority: "final",
      chat: "deliveries",
    });
    if (typeof permit !== "string") permit.done();
  }

  /** The session's webhook, where it is DingTalk's. */
  #session(address: string | undefined): string | undefined {
    if (address === undefined || this.#api.isSession(address)) return address;
    this.#health.recordFailure(
      "webhook",
      URL.canParse(address) ? new URL(address).host : "no address",
    );
    return undefined;
  }

  async #frame(frame: Json, send: (frame: unknown) => void): Promise<void> {
    const headers = frame?.headers ?? {};
    const answer = (data: string, code = 200) =>
      send({
        code,
        headers: { contentType: "application/json", messageId: headers.messageId },
        message: code === 200 ? "OK" : "not stored",
        data,
      });
    if (frame?.type === "SYSTEM") {
      if (headers.topic === "ping") answer(frame.data);
      else if (headers.topic === "disconnect") this.#line?.reconnect();
      return;
    }
    if (frame?.type === "EVENT") return answer(JSON.stringify({ status: "SUCCESS", message: "" }));
    if (frame?.type !== "CALLBACK") return;
    if (headers.topic === "/v1.0/im/bot/messages/get") {
      try {
        await this.#take(parse(String(frame.data)));
      } catch (error) {
        answer("{}", 500);
        throw error;
      }
    }
    answer(JSON.stringify({ response: null }));
  }

  /*
   * ── the ways
   * ──────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  async methods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    const chat: DingChat = incoming.address;
    const month = this.#api.month();
    const left = await this.#api.monthLeft(this.#parts.budget);
    const keep = month.quota!.limit / 10;
    const ladder: DeliveryMethod[] = [];
    if (this.#s.cardTemplateId !== undefined && left > keep) {
      ladder.push(this.#card(chat, this.#sparing(left, month.quota!.limit)));
    }
    return [...ladder, ...this.#plain(chat)];
  }

  /**
   * What the gateway itself says never grows: a card would cost two calls of the month for nothing.
   */
  noticeMethods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    return Promise.resolve(this.#plain(incoming.address));
  }

  /**
   * The session's webhook while it holds, which costs nothing of the month, and the robot's own
   * message.
   */
  #plain(chat: DingChat): DeliveryMethod[] {
    const holds = (chat.webhookUntil ?? Infinity) > this.#parts.clock.now() + WEBHOOK_MARGIN;
    const webhook = this.#api.isSession(chat.webhook) && holds;
    return webhook ? [this.#webhook(chat), this.#message(chat)] : [this.#message(chat)];
  }

  /**
   * A card shows once however often it is sent, and costs two calls; where each is dear it is a
   * message.
   */
  async pushMethods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    const ladder = await this.methods(incoming);
    const month = this.#api.month();
    const sparing = this.#sparing(
      await this.#api.monthLeft(this.#parts.budget),
      month.quota!.limit,
    );
    return sparing ? ladder.slice(-1) : ladder;
  }

  /** The session's webhook ends with its session. */
  lastingAddress({ address }: Incoming): Json {
    return { ...address, webhook: undefined, webhookUntil: undefined };
  }

  /**
   * Whether each call is dear: always in the standard edition, elsewhere when the month is used up
   * faster than it passes.
   */
  #sparing(left: number, limit: number): boolean {
    const { pace, edition } = this.#s;
    if (pace !== "auto") return pace === "quota";
    if (edition === "standard") return true;
    const china = new Date(this.#parts.clock.now() + 480 * 60_000);
    const days = new Date(Date.UTC(china.getUTCFullYear(), china.getUTCMonth() + 1, 0))
      .getUTCDate();
    return left / limit < 1 - china.getUTCDate() / days;
  }

  #card(chat: DingChat, sparing: boolean): DeliveryMethod {
    const api = this.#api;
    // Opening, the last words, and the card's state at the end.
    const edits = this.#s.callsPerAnswer - (this.#s.cardStatus ? 3 : 2);
    const close = async (id: string, text: () => string, send: SendOptions) => {
      await api.streamCard(id, text, true, send);
      // The words are there, so a state that cannot be set is no reason to say them again.
      await api.finishCard(id, send).catch((error) => {
        if (!(error instanceof PlatformError)) throw error;
      });
    };
    return {
      name: "card",
      maxBytes: this.#s.cardBytes,
      live: true,
      repeatable: true,
      lifetime: Infinity,
      // What does not fit goes on as messages when calls are dear: a card costs two calls, a
      // webhook none.
      maxMessages: sparing ? 1 : 20,
      editInterval: (n) => !sparing ? FREE_PAUSE : n < edits ? QUOTA_PAUSE * 3 ** n : Infinity,
      finalPath: [api.month()],
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
      ...this.#still("webhook"),
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
      ...this.#still("message"),
      finalPath: [api.month()],
      async open(text, send) {
        await api.sendMarkdown(chat, text, send);
        return {};
      },
    };
  }

  #still(name: string): Omit<StaticMethod, "open" | "finalPath"> {
    const after = this.#s.placeholderAfter;
    return {
      name,
      maxBytes: MARKDOWN_BYTES,
      live: false,
      repeatable: false,
      maxMessages: Infinity,
      placeholderAfter: after === undefined ? PLACEHOLDER : after * 1000,
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

  /*
   * ── pictures and files
   * ────────────────────────────────────────────────────────────────────────────────────────────
   */

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
