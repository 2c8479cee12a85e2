/**
 * What a WeCom self-built app can send. It has no edits and no streams: one final message, split
 * where it must be, and never more than a member may get, because WeCom drops the rest and says ok.
 *
 * Sources: WeCom 发送应用消息, 频率限制.
 */
import { Buffer } from "node:buffer";
import type { Clock } from "../../core/clock.ts";
import type { Json } from "../../core/store.ts";
import { type AcceptedAttachments, type Attachment, blobOf } from "../im/attachment.ts";
import { callerParts } from "../im/caller_parts.ts";
import type { ChannelParts } from "../im/channel.ts";
import { fileNameOf } from "../im/file_name.ts";
import type { Health } from "../im/health.ts";
import {
  type HttpCaller,
  httpCaller,
  type HttpParts,
  type HttpResponse,
  parse,
  request,
} from "../im/http_call.ts";
import { downgrade } from "../im/markdown.ts";
import { withoutMentions } from "../im/mention_guard.ts";
import {
  type DeliveryMethod,
  type FetchedFile,
  type Incoming,
  type Platform,
  PlatformError,
  type SendOptions,
} from "../im/platform.ts";
import { rates } from "../im/rates.ts";
import type { BudgetScope } from "../im/send_budget.ts";
import { NAME_TIMEOUT_MS, standaloneSend } from "../im/send.ts";
import { AccessToken } from "../im/token.ts";
import { languageOf, wordsIn } from "../im/words.ts";
import { judge } from "./judge.ts";
import type { WecomAppSettings } from "./settings.ts";
import { stopCard } from "./stop_card.ts";

/** 2048 are allowed and what is beyond is cut off silently. */
const MAX_TEXT_BYTES = 2000;

/**
 * Milliseconds after which a sign of life is sent, so that it is there within three seconds; it
 * costs one of the member's messages.
 */
const PLACEHOLDER_MS = 2500;

/**
 * Seconds in which WeCom drops a message that says the same to the same member: long enough for a
 * repeat after a timeout and several blocked minutes, and after a restart.
 */
const DUPLICATE_SECONDS = 1800;

/**
 * An image 10 MB and JPG or PNG, a file 20 MB, each of more than 5 bytes:
 * developer.work.weixin.qq.com, path/96484.
 */
const ACCEPTED: AcceptedAttachments = {
  image: { types: /^image\/(?:png|jpe?g)$/, bytes: 10 << 20 },
  file: { bytes: 20 << 20, above: 5 },
};

/** Stopped answers that are remembered until they have ended. */
const MAX_PRESSED = 1000;

export interface WecomAppPlatformParts {
  readonly settings: WecomAppSettings;
  readonly parts: ChannelParts;
  readonly health: Health;
}

export class WecomAppPlatform implements Platform {
  readonly accepts = ACCEPTED;
  readonly #parts: ChannelParts;
  readonly #settings: WecomAppSettings;
  readonly #caller: HttpCaller;
  /** Questions whose answer is ending because of their button. */
  readonly #stoppedByPress = new Set<string>();
  /**
   * The texts that members got lately, each with its send: the same text as the answer to the next
   * question is not a repeat.
   */
  readonly #said = new Map<string, { id: string; at: number }>();

  constructor({ settings, parts, health }: WecomAppPlatformParts) {
    this.#settings = settings;
    this.#parts = parts;
    const http = callerParts(parts, settings, health);
    this.#caller = httpCaller({ ...http, token: accessToken(parts.clock, http, settings) });
  }

  /** The answer to this question ends because of a press of its button. */
  notePressed(questionId: string): void {
    if (this.#stoppedByPress.size > MAX_PRESSED) this.#stoppedByPress.clear();
    this.#stoppedByPress.add(questionId);
  }

  /**
   * Puts words in place of a card's button, which then does nothing. A code is good for one such
   * call (path/94888).
   */
  async replaceButton(user: string, code: string, label: string, send: SendOptions): Promise<void> {
    const api = this.#api("message.update_card");
    await this.#caller.call({
      ...send,
      reservation: undefined,
      method: "POST",
      url: (token) =>
        `${this.#settings.baseUrl}/cgi-bin/message/update_template_card?access_token=${
          encodeURIComponent(token)
        }`,
      body: () => ({
        userids: [user],
        agentid: this.#settings.agentId,
        response_code: code,
        button: { replace_name: label },
      }),
      path: [api],
      repeatable: true,
      judge: (answer) => judge(answer, api),
    });
  }

  methods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    const user = incoming.sender.id;
    const after = this.#settings.placeholderAfter;
    const relabel = this.replaceButton.bind(this), pressed = this.#stoppedByPress;
    const way: DeliveryMethod = {
      name: "message",
      maxBytes: MAX_TEXT_BYTES,
      live: false,
      repeatable: true,
      maxMessages: Infinity,
      placeholderAfter: after === undefined ? PLACEHOLDER_MS : after * 1000,
      finalPath: [this.#person(user), ...this.#day()],
      render: (markdown) =>
        withoutMentions(
          this.#settings.format === "text"
            ? downgrade(markdown, { plain: true })
            : downgrade(markdown, { tables: true, fences: true, images: true }),
          "wecom",
        ),
      open: async (text, send) => {
        await this.#send(
          user,
          this.#settings.format,
          () => ({ content: this.#withMark(user, text(), send.id) }),
          send,
        );
        return {};
      },
      // The WeChat plugin shows no cards.
      showWorking: this.#settings.format === "text" ? undefined : async (text, send) => {
        const { stopButton } = wordsIn(languageOf(incoming.text, this.#settings.language));
        const sent = await this.#send(
          user,
          "template_card",
          () => stopCard(text, stopButton, incoming.id),
          send,
        );
        return { code: sent.response_code ?? "" };
      },
      async endWorking(place, label, send) {
        // What a press did stands there already.
        if (place.code && !pressed.delete(incoming.id)) {
          await relabel(user, place.code, label, send);
        }
      },
    };
    return Promise.resolve([way]);
  }

  pushMethods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    return this.methods(incoming);
  }

  async fetchImage(_incoming: Incoming, ref: Json): Promise<string> {
    const answer = await this.#media(ref);
    const type = answer.headers.get("content-type")?.split(";")[0] ?? "image/jpeg";
    return `data:${type};base64,${Buffer.from(answer.bytes).toString("base64")}`;
  }

  async fetchFile(_incoming: Incoming, ref: Json, max: number): Promise<FetchedFile> {
    const { bytes, headers } = await this.#media(ref, max);
    return { bytes, name: fileNameOf(headers) };
  }

  async attach(
    incoming: Incoming,
    attachment: Attachment,
    form: "image" | "file",
    send: SendOptions,
  ): Promise<void> {
    // The duplicate check knows a repeat by its content, so the media id must be the same.
    const media_id: string = send.checkpoint?.media ?? await this.#upload(attachment, form, send);
    await send.saveCheckpoint({ media: media_id });
    await this.#send(incoming.sender.id, form, () => ({ media_id }), send);
  }

  async #upload(attachment: Attachment, type: string, send: SendOptions): Promise<string> {
    const api = this.#api("media.upload");
    const uploaded = await this.#caller.call({
      ...send,
      reservation: undefined,
      method: "POST",
      url: (token) =>
        `${this.#settings.baseUrl}/cgi-bin/media/upload?access_token=${
          encodeURIComponent(token)
        }&type=${type}`,
      body: () => {
        const form = new FormData();
        form.set("media", blobOf(attachment), attachment.name);
        return form;
      },
      path: [api],
      repeatable: true,
      judge: (answer) => judge(answer, api),
    });
    return uploaded.media_id;
  }

  async departments(incoming: Incoming): Promise<readonly string[]> {
    const { department = [] } = await this.#user(
      incoming.sender.id,
      standaloneSend(`${incoming.id}:dept`),
    );
    return department.map(String);
  }

  async nameOf({ id, sender }: Incoming): Promise<string | undefined> {
    return (await this.#user(sender.id, standaloneSend(`${id}:name`, NAME_TIMEOUT_MS))).name;
  }

  /** A member, as far as the app may see them. */
  async #user(
    userId: string,
    send: SendOptions,
  ): Promise<{ readonly name?: string; readonly department?: number[] }> {
    const api = this.#api("user.get");
    const user = encodeURIComponent(userId);
    return await this.#caller.call({
      ...send,
      method: "GET",
      url: (token) =>
        `${this.#settings.baseUrl}/cgi-bin/user/get?access_token=${
          encodeURIComponent(token)
        }&userid=${user}`,
      path: [api],
      repeatable: true,
      judge: (answer) => judge(answer, api),
    });
  }

  async #send(user: string, type: string, content: () => Json, send: SendOptions): Promise<Json> {
    const api = this.#api("message.send");
    return await this.#caller.call({
      ...send,
      method: "POST",
      url: (token) =>
        `${this.#settings.baseUrl}/cgi-bin/message/send?access_token=${encodeURIComponent(token)}`,
      body: () => ({
        touser: user,
        msgtype: type,
        agentid: this.#settings.agentId,
        [type]: content(),
        enable_duplicate_check: 1,
        duplicate_check_interval: DUPLICATE_SECONDS,
      }),
      path: [api, this.#person(user), ...this.#day()],
      repeatable: true,
      judge: (answer) => judge(answer, api),
    });
  }

  async #media(ref: Json, maxBytes?: number): Promise<HttpResponse> {
    const api = this.#api("media.get");
    return await this.#caller.call({
      ...standaloneSend(`media:${ref}`),
      kind: "download",
      maxBytes,
      method: "GET",
      url: (token) =>
        `${this.#settings.baseUrl}/cgi-bin/media/get?access_token=${
          encodeURIComponent(token)
        }&media_id=${encodeURIComponent(ref)}`,
      path: [api],
      repeatable: true,
      judge: (answer) =>
        answer.text === "" && answer.status === 200
          ? { kind: "ok", body: answer }
          : judge(answer, api),
    });
  }

  /**
   * The text, with invisible marks where another answer a moment ago was the same: WeCom would drop
   * it as a duplicate.
   */
  #withMark(user: string, text: string, id: string): string {
    const now = this.#parts.clock.now();
    for (let words = text;; words += "\u200b") {
      const key = `${user}\n${words}`;
      const known = this.#said.get(key);
      if (known && known.id !== id && now - known.at < DUPLICATE_SECONDS * 1000) continue;
      this.#said.delete(key);
      this.#said.set(key, { id, at: now });
      for (const [old, { at }] of this.#said) {
        if (now - at < DUPLICATE_SECONDS * 1000 && this.#said.size < 10_000) break;
        this.#said.delete(old);
      }
      return words;
    }
  }

  #api(name: string): BudgetScope {
    const { corpId, limits } = this.#settings;
    return { key: `wecom:${corpId}:${name}`, rates: rates(limits.api, { minute: 9500 }) };
  }

  #person(user: string): BudgetScope {
    const { corpId, agentId, limits } = this.#settings;
    return {
      key: `wecom:${corpId}:${agentId}:person:${user}`,
      rates: rates(limits.person, { minute: 28, hour: 950 }),
    };
  }

  #day(): BudgetScope[] {
    const { corpId, agentId, limits } = this.#settings;
    return limits.day
      ? [{
        key: `wecom:${corpId}:${agentId}:day`,
        rates: [],
        quota: { limit: limits.day, period: "day" },
      }]
      : [];
  }
}

function accessToken(clock: Clock, http: HttpParts, settings: WecomAppSettings): AccessToken {
  const { baseUrl, corpId, secret } = settings;
  const query = new URLSearchParams({ corpid: corpId, corpsecret: secret });
  const url = `${baseUrl}/cgi-bin/gettoken?${query}`;
  return new AccessToken(clock, async (patience) => {
    const answer = await request(http, "token", "GET", url, {}, patience);
    const body = typeof answer === "string" ? undefined : parse(answer.text);
    if (body?.errcode === 0) {
      return { token: body.access_token, lifetime: body.expires_in * 1000 };
    }
    const code = String(body?.errcode ?? answer);
    const kind = /^40/.test(code) ? "refused" : "unavailable";
    throw new PlatformError(kind, code, "no access_token");
  });
}
