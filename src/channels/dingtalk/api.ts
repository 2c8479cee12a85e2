/**
 * The calls to DingTalk that answers need, each with its budgets and its errors read rightly.
 *
 * Sources: DingTalk 调用频次与限流, 计费模型 (2026-05), 资源合理使用建议, AI 卡片流式更新 (2026-04), 全局错误码.
 */
import type { SendBudget } from "../im/send_budget.ts";
import type { Clock } from "../../core/clock.ts";
import type { Json } from "../../core/store.ts";
import { type Attachment, blobOf } from "../im/attachment.ts";
import { type HttpCall, type HttpCaller, httpCaller, type HttpResponse } from "../im/http_call.ts";
import type { ChannelParts } from "../im/channel.ts";
import type { Health } from "../im/health.ts";
import { Hosts } from "../im/hosts.ts";
import { PlatformError, type SendOptions } from "../im/platform.ts";
import { callerParts, foreignFetch } from "../im/caller_parts.ts";
import { type DingChat, DingTalkBudgets } from "./budgets.ts";
import { delivered, isUsedUp, judge, plain } from "./judge.ts";
import type { DingTalkSettings } from "./settings.ts";
import { accessTokens } from "./tokens.ts";

/** `flowStatus` of an AI card: 1 processing, 2 inputing, 3 finished, 4 executing, 5 failed. */
const INPUTING = "2", FINISHED = "3";

/** Where a session's webhook may be. */
const SESSION_HOSTS = [
  "oapi.dingtalk.com",
  "api.dingtalk.com",
  "oapi.dingtalk.io",
  "api.dingtalk.io",
];

/** Where the Stream and files may be; any other address must at least be a public one. */
const FILE_HOSTS = [".dingtalk.com", ".dingtalk.io", ".aliyuncs.com", ".alicdn.com"];

/**
 * Milliseconds for which the month counts as used up after DingTalk's refusal: a raised quota is
 * seen after that.
 */
const USED_UP_MS = 3_600_000;

export class DingTalkApi {
  readonly #caller: HttpCaller;
  readonly #oldCaller: HttpCaller;
  readonly #bare: HttpCaller;
  readonly #foreign: HttpCaller;
  readonly #sessions: Hosts;
  readonly #files: Hosts;
  readonly #clock: Clock;
  /**
   * Until when DingTalk's word counts that the organisation's month is used up, whatever our own
   * count says.
   */
  #usedUpUntil = 0;
  readonly #settings: DingTalkSettings;
  readonly budgets: DingTalkBudgets;

  constructor(parts: ChannelParts, settings: DingTalkSettings, health: Health) {
    this.#settings = settings;
    this.budgets = new DingTalkBudgets(settings);
    this.#clock = parts.clock;
    const http = callerParts(parts, settings, health);
    const { token, oldToken } = accessTokens(parts.clock, http, settings);
    this.#caller = httpCaller({ ...http, token });
    this.#oldCaller = httpCaller({ ...http, token: oldToken });
    this.#bare = httpCaller(http);
    this.#foreign = httpCaller({ ...http, fetch: foreignFetch(parts) });
    const base = [settings.baseUrl, settings.oapiBaseUrl];
    this.#sessions = new Hosts({ base, platform: SESSION_HOSTS, further: settings.hosts });
    this.#files = new Hosts({ base, platform: FILE_HOSTS, further: settings.hosts });
  }

  /**
   * API calls that are left of the month: none for an hour after DingTalk's refusal, whatever the
   * count here.
   */
  async monthLeft(budget: SendBudget): Promise<number> {
    return this.#usedUpUntil > this.#clock.now() ? 0 : await budget.left(this.budgets.month());
  }

  async createCard(
    id: string,
    chat: DingChat,
    text: () => string,
    send: SendOptions,
  ): Promise<void> {
    const { cardTemplateId, cardKey } = this.#settings;
    const group = chat.type === "group";
    const body = () => ({
      cardTemplateId,
      outTrackId: id,
      callbackType: "STREAM",
      // The map's values may hold 1 KB; the answer itself follows as a stream.
      cardData: {
        cardParamMap: {
          [cardKey]: text().slice(0, 300),
          ...this.#flow(send.isWhole ? FINISHED : INPUTING),
        },
      },
      openSpaceId: group
        ? `dtv1.card//IM_GROUP.${chat.conversationId}`
        : `dtv1.card//IM_ROBOT.${chat.staffId}`,
      ...(group
        ? {
          imGroupOpenSpaceModel: { supportForward: true },
          imGroupOpenDeliverModel: { robotCode: this.#robot },
        }
        : {
          imRobotOpenSpaceModel: { supportForward: true },
          imRobotOpenDeliverModel: { spaceType: "IM_ROBOT" },
        }),
      userIdType: 1,
    });
    await this.#call(
      "POST",
      "/v1.0/card/instances/createAndDeliver",
      "card.create",
      chat,
      send,
      body,
      true,
      delivered,
    );
  }

  async streamCard(
    id: string,
    text: () => string,
    last: boolean,
    send: SendOptions,
  ): Promise<void> {
    const body = () => ({
      outTrackId: id,
      guid: send.id,
      key: this.#settings.cardKey,
      content: text(),
      // Markdown variables are always written as a whole.
      isFull: true,
      isFinalize: last,
      isError: false,
    });
    await this.#call("PUT", "/v1.0/card/streaming", "card.streaming", undefined, send, body, true);
  }

  /** Sets the card's own state to finished, as DingTalk's SDK does; templates switch their looks and buttons by it. */
  async finishCard(id: string, send: SendOptions): Promise<void> {
    if (!this.#hasStatus) return;
    const body = () => ({
      outTrackId: id,
      cardData: { cardParamMap: this.#flow(FINISHED) },
      cardUpdateOptions: { updateCardDataByKey: true },
    });
    // Tried once and not from the month's last tenth: the words are there already.
    const once: SendOptions = { ...send, priority: "edit", reservation: undefined };
    await this.#call("PUT", "/v1.0/card/instances", "card.update", undefined, once, body, true);
  }

  #flow(status: string): { flowStatus?: string } {
    return this.#hasStatus ? { flowStatus: status } : {};
  }

  /** Of two calls for an answer none is left for a state, and one that is begun must be ended. */
  get #hasStatus(): boolean {
    return this.#settings.cardStatus && this.#settings.callsPerAnswer > 2;
  }

  /** By the webhook that came with the question: no token, no API call. Nothing tells a repeat apart. */
  async replyByWebhook(chat: DingChat, text: () => string, send: SendOptions): Promise<void> {
    const body = () => ({
      msgtype: "markdown",
      markdown: { title: titleOf(text()), text: text() },
    });
    const about = this.budgets.chat(chat);
    await this.#bare.call({
      ...send,
      method: "POST",
      url: () => chat.webhook!,
      body,
      path: [this.budgets.address(), this.budgets.webhookMonth(), about],
      // What was reserved is an API call; this is none.
      reservation: undefined,
      repeatable: false,
      judge: (answer) => judge(answer, this.budgets.address(), about, about),
    });
  }

  async sendMarkdown(chat: DingChat, text: () => string, send: SendOptions): Promise<void> {
    await this.#robotSend(
      chat,
      "sampleMarkdown",
      () => ({ title: titleOf(text()), text: text() }),
      send,
    );
  }

  async sendImage(chat: DingChat, mediaId: string, send: SendOptions): Promise<void> {
    await this.#robotSend(chat, "sampleImageMsg", () => ({ photoURL: mediaId }), send);
  }

  async sendFile(
    chat: DingChat,
    mediaId: string,
    fileName: string,
    send: SendOptions,
  ): Promise<void> {
    const fileType = fileName.slice(fileName.lastIndexOf(".") + 1).toLowerCase();
    await this.#robotSend(chat, "sampleFile", () => ({ mediaId, fileName, fileType }), send);
  }

  /** Returns the media id. */
  async upload(attachment: Attachment, type: "image" | "file", send: SendOptions): Promise<string> {
    const body = () => {
      const form = new FormData();
      form.set("media", blobOf(attachment), attachment.name);
      return form;
    };
    const api = this.budgets.api("media.upload");
    const answer = await this.#oldCaller.call({
      ...send,
      reservation: undefined,
      method: "POST",
      url: (token) =>
        `${this.#settings.oapiBaseUrl}/media/upload?type=${type}&access_token=${
          encodeURIComponent(token)
        }`,
      body,
      path: [this.budgets.address(), this.budgets.month(), api],
      repeatable: true,
      judge: (answer) => judge(answer, this.budgets.address(), api, api),
    });
    return answer.media_id;
  }

  /** A message's picture or file, by its download code. */
  async download(code: Json, send: SendOptions, maxBytes?: number): Promise<HttpResponse> {
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
    const caller = this.#files.has(found.downloadUrl) ? this.#bare : this.#foreign;
    const answer = await caller.call({
      ...send,
      kind: "download",
      maxBytes,
      method: "GET",
      url: () => found.downloadUrl,
      path: [this.budgets.address()],
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

  /**
   * Whether a session's webhook is DingTalk's. The callback's signature does not cover the body, so
   * a replayed header could carry any address.
   */
  isSession(address: string | undefined): boolean {
    return this.#sessions.has(address);
  }

  /** Somebody of the company; an API call of the month. */
  async user(
    userid: string,
    send: SendOptions,
  ): Promise<{ readonly unionid?: string; readonly dept_id_list?: number[] }> {
    const api = this.budgets.api("user.get");
    const answer = await this.#oldCaller.call({
      ...send,
      method: "POST",
      url: (token) =>
        `${this.#settings.oapiBaseUrl}/topapi/v2/user/get?access_token=${
          encodeURIComponent(token)
        }`,
      body: () => ({ userid }),
      path: [this.budgets.address(), this.budgets.month(), api],
      repeatable: true,
      judge: (answer) => judge(answer, this.budgets.address(), api, api),
    });
    return answer.result ?? {};
  }

  /** Where the Stream connection is, and the ticket for it; the ticket holds 90 s and once. */
  async openStream(send: SendOptions): Promise<{ endpoint: string; ticket: string }> {
    const { clientId, clientSecret } = this.#settings;
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
    const api = this.budgets.api("gateway.open");
    const opened = await this.#bare.call({
      ...send,
      method: "POST",
      url: () => `${this.#settings.baseUrl}/v1.0/gateway/connections/open`,
      headers: () => ({ accept: "application/json" }),
      body,
      path: [this.budgets.address(), api],
      repeatable: true,
      judge: (answer) => judge(answer, this.budgets.address(), api, api),
    });
    if (!this.#files.has(opened.endpoint)) {
      throw new PlatformError("refused", "url", "the address of the Stream is not DingTalk's");
    }
    return opened;
  }

  get #robot(): string {
    return this.#settings.robotCode ?? this.#settings.clientId;
  }

  async #robotSend(
    chat: DingChat,
    msgKey: string,
    param: () => Json,
    send: SendOptions,
  ): Promise<void> {
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
    send: SendOptions,
    body: HttpCall["body"],
    repeatable: boolean,
    read = plain,
  ): Promise<Json> {
    const api = this.budgets.api(name);
    const about = chat ? this.budgets.chat(chat) : api;
    const scopes = [this.budgets.address(), this.budgets.month(), api];
    if (chat) scopes.push(about);
    return this.#caller.call({
      ...send,
      method,
      url: () => this.#settings.baseUrl + path,
      headers: (token) => ({ "x-acs-dingtalk-access-token": token }),
      body,
      path: scopes,
      repeatable,
      judge: (answer) => {
        const verdict = judge(answer, this.budgets.address(), api, about, read);
        if ("code" in verdict && isUsedUp(verdict.code)) {
          this.#usedUpUntil = this.#clock.now() + USED_UP_MS;
        }
        return verdict;
      },
    });
  }
}

/** What the list of chats shows of a Markdown message. */
function titleOf(text: string): string {
  return text.slice(0, 200).replace(/[#*`>\-\s]+/g, " ").trim().slice(0, 40) || "…";
}
