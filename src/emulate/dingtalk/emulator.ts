/**
 * DingTalk's open platform as far as a robot sees it: tokens, session webhooks, robot messages, AI
 * cards, robot callbacks, and the documented limits with the documented errors, the month's quota
 * and the ban of an address included.
 *
 * Sources: DingTalk 调用频次与限流, 计费模型 (2026-05), 接收消息 (2025-12), AI 卡片流式更新 (2026-04), 全局错误码.
 */
import { createHmac, randomBytes } from "node:crypto";
import { Buffer } from "node:buffer";
import type { Clock } from "../../core/clock.ts";
import type { Json } from "../../core/store.ts";
import { ChatLog, page } from "../chat_log.ts";
import { Limits } from "../limits.ts";

export interface DingTalkParts {
  readonly clock: Clock;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Takes a callback to the robot's address. Absent: messages go over the Stream only. */
  readonly deliver?: (request: Request) => Promise<Response>;
  readonly callbackUrl?: string;
  /** Where session webhooks point to. */
  readonly origin?: string;
  /** Calls a second of one API; 20 is the standard edition. */
  readonly perSecond?: number;
  /** API calls a month; absent: no end. */
  readonly month?: number;
}

/**
 * The robot's message is sent again this long after a try that nobody acknowledged: what the
 * vendor's SDKs expect (not documented).
 */
const REPEATS = [10_000, 30_000];
const DEADLINE = 2500;
const TOKEN_LIFE = 7200_000;
const WEBHOOK_LIFE = 5_400_000;

interface Card {
  readonly id: string;
  readonly chat: string;
  readonly guids: Set<string>;
  finished: boolean;
  /** `flowStatus`: 1 processing, 2 inputing, 3 finished, 4 executing, 5 failed. */
  status: string | undefined;
}

export interface DingTalkMessage {
  readonly chat: string;
  readonly text?: string;
  readonly sender?: string;
  /** The sender's company; the robot's own unless set. */
  readonly corp?: string;
  readonly type?: "direct" | "group";
  readonly messageId?: string;
  /** The message that this text replies to, as `repliedMsg`. */
  readonly replyTo?: Json;
  /** Another kind of message with its content. */
  readonly message?: { readonly type: string; readonly content: Json };
}

export class DingTalkEmulator {
  readonly log: ChatLog;
  readonly counts = {
    calls: 0,
    counted: 0,
    throttled: 0,
    overdrawn: 0,
    pushes: 0,
    unacknowledged: 0,
    repeatedGuids: 0,
  };
  /** Files by download code. */
  readonly files = new Map<string, { type: string; bytes: Uint8Array<ArrayBuffer> }>();
  /** People to whom too much was sent: a 200 names them. */
  readonly flowControlled = new Set<string>();
  readonly departments = new Map<string, number[]>();
  /** What people are called. */
  readonly names = new Map<string, string>();
  /** The app lacks the permission to read people. */
  refusePeople = false;
  /** The month's calls were used up by others of the organisation. */
  monthIsUsedUp = false;
  /** Permissions that the app was not granted. */
  readonly missingPermissions = new Set<string>();
  /** Card templates that there are; absent: any. */
  templates: Set<string> | undefined;
  /** Whether calls come from an address that is on the app's list. */
  isListedAddress = true;
  /** What cards do not take. */
  refuses: ((content: string) => boolean) | undefined;
  /** Given by whoever carries the Stream: resolves to whether the message was acknowledged. */
  push: ((topic: string, data: Json) => Promise<boolean>) | undefined;
  readonly #p: DingTalkParts;
  readonly #limits: Limits;
  readonly #tokens = new Map<string, number>();
  readonly #cards = new Map<string, Card>();
  readonly #webhooks = new Map<string, { chat: string; until: number }>();
  readonly #blocked = new Map<string, number>();
  readonly #timers = new Set<() => void>();
  #bannedUntil = 0;
  #ids = 0;

  constructor(parts: DingTalkParts) {
    this.#p = parts;
    this.log = new ChatLog(parts.clock);
    this.#limits = new Limits(parts.clock);
  }

  stop(): void {
    for (const stop of this.#timers) stop();
    this.#timers.clear();
  }

  /** A person writes. Returns the message's id. */
  say(said: DingTalkMessage): string {
    const { clock, clientId, origin } = this.#p;
    const now = clock.now();
    const id = said.messageId ?? `msg${(++this.#ids).toString(36).padStart(8, "0")}`;
    const group = said.type === "group";
    const session = randomBytes(8).toString("hex");
    this.#webhooks.set(session, { chat: said.chat, until: now + WEBHOOK_LIFE });
    this.log.add({
      id,
      chat: said.chat,
      from: "person",
      kind: said.message?.type ?? "text",
      text: said.text ?? "",
      final: true,
    });
    const data = {
      msgId: id,
      msgtype: said.message?.type ?? "text",
      conversationId: said.chat,
      conversationType: group ? "2" : "1",
      conversationTitle: group ? "Group" : undefined,
      senderId: `$:LWCP_v1:$${said.sender ?? said.chat}`,
      senderStaffId: said.sender ?? said.chat,
      senderNick: this.names.get(said.sender ?? said.chat) ?? "Somebody",
      senderCorpId: said.corp ?? "dingcorp",
      chatbotUserId: "$:LWCP_v1:$bot",
      chatbotCorpId: "dingcorp",
      isAdmin: false,
      isInAtList: group ? true : undefined,
      atUsers: group ? [{ dingtalkId: "$:LWCP_v1:$bot" }] : undefined,
      sessionWebhook: `${
        origin ?? "https://oapi.dingtalk.com"
      }/robot/sendBySession?session=${session}`,
      sessionWebhookExpiredTime: now + WEBHOOK_LIFE,
      createAt: now,
      robotCode: clientId,
      ...(said.message ? { content: said.message.content } : {
        text: {
          content: (group ? " " : "") + (said.text ?? ""),
          ...(said.replyTo ? { isReplyMsg: true, repliedMsg: said.replyTo } : {}),
        },
      }),
    };
    void this.#deliver(data, REPEATS);
    return id;
  }

  /** A message as the callback that carries it. */
  callback(data: Json, timestamp = String(this.#p.clock.now())): Request {
    const { clientSecret, callbackUrl } = this.#p;
    const sign = createHmac("sha256", clientSecret).update(`${timestamp}\n${clientSecret}`).digest(
      "base64",
    );
    return new Request(callbackUrl ?? "http://bot.invalid/", {
      method: "POST",
      headers: { "content-type": "application/json; charset=utf-8", timestamp, sign },
      body: JSON.stringify(data),
    });
  }

  async #deliver(data: Json, repeats: readonly number[]): Promise<void> {
    this.counts.pushes++;
    if (await this.#acknowledged(data)) return;
    this.counts.unacknowledged++;
    const [wait, ...rest] = repeats;
    if (wait === undefined) return;
    const stop = this.#p.clock.after(wait, () => {
      this.#timers.delete(stop);
      void this.#deliver(data, rest);
    });
    this.#timers.add(stop);
  }

  #acknowledged(data: Json): Promise<boolean> {
    const { deliver, clock } = this.#p;
    return new Promise((resolve) => {
      const settle = (yes: boolean) => {
        stop();
        this.#timers.delete(stop);
        resolve(yes);
      };
      const stop = clock.after(DEADLINE, () => settle(false));
      this.#timers.add(stop);
      if (this.push) this.push("/v1.0/im/bot/messages/get", data).then(settle, () => settle(false));
      else if (deliver) {
        deliver(this.callback(data)).then(async (response) => {
          await response.body?.cancel();
          settle(response.status === 200);
        }, () => settle(false));
      } else settle(false);
    });
  }

  /*
   * ── the API
   * ───────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const shown = await page(request, {
      title: "DingTalk, emulated",
      log: this.log,
      say: (chat, text) => void this.say({ chat, text }),
      figures: () => ({ ...this.counts }),
    });
    if (shown) return shown;
    this.counts.calls++;
    const { clock, perSecond = 20, month } = this.#p;
    if (this.#bannedUntil > clock.now()) return this.#banned();
    if (this.#limits.hit("address", 10_000, 20_000) > 0) {
      this.#bannedUntil = clock.now() + 5 * 60_000;
      return this.#banned();
    }
    if (url.pathname === "/v1.0/oauth2/accessToken" || url.pathname === "/gettoken") {
      return await this.#token(request, url);
    }
    if (url.pathname === "/robot/sendBySession") return await this.#session(request, url);
    if (url.pathname.startsWith("/files/")) return this.#file(url);
    const route = this.#routes[`${request.method} ${url.pathname}`];
    if (!route) return fail(404, "InvalidAction.NotFound", "Specified api is not found");
    if (!this.isListedAddress) return this.#foreign();
    const token = request.headers.get("x-acs-dingtalk-access-token") ??
      url.searchParams.get("access_token") ?? "";
    if ((this.#tokens.get(token) ?? 0) <= clock.now()) {
      return fail(400, "InvalidAuthentication", "不合法的access_token");
    }
    if (this.monthIsUsedUp || (month !== undefined && this.counts.counted >= month)) {
      this.counts.overdrawn++;
      return fail(
        403,
        "Forbidden.AccessDenied.ApiCountLimitForOrg",
        "the month's calls are used up",
      );
    }
    // What fails for being too fast is not counted against the month.
    if (this.#limits.hit(`api:${url.pathname}`, perSecond, 1000) > 0) return this.throttle();
    this.counts.counted++;
    return await route(request);
  }

  throttle(): Response {
    this.counts.throttled++;
    return fail(
      403,
      "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi",
      "The request was denied due to request throttling.",
    );
  }

  #banned(): Response {
    this.counts.throttled++;
    return Response.json({ status: 1111, wait: 5, source: "x5", punish: "deny" }, { status: 403 });
  }

  readonly #routes: Record<string, (request: Request) => Promise<Response>> = {
    "POST /v1.0/robot/groupMessages/send": (request) => this.#robot(request),
    "POST /v1.0/robot/oToMessages/batchSend": (request) => this.#robot(request),
    "POST /v1.0/card/instances/createAndDeliver": (request) => this.#create(request),
    "PUT /v1.0/card/streaming": (request) => this.#stream(request),
    "PUT /v1.0/card/instances": (request) => this.#update(request),
    "POST /v1.0/card/instances": (request) => this.#make(request),
    "GET /v1.0/robot/oToMessages/readStatus": (request) =>
      Promise.resolve(this.#readStatus(new URL(request.url))),
    "POST /topapi/v2/user/get": async (request) => {
      const { userid } = await request.json();
      if (this.refusePeople) {
        return Response.json({ errcode: 60011, errmsg: "no permission: qyapi_get_member" });
      }
      const dept_id_list = this.departments.get(userid) ?? [];
      const result = {
        userid,
        unionid: `union_of_${userid}`,
        name: this.names.get(userid) ?? userid,
        dept_id_list,
      };
      return Response.json({ errcode: 0, errmsg: "ok", result });
    },
    "POST /v1.0/robot/messageFiles/download": async (request) => {
      const { downloadCode } = await request.json();
      return Response.json({
        downloadUrl: `${new URL(request.url).origin}/files/${encodeURIComponent(downloadCode)}`,
      });
    },
    "POST /media/upload": async (request) => {
      const media = (await request.formData()).get("media");
      if (!(media instanceof Blob)) return Response.json({ errcode: 40035, errmsg: "no media" });
      if (media.size > 20 << 20) {
        return Response.json({ errcode: 40006, errmsg: "不合法的文件大小" });
      }
      const id = `@media${++this.#ids}`;
      this.files.set(id, { type: media.type, bytes: new Uint8Array(await media.arrayBuffer()) });
      return Response.json({ errcode: 0, errmsg: "ok", media_id: id, type: "image" });
    },
  };

  #foreign(): Response {
    const message = "The IP 203.0.113.9 is not in the whitelist of the app";
    return fail(403, "Forbidden.AccessDenied.IpNotInWhiteList", message);
  }

  /** The refusal of an app without a permission; `undefined`: it has it. */
  #lacks(permission: string): Response | undefined {
    if (!this.missingPermissions.has(permission)) return undefined;
    const body = {
      code: "Forbidden.AccessDenied.AccessTokenPermissionDenied",
      message: "the app has no permission for this API",
      accessdenieddetail: { requiredScopes: [permission] },
    };
    return Response.json(body, { status: 403 });
  }

  /** A card that nobody gets yet. */
  async #make(request: Request): Promise<Response> {
    const { cardTemplateId, outTrackId } = await request.json();
    if (!cardTemplateId || !outTrackId) {
      return fail(400, "param.empty", "cardTemplateId, outTrackId");
    }
    const refused = this.#lacks("Card.Instance.Write");
    if (refused) return refused;
    if (this.templates?.has(cardTemplateId) === false) {
      return fail(400, "param.templateNotExist", "param.templateNotExist");
    }
    return Response.json({ success: true, result: { outTrackId } });
  }

  #readStatus(url: URL): Response {
    const refused = this.#lacks("qyapi_robot_sendmsg");
    if (refused) return refused;
    if (url.searchParams.get("robotCode") !== this.#p.clientId) {
      return fail(400, "invalidParameter.robotCode", "robot 不存在");
    }
    return fail(400, "invalidParameter.processQueryKey", "no such message");
  }

  async #token(request: Request, url: URL): Promise<Response> {
    const old = url.pathname === "/gettoken";
    const { appKey, appSecret } = old
      ? { appKey: url.searchParams.get("appkey"), appSecret: url.searchParams.get("appsecret") }
      : await request.json();
    if (appKey !== this.#p.clientId || appSecret !== this.#p.clientSecret) {
      return old
        ? Response.json({ errcode: 40089, errmsg: "invalid appkey" })
        : fail(400, "invalidClientIdOrSecret", "wrong");
    }
    const now = this.#p.clock.now();
    let token = [...this.#tokens].find(([, until]) => until > now)?.[0];
    token ??= randomBytes(12).toString("hex");
    this.#tokens.set(token, now + TOKEN_LIFE);
    return old
      ? Response.json({
        errcode: 0,
        errmsg: "ok",
        access_token: token,
        expires_in: TOKEN_LIFE / 1000,
      })
      : Response.json({ accessToken: token, expireIn: TOKEN_LIFE / 1000 });
  }

  async #session(request: Request, url: URL): Promise<Response> {
    const found = this.#webhooks.get(url.searchParams.get("session") ?? "");
    if (!found || found.until <= this.#p.clock.now()) {
      return Response.json({ errcode: 310000, errmsg: "session expired" });
    }
    const blocked = this.#robotBlocked(found.chat);
    if (blocked) return blocked;
    const body = await request.json();
    const param = body.msgKey ? JSON.parse(body.msgParam) : body[body.msgtype];
    this.#show(found.chat, body.msgKey ?? body.msgtype, param, body.at);
    return Response.json({ errcode: 0, errmsg: "ok" });
  }

  /** Twenty a minute into one chat, then ten minutes of nothing. */
  #robotBlocked(chat: string): Response | undefined {
    const now = this.#p.clock.now();
    if (
      (this.#blocked.get(chat) ?? 0) <= now && this.#limits.hit(`robot:${chat}`, 20, 60_000) === 0
    ) return undefined;
    if ((this.#blocked.get(chat) ?? 0) <= now) this.#blocked.set(chat, now + 10 * 60_000);
    this.counts.throttled++;
    return Response.json({ errcode: 410100, errmsg: "发送速度太快而限流" });
  }

  async #robot(request: Request): Promise<Response> {
    const { robotCode, openConversationId, userIds, msgKey, msgParam } = await request.json();
    if (robotCode !== this.#p.clientId) {
      return fail(400, "invalidParameter.robotCode", "robot 不存在");
    }
    if (typeof msgParam !== "string" || Buffer.byteLength(msgParam) > 15_000) {
      return fail(400, "invalidParameter.msgParam.lengthTooLong", "msgParam is too long");
    }
    const controlled = (userIds ?? []).filter((id: string) => this.flowControlled.has(id));
    if (controlled.length > 0) {
      this.counts.throttled++;
      return Response.json({
        processQueryKey: "q",
        invalidStaffIdList: [],
        flowControlledStaffIdList: controlled,
      });
    }
    if (this.#unknownMedia(msgKey, JSON.parse(msgParam))) {
      return fail(400, "invalidParameter.mediaId", "no such media");
    }
    this.#show(openConversationId ?? userIds[0], msgKey, JSON.parse(msgParam));
    return Response.json({
      processQueryKey: `q${++this.#ids}`,
      invalidStaffIdList: [],
      flowControlledStaffIdList: [],
    });
  }

  /** A picture or a file that was never uploaded is not one. */
  #unknownMedia(msgKey: string, param: Json): boolean {
    const id = msgKey === "sampleFile"
      ? param.mediaId
      : msgKey === "sampleImageMsg"
      ? param.photoURL
      : undefined;
    return typeof id === "string" && id.startsWith("@") && !this.files.has(id);
  }

  #show(chat: string, kind: string, param: Json, at: Json = {}): void {
    this.log.recordMentions(chat, String(param?.text ?? param?.content ?? ""), PINGS);
    for (const who of [at.isAtAll ? "all" : [], at.atUserIds ?? [], at.atMobiles ?? []].flat()) {
      this.log.mentions.push({ chat, who });
    }
    const text = String(param?.text ?? param?.content ?? param?.fileName ?? param?.photoURL ?? "");
    this.log.add({ id: `bot${++this.#ids}`, chat, from: "bot", kind, text, final: true });
  }

  async #create(request: Request): Promise<Response> {
    const body = await request.json();
    const chat = /^dtv1\.card\/\/IM_(?:GROUP|ROBOT)\.(.+)$/.exec(body.openSpaceId ?? "")?.[1];
    if (
      !body.cardTemplateId || !body.outTrackId || !chat ||
      this.templates?.has(body.cardTemplateId) === false
    ) {
      return fail(400, "param.error", "cardTemplateId, outTrackId, openSpaceId");
    }
    for (const value of Object.values(body.cardData?.cardParamMap ?? {})) {
      if (Buffer.byteLength(String(value)) > 1024) {
        return fail(400, "param.cardParamMap", "a value is at most 1 KB");
      }
    }
    const { flowStatus } = body.cardData?.cardParamMap ?? {};
    if (flowStatus !== undefined && !/^[1-5]$/.test(flowStatus)) {
      return fail(400, "param.flowStatus", "1 to 5, as a text");
    }
    if (!this.#cards.has(body.outTrackId)) {
      const card = {
        id: body.outTrackId,
        chat,
        guids: new Set<string>(),
        finished: false,
        status: flowStatus,
      };
      this.#cards.set(body.outTrackId, card);
      const text = String(Object.values(body.cardData?.cardParamMap ?? {})[0] ?? "");
      this.log.recordMentions(chat, text, PINGS);
      this.log.add({ id: body.outTrackId, chat, from: "bot", kind: "AI card", text, final: false });
    } else this.counts.repeatedGuids++;
    return Response.json({
      success: true,
      result: {
        outTrackId: body.outTrackId,
        deliverResults: [{ success: true, spaceId: chat, spaceType: "IM" }],
      },
    });
  }

  async #stream(request: Request): Promise<Response> {
    const { outTrackId, guid, content, isFull, isFinalize, isError } = await request.json();
    const card = this.#cards.get(outTrackId);
    if (!card) return fail(400, "param.outTrackId", "no such card");
    if (card.guids.has(guid)) {
      this.counts.repeatedGuids++;
      return Response.json({ success: true, result: true });
    }
    if (card.finished) return fail(400, "param.stream.finished", "the card is finished");
    if (typeof content !== "string" || content.length > 20_000) {
      return fail(400, "param.stream.content", "content too long");
    }
    if (this.refuses?.(content)) {
      return fail(400, "param.stream.content", "the content is not allowed");
    }
    if (isFull !== true) {
      return fail(400, "param.stream.isFull", "a Markdown variable is written as a whole");
    }
    card.guids.add(guid);
    card.finished = isFinalize === true || isError === true;
    this.log.recordMentions(card.chat, content, PINGS);
    this.log.edit(outTrackId, { text: content, final: card.finished });
    return Response.json({ success: true, result: true });
  }

  async #update(request: Request): Promise<Response> {
    const { outTrackId, cardData } = await request.json();
    const card = this.#cards.get(outTrackId);
    const { flowStatus } = cardData?.cardParamMap ?? {};
    if (!card) return fail(400, "param.outTrackId", "no such card");
    if (!/^[1-5]$/.test(flowStatus)) return fail(400, "param.flowStatus", "1 to 5, as a text");
    card.status = flowStatus;
    return Response.json({ success: true, result: true });
  }

  /** The states of the cards in a chat, in order. */
  statuses(chat: string): (string | undefined)[] {
    return [...this.#cards.values()].filter((card) => card.chat === chat).map(({ status }) =>
      status
    );
  }

  #file(url: URL): Response {
    const found = this.files.get(decodeURIComponent(url.pathname.slice("/files/".length)));
    return found
      ? new Response(found.bytes, { headers: { "content-type": found.type } })
      : new Response(null, { status: 404 });
  }
}

/**
 * What DingTalk reads as a mention: everybody, a mobile number, somebody's id, a card's own mark.
 */
const PINGS = [
  /@(all|所有人)/gi,
  /@\+?(\d{6,})/g,
  /(?<![\w`.+-])@([a-z]\w{2,})\b(?!\.)/gi,
  /<a\s+at\w*=["']?([\w-]+)/gi,
];

function fail(status: number, code: string, message: string): Response {
  return Response.json({ code, message, requestid: "emulated" }, { status });
}
