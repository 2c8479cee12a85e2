/**
 * The calls to Feishu's open platform that answers need, each with its budgets and its errors read
 * rightly.
 *
 * Sources: Feishu 频控策略 (2024-10), 发送消息, 回复消息 (2026-04), 流式更新卡片 (2026-02), 更新已发送的消息卡片 (2025-07).
 */
import type { BudgetScope } from "../im/send_budget.ts";
import type { Json } from "../../core/store.ts";
import { type Attachment, blobOf } from "../im/attachment.ts";
import type { CallVerdict } from "../im/paced_caller.ts";
import {
  type HttpCall,
  type HttpCaller,
  httpCaller,
  type HttpResponse,
  parse,
  request,
} from "../im/http_call.ts";
import type { ChannelParts } from "../im/channel.ts";
import type { Health } from "../im/health.ts";
import { rates } from "../im/rates.ts";
import { PlatformError, type SendOptions } from "../im/platform.ts";
import { AccessToken } from "../im/token.ts";
import { callerParts } from "../im/caller_parts.ts";
import type { LarkSettings } from "./settings.ts";

/** Where a message goes: into a chat, or as a reply to one. */
export interface Target {
  readonly chatId: string;
  readonly chatType: "direct" | "group";
  readonly personId: string;
  /** Set in groups: the answer hangs below the question. */
  readonly replyTo?: string;
}

/** Codes that mean "slower": of the API, or of what the call is about. */
const SLOW_API = new Set([
  "99991400",
  "11232",
  "11247",
  "1000004",
  "1000005",
  "90217",
  "2200",
  "5000",
  "55001",
]);
const SLOW_CHAT = new Set(["230020", "11233"]);
const BAD_TOKEN = new Set(["99991663", "99991664", "99991665", "99991668", "99991671"]);
/** Recalled, expired, edited too often, streaming closed: this place is done with. */
const GONE = new Set([
  "230011",
  "230031",
  "230072",
  "230075",
  "200850",
  "300309",
  "300313",
  "230110",
]);
/** The platform's own trouble, or still at work on the same uuid. */
const AGAIN = new Set(["230049", "1663", "2001", "99991001"]);

export class LarkApi {
  readonly #caller: HttpCaller;
  readonly #settings: LarkSettings;

  constructor(parts: ChannelParts, settings: LarkSettings, health: Health) {
    this.#settings = settings;
    const wire = callerParts(parts, settings, health);
    // A token asked for with less than 30 minutes left is a new one, and the old one stays valid
    // beside it.
    const token = new AccessToken(parts.clock, async (patience) => {
      const url = `${settings.baseUrl}/open-apis/auth/v3/tenant_access_token/internal`;
      const body = JSON.stringify({ app_id: settings.appId, app_secret: settings.appSecret });
      const answer = await request(wire, "token", "POST", url, { body, json: true }, patience);
      const read = typeof answer === "string" ? undefined : parse(answer.text);
      if (read?.code === 0) {
        return { token: read.tenant_access_token, lifetime: read.expire * 1000 };
      }
      const code = String(read?.code ?? (typeof answer === "string" ? answer : answer.status));
      const wrong = read && typeof answer !== "string" && answer.status < 429 &&
        !SLOW_API.has(code);
      throw new PlatformError(wrong ? "refused" : "unavailable", code, "no tenant_access_token");
    }, 25 * 60_000);
    this.#caller = httpCaller({ ...wire, token });
  }

  /** What one kind of call of this app may do, in one tenant. */
  api(name: string): BudgetScope {
    const { appId, limits } = this.#settings;
    return {
      key: `feishu:${appId}:${name}`,
      rates: rates(limits.api, { second: 48, minute: 980 }),
    };
  }

  chat(target: Target): BudgetScope {
    const { limits, appId } = this.#settings;
    return target.chatType === "group"
      ? { key: `feishu:chat:${target.chatId}`, rates: rates(limits.chat, { second: 4 }) }
      : {
        key: `feishu:person:${appId}:${target.personId}`,
        rates: rates(limits.person, { second: 4 }),
      };
  }

  /** Nothing, or the month of the whole app. */
  month(): BudgetScope[] {
    const { appId, limits } = this.#settings;
    return limits.month
      ? [{
        key: `feishu:${appId}:month`,
        rates: [],
        quota: { limit: limits.month, period: "month" },
      }]
      : [];
  }

  /**
   * Makes a card that can be sent once. Not idempotent at the platform, and harmless: a card that
   * nobody sent is seen by nobody.
   */
  async createCard(card: () => Json, send: SendOptions): Promise<string> {
    const body = () => ({ type: "card_json", data: JSON.stringify(card()) });
    const answer = await this.#call(
      "POST",
      "/open-apis/cardkit/v1/cards",
      [this.api("card.create")],
      send,
      body,
    );
    return answer.data.card_id;
  }

  async setCardText(
    card: string,
    element: string,
    text: () => string,
    send: SendOptions,
  ): Promise<void> {
    const body = () => ({ content: text(), sequence: send.nextSequence(), uuid: uuid(send.id) });
    const path = `/open-apis/cardkit/v1/cards/${
      encodeURIComponent(card)
    }/elements/${element}/content`;
    await this.#call("PUT", path, [this.api("card.content"), this.#card(card)], send, body);
  }

  async replaceCard(card: string, json: Json, send: SendOptions): Promise<void> {
    const body = () => ({
      card: { type: "card_json", data: JSON.stringify(json) },
      sequence: send.nextSequence(),
      uuid: uuid(send.id + ":all"),
    });
    const path = `/open-apis/cardkit/v1/cards/${encodeURIComponent(card)}`;
    await this.#call("PUT", path, [this.api("card.update"), this.#card(card)], send, body);
  }

  /** Takes a part of a card away. One that is gone already does no harm. */
  async removeElement(card: string, element: string, send: SendOptions): Promise<void> {
    const body = () => ({ sequence: send.nextSequence(), uuid: uuid(`${send.id}:-${element}`) });
    const path = `/open-apis/cardkit/v1/cards/${encodeURIComponent(card)}/elements/${element}`;
    try {
      await this.#call("DELETE", path, [this.api("card.element"), this.#card(card)], send, body);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.kind !== "gone") throw error;
    }
  }

  async setStreaming(card: string, on: boolean, send: SendOptions): Promise<void> {
    const settings = JSON.stringify({ config: { streaming_mode: on } });
    const body = () => ({
      settings,
      sequence: send.nextSequence(),
      uuid: uuid(`${send.id}:${on}`),
    });
    const path = `/open-apis/cardkit/v1/cards/${encodeURIComponent(card)}/settings`;
    await this.#call("PATCH", path, [this.api("card.settings"), this.#card(card)], send, body);
  }

  /**
   * Sends a message and returns its id. The `uuid` makes a repeat within the hour return the first
   * one.
   */
  async sendMessage(
    target: Target,
    type: string,
    content: () => string,
    send: SendOptions,
  ): Promise<string> {
    const id = uuid(send.id);
    if (target.replyTo !== undefined) {
      try {
        const path = `/open-apis/im/v1/messages/${encodeURIComponent(target.replyTo)}/reply`;
        const body = () => ({ msg_type: type, content: content(), uuid: id });
        const answer = await this.#call(
          "POST",
          path,
          [this.api("im.reply"), this.chat(target)],
          send,
          body,
        );
        return answer.data.message_id;
      } catch (error) {
        // The question was taken back: the answer stands on its own.
        if (!(error instanceof PlatformError) || error.kind !== "gone") throw error;
      }
    }
    const body = () => ({
      receive_id: target.chatId,
      msg_type: type,
      content: content(),
      uuid: id,
    });
    const path = "/open-apis/im/v1/messages?receive_id_type=chat_id";
    const answer = await this.#call(
      "POST",
      path,
      [this.api("im.send"), this.chat(target)],
      send,
      body,
    );
    return answer.data.message_id;
  }

  /** Replaces a card that was sent as a message. */
  async patchMessage(message: string, content: () => string, send: SendOptions): Promise<void> {
    const { limits } = this.#settings;
    const own: BudgetScope = {
      key: `feishu:message:${message}`,
      rates: rates(limits.message, { second: 4 }),
    };
    const path = `/open-apis/im/v1/messages/${encodeURIComponent(message)}`;
    await this.#call(
      "PATCH",
      path,
      [this.api("im.patch"), own],
      send,
      () => ({ content: content() }),
    );
  }

  /** Returns the key by which a message names it. */
  async upload(attachment: Attachment, form: "image" | "file", send: SendOptions): Promise<string> {
    const body = () => {
      const fields = new FormData();
      fields.set(`${form}_type`, form === "image" ? "message" : fileType(attachment.name));
      if (form === "file") fields.set("file_name", attachment.name);
      fields.set(form, blobOf(attachment), attachment.name);
      return fields;
    };
    const answer = await this.#call(
      "POST",
      `/open-apis/im/v1/${form}s`,
      [this.api(`im.${form}`)],
      send,
      body,
    );
    return answer.data[`${form}_key`];
  }

  /** A file or an image of a message. */
  async resource(
    message: string,
    key: string,
    type: "image" | "file",
    send: SendOptions,
    maxBytes?: number,
  ): Promise<HttpResponse> {
    const path = `/open-apis/im/v1/messages/${encodeURIComponent(message)}/resources/${
      encodeURIComponent(key)
    }?type=${type}`;
    return await this.#call("GET", path, [this.api("im.resource")], send, undefined, bytesVerdict, {
      kind: "download",
      maxBytes,
    });
  }

  /** A message by its id; `undefined` where the platform gives none out. */
  async message(id: string, send: SendOptions): Promise<Json | undefined> {
    const path = `/open-apis/im/v1/messages/${encodeURIComponent(id)}`;
    const answer = await this.#call("GET", path, [this.api("im.get")], send);
    return answer.data?.items?.[0];
  }

  /** The bot's own open_id: what a mention of it carries. */
  async ownId(send: SendOptions): Promise<string> {
    const answer = await this.#call("GET", "/open-apis/bot/v3/info", [this.api("bot.info")], send);
    return answer.bot.open_id;
  }

  /** Somebody of the company, as far as the app's contact scope reaches. */
  async user(
    person: string,
    send: SendOptions,
  ): Promise<{ readonly name?: string; readonly department_ids?: string[] }> {
    const path = `/open-apis/contact/v3/users/${encodeURIComponent(person)}?user_id_type=open_id`;
    const answer = await this.#call("GET", path, [this.api("contact.user")], send);
    return answer.data.user ?? {};
  }

  #card(card: string): BudgetScope {
    return { key: `feishu:card:${card}`, rates: rates(this.#settings.limits.card, { second: 8 }) };
  }

  #call(
    method: string,
    path: string,
    own: readonly BudgetScope[],
    send: SendOptions,
    body?: HttpCall["body"],
    read = okVerdict,
    bounds: Pick<HttpCall, "kind" | "maxBytes"> = {},
  ): Promise<Json> {
    const scopes = [...this.month(), ...own];
    return this.#caller.call({
      ...send,
      ...bounds,
      method,
      url: () => this.#settings.baseUrl + path,
      headers: (token) => ({ authorization: `Bearer ${token}` }),
      body,
      path: scopes,
      repeatable: true,
      judge: (answer) => judge(answer, own[0]!, own[1] ?? own[0]!, read),
    });
  }
}

/**
 * What an answer of the open platform means. `api` is the budget of the call's kind, `about` that
 * of the chat, card or message.
 */
export function judge(
  answer: HttpResponse,
  api: BudgetScope,
  about: BudgetScope,
  read: (answer: HttpResponse, body: Json) => CallVerdict = okVerdict,
): CallVerdict {
  const body = answer.headers.get("content-type")?.includes("json")
    ? parse(answer.text)
    : undefined;
  const code = String(body?.code ?? answer.status);
  // Old APIs say 99991400 with 400, new ones with 429: the code counts, and any 429 without one.
  if (SLOW_API.has(code) || answer.status === 429) {
    return { kind: "throttled", scope: api, ms: waitOf(answer.headers), code };
  }
  if (SLOW_CHAT.has(code)) return { kind: "throttled", scope: about, ms: 1500, code };
  // The month is used up; nothing opens before it turns, but an hour's rest lets a raised quota be
  // seen.
  if (code === "99991403") return { kind: "throttled", scope: api, ms: 3_600_000, code };
  if (BAD_TOKEN.has(code)) return { kind: "token", code };
  if (AGAIN.has(code) || answer.status >= 500) return { kind: "retry", code };
  // A page that refuses comes from something in between, such as a proxy.
  if (answer.status >= 400 && body === undefined) return { kind: "retry", code };
  if (GONE.has(code)) return { kind: "gone", code, text: String(body?.msg ?? "") };
  if (answer.status >= 400 || (body && body.code !== 0 && body.code !== undefined)) {
    return { kind: "refused", code, text: String(body?.msg ?? answer.text.slice(0, 200)) };
  }
  return read(answer, body);
}

function okVerdict(_answer: HttpResponse, body: Json): CallVerdict {
  // A 200 that is not JSON came from something in between: a proxy's page.
  return body?.code === 0 ? { kind: "ok", body } : { kind: "retry", code: "not_json" };
}

function bytesVerdict(answer: HttpResponse): CallVerdict {
  return { kind: "ok", body: answer };
}

/**
 * `x-ogw-ratelimit-reset` is in seconds; without it a second and a half lets any one-second window
 * pass.
 */
function waitOf(headers: Headers): number {
  const seconds = Number(headers.get("x-ogw-ratelimit-reset"));
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 3600) * 1000 : 1500;
}

/** The kinds that Feishu opens by itself; everything else is a stream of bytes. */
function fileType(name: string): string {
  const end = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  return { docx: "doc", xlsx: "xls", pptx: "ppt" }[end] ??
    (["pdf", "doc", "xls", "ppt"].includes(end) ? end : "stream");
}

/** At most 50 characters, the same for the same id. */
export function uuid(id: string): string {
  if (id.length <= 50 && /^[\w:.-]+$/.test(id)) return id;
  // FNV-1a twice, with different seeds: 64 bits are plenty for ids that live an hour, and no digest
  // has to be awaited.
  return `${fnv(id, 0x811c9dc5)}${fnv(id, 0x01000193)}-${id.replace(/[^\w.-]/g, "").slice(-30)}`;
}

function fnv(text: string, seed: number): string {
  let hash = seed;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
