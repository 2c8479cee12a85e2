/**
 * The calls to DingTalk that answers need, each with its budgets and its errors read rightly.
 *
 * Sources: DingTalk 调用频次与限流, 计费模型 (2026-05), 资源合理使用建议, AI 卡片流式更新 (2026-04), 全局错误码.
 */
import type { Scope } from "../../core/budget.ts";
import type { Json } from "../../core/store.ts";
import { type Attachment, blobOf } from "../im/attachment.ts";
import { type Answer, type Call, Caller, parse, request, type Verdict } from "../im/caller.ts";
import type { ChannelParts } from "../im/channel.ts";
import { rates } from "../im/rates.ts";
import { PlatformError, type Send } from "../im/surface.ts";
import { Token } from "../im/token.ts";
import type { DingTalkSettings } from "./settings.ts";

/** What an edition may do: calls a second per API, API calls and deliveries a month; the rates with headroom. */
const EDITIONS = {
  standard: { second: 18, month: 5000, webhookMonth: 3000 },
  professional: { second: 36, month: 200_000, webhookMonth: 50_000 },
  dedicated: { second: 54, month: 5_000_000, webhookMonth: 500_000 },
} as const;

/** How long each says "too much": milliseconds. */
const BAN = 5 * 60_000, ROBOT_BLOCK = 10 * 60_000, MINUTE = 60_000;

/** A chat as the API names it. */
export interface DingChat {
  readonly type: "direct" | "group";
  readonly conversationId: string;
  readonly staffId: string;
  readonly webhook?: string;
  /** Milliseconds since the epoch. */
  readonly webhookUntil?: number;
}

export class DingTalkApi {
  readonly #caller: Caller;
  readonly #oldCaller: Caller;
  readonly #bare: Caller;
  readonly #s: DingTalkSettings;

  constructor(parts: ChannelParts, settings: DingTalkSettings) {
    this.#s = settings;
    const wire = { fetch: parts.fetch ?? fetch, clock: parts.clock };
    const asked = async (
      method: string,
      url: string,
      body: Json | undefined,
      read: (json: Json) => { token: string; seconds: number } | undefined,
    ) => {
      const answer = await request(
        wire,
        method,
        url,
        body === undefined ? {} : { body: JSON.stringify(body), json: true },
      );
      const json = typeof answer === "string" ? undefined : parse(answer.text);
      const found = json && read(json);
      if (found) return { token: found.token, lifetime: found.seconds * 1000 };
      const code = String(json?.code ?? json?.errcode ?? (typeof answer === "string" ? answer : answer.status));
      const wrong = /invalid|40089|40096/i.test(code);
      throw new PlatformError(wrong ? "refused" : "unavailable", code, "no accessToken");
    };
    const token = new Token(parts.clock, () =>
      asked(
        "POST",
        `${settings.baseUrl}/v1.0/oauth2/accessToken`,
        { appKey: settings.clientId, appSecret: settings.clientSecret },
        (json) => json.accessToken && { token: json.accessToken, seconds: json.expireIn },
      ));
    const query = new URLSearchParams({ appkey: settings.clientId, appsecret: settings.clientSecret });
    const oldToken = new Token(parts.clock, () =>
      asked(
        "GET",
        `${settings.oapiBaseUrl}/gettoken?${query}`,
        undefined,
        (json) => json.access_token && { token: json.access_token, seconds: json.expires_in },
      ));
    const caller = (token?: Token) =>
      new Caller({
        ...wire,
        budget: parts.budget,
        token,
        random: parts.random ?? Math.random,
        throttled: (scope, ms, code) => parts.observer.tell({ type: "throttled", scope, ms, code }),
      });
    this.#caller = caller(token);
    this.#oldCaller = caller(oldToken);
    this.#bare = caller();
  }

  /** Everything from this address; past it DingTalk shuts the door for five minutes. */
  address(): Scope {
    return { key: "dingtalk:address", rates: rates(this.#s.limits.address, { second: 450 }) };
  }

  api(name: string): Scope {
    const { clientId, limits, edition } = this.#s;
    return { key: `dingtalk:${clientId}:${name}`, rates: rates(limits.api, { second: EDITIONS[edition].second }) };
  }

  /** The organisation's API calls of this month. */
  month(): Scope {
    const { clientId, corpId, limits, edition } = this.#s;
    const limit = limits.month ?? EDITIONS[edition].month;
    return { key: `dingtalk:${corpId ?? clientId}:month`, rates: [], quota: { limit, period: "month" } };
  }

  /** Webhook and Stream deliveries of this month. */
  webhookMonth(): Scope {
    const { clientId, corpId, limits, edition } = this.#s;
    const limit = limits.webhookMonth ?? EDITIONS[edition].webhookMonth;
    return { key: `dingtalk:${corpId ?? clientId}:webhook`, rates: [], quota: { limit, period: "month" } };
  }

  chat(chat: DingChat): Scope {
    return {
      key: `dingtalk:chat:${this.#s.clientId}:${chat.conversationId}`,
      rates: rates(this.#s.limits.chat, { minute: 18 }),
    };
  }

  async createCard(id: string, chat: DingChat, text: () => string, send: Send): Promise<void> {
    const { cardTemplateId, cardKey } = this.#s;
    const group = chat.type === "group";
    const body = () => ({
      cardTemplateId,
      outTrackId: id,
      callbackType: "STREAM",
      // The map's values may hold 1 KB; the answer itself follows as a stream.
      cardData: { cardParamMap: { [cardKey]: text().slice(0, 300) } },
      openSpaceId: group ? `dtv1.card//IM_GROUP.${chat.conversationId}` : `dtv1.card//IM_ROBOT.${chat.staffId}`,
      ...(group
        ? { imGroupOpenSpaceModel: { supportForward: true }, imGroupOpenDeliverModel: { robotCode: this.#robot } }
        : { imRobotOpenSpaceModel: { supportForward: true }, imRobotOpenDeliverModel: { spaceType: "IM_ROBOT" } }),
      userIdType: 1,
    });
    await this.#call("POST", "/v1.0/card/instances/createAndDeliver", "card.create", chat, send, body, true, delivered);
  }

  async streamCard(id: string, text: () => string, last: boolean, send: Send): Promise<void> {
    const body = () => ({
      outTrackId: id,
      guid: send.id,
      key: this.#s.cardKey,
      content: text(),
      // Markdown variables are always written as a whole.
      isFull: true,
      isFinalize: last,
      isError: false,
    });
    await this.#call("PUT", "/v1.0/card/streaming", "card.streaming", undefined, send, body, true);
  }

  /** By the webhook that came with the question: no token, no API call. Nothing tells a repeat apart. */
  async replyByWebhook(chat: DingChat, text: () => string, send: Send): Promise<void> {
    const body = () => ({ msgtype: "markdown", markdown: { title: titleOf(text()), text: text() } });
    const about = this.chat(chat);
    await this.#bare.call({
      ...send,
      method: "POST",
      url: () => chat.webhook!,
      body,
      path: [this.address(), this.webhookMonth(), about],
      // What was reserved is an API call; this is none.
      reservation: undefined,
      repeatable: false,
      judge: (answer) => judge(answer, this.address(), about, about),
    });
  }

  async sendMarkdown(chat: DingChat, text: () => string, send: Send): Promise<void> {
    await this.#robotSend(chat, "sampleMarkdown", () => ({ title: titleOf(text()), text: text() }), send);
  }

  async sendImage(chat: DingChat, mediaId: string, send: Send): Promise<void> {
    await this.#robotSend(chat, "sampleImageMsg", () => ({ photoURL: mediaId }), send);
  }

  async sendFile(chat: DingChat, mediaId: string, fileName: string, send: Send): Promise<void> {
    const fileType = fileName.slice(fileName.lastIndexOf(".") + 1).toLowerCase();
    await this.#robotSend(chat, "sampleFile", () => ({ mediaId, fileName, fileType }), send);
  }

  /** Returns the media id. */
  async upload(attachment: Attachment, type: "image" | "file", send: Send): Promise<string> {
    const body = () => {
      const form = new FormData();
      form.set("media", blobOf(attachment), attachment.name);
      return form;
    };
    const api = this.api("media.upload");
    const answer = await this.#oldCaller.call({
      ...send,
      reservation: undefined,
      method: "POST",
      url: (token) => `${this.#s.oapiBaseUrl}/media/upload?type=${type}&access_token=${encodeURIComponent(token)}`,
      body,
      path: [this.address(), this.month(), api],
      repeatable: true,
      judge: (answer) => judge(answer, this.address(), api, api),
    });
    return answer.media_id;
  }

  /** A message's picture or file, by its download code. */
  async download(code: Json, send: Send): Promise<Answer> {
    const body = () => ({ downloadCode: code, robotCode: this.#robot });
    const found = await this.#call(
      "POST",
      "/v1.0/robot/messageFiles/download",
      "robot.download",
      undefined,
      send,
      body,
      true,
    );
    const answer = await this.#bare.call({
      ...send,
      method: "GET",
      url: () => found.downloadUrl,
      path: [this.address()],
      repeatable: true,
      judge: (answer) =>
        answer.status === 200
          ? { kind: "ok", body: answer }
          : answer.status >= 500
          ? { kind: "retry", code: String(answer.status) }
          : { kind: "refused", code: String(answer.status), text: "no such file" },
    });
    return answer;
  }

  /** Where the Stream connection is, and the ticket for it; the ticket holds 90 s and once. */
  async openStream(send: Send): Promise<{ endpoint: string; ticket: string }> {
    const { clientId, clientSecret } = this.#s;
    const body = () => ({
      clientId,
      clientSecret,
      subscriptions: [
        { type: "CALLBACK", topic: "/v1.0/im/bot/messages/get" },
        { type: "CALLBACK", topic: "/v1.0/card/instances/callback" },
        { type: "EVENT", topic: "*" },
      ],
      ua: "nexus",
    });
    const api = this.api("gateway.open");
    return await this.#bare.call({
      ...send,
      method: "POST",
      url: () => `${this.#s.baseUrl}/v1.0/gateway/connections/open`,
      headers: () => ({ accept: "application/json" }),
      body,
      path: [this.address(), api],
      repeatable: true,
      judge: (answer) => judge(answer, this.address(), api, api),
    });
  }

  get #robot(): string {
    return this.#s.robotCode ?? this.#s.clientId;
  }

  async #robotSend(chat: DingChat, msgKey: string, param: () => Json, send: Send): Promise<void> {
    const group = chat.type === "group";
    const body = () => ({
      robotCode: this.#robot,
      msgKey,
      msgParam: JSON.stringify(param()),
      ...(group ? { openConversationId: chat.conversationId } : { userIds: [chat.staffId] }),
    });
    const path = group ? "/v1.0/robot/groupMessages/send" : "/v1.0/robot/oToMessages/batchSend";
    await this.#call("POST", path, group ? "robot.group" : "robot.direct", chat, send, body, false);
  }

  #call(
    method: string,
    path: string,
    name: string,
    chat: DingChat | undefined,
    send: Send,
    body: Call["body"],
    repeatable: boolean,
    read = plain,
  ): Promise<Json> {
    const api = this.api(name);
    const about = chat ? this.chat(chat) : api;
    const scopes = [this.address(), this.month(), api];
    if (chat) scopes.push(about);
    return this.#caller.call({
      ...send,
      method,
      url: () => this.#s.baseUrl + path,
      headers: (token) => ({ "x-acs-dingtalk-access-token": token }),
      body,
      path: scopes,
      repeatable,
      judge: (answer) => judge(answer, this.address(), api, about, read),
    });
  }
}

/**
 * What an answer means. The ban of an address has no error code but a page, and a 200 may say that somebody did not get it.
 */
export function judge(
  answer: Answer,
  address: Scope,
  api: Scope,
  about: Scope,
  read: (body: Json, about: Scope) => Verdict = plain,
): Verdict {
  const body = parse(answer.text);
  if (body?.status === 1111 || (body === undefined && /<html|punish/i.test(answer.text))) {
    return { kind: "throttled", scope: address, ms: BAN, code: "1111", uncounted: true };
  }
  if (answer.status >= 500 || body === undefined) return { kind: "retry", code: String(answer.status) };
  const code = String(body.code ?? body.errcode ?? 0);
  const slow = (scope: Scope, ms: number): Verdict => ({ kind: "throttled", scope, ms, code, uncounted: true });
  if (/QpmLimit/.test(code)) return slow(api, MINUTE);
  if (/QpsLimitForApi$/.test(code) || code === "90002") return slow(api, 2000);
  if (/QpsLimit/.test(code) || code === "90018") return slow(api, 1000);
  if (/ApiCountLimitForOrg/.test(code) || code === "90020") {
    return { kind: "refused", code, text: "the month's quota is used up" };
  }
  if (code === "410100" || code === "130101") return slow(about, ROBOT_BLOCK);
  if (/too\.?fast|too\.many|flow/i.test(code)) return slow(about, 2000);
  if (answer.status === 429 || /system\.?busy/i.test(code)) return slow(api, 1000);
  if (/InvalidAuthentication/i.test(code) || ["40014", "42001", "40001"].includes(code)) return { kind: "token", code };
  if (answer.status >= 400 || code !== "0") {
    return { kind: "refused", code, text: String(body.message ?? body.errmsg ?? "").slice(0, 200) };
  }
  return read(body, about);
}

function plain(body: Json, about: Scope): Verdict {
  if (body.flowControlledStaffIdList?.length > 0) {
    return { kind: "throttled", scope: about, ms: 2000, code: "flowControlled" };
  }
  if (body.invalidStaffIdList?.length > 0) {
    return { kind: "refused", code: "invalidStaffIdList", text: "no such person" };
  }
  if (body.success === false) {
    return { kind: "refused", code: "success:false", text: JSON.stringify(body).slice(0, 200) };
  }
  return { kind: "ok", body };
}

/** `createAndDeliver` may answer 200 and have delivered nothing. */
function delivered(body: Json, about: Scope): Verdict {
  const failed = body.result?.deliverResults?.find((result: Json) => result.success === false);
  if (failed) return { kind: "refused", code: "deliver", text: String(failed.errorMsg ?? "").slice(0, 200) };
  return plain(body, about);
}

/** What the list of chats shows of a Markdown message. */
function titleOf(text: string): string {
  return text.slice(0, 200).replace(/[#*`>\-\s]+/g, " ").trim().slice(0, 40) || "…";
}
