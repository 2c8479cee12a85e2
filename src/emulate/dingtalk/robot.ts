/**
 * DingTalk's robot: people's messages as callbacks, the session webhook, the robot's own messages
 * and its files.
 *
 * Sources: DingTalk 接收消息 (2025-12), 全局错误码.
 */
import { Buffer } from "node:buffer";
import { createHmac, randomBytes } from "node:crypto";
import type { Json } from "../../core/store.ts";
import { EventDelivery } from "../event_delivery.ts";
import { fail } from "./response.ts";
import type { DingTalkState } from "./state.ts";

/**
 * Milliseconds from a try that was not acknowledged to the next, as the vendor's SDKs expect; they
 * are not documented.
 */
const RETRIES_MS = [10_000, 30_000];
const DEADLINE_MS = 2500;
const WEBHOOK_TTL_MS = 5_400_000;
const BLOCKED_MS = 10 * 60_000;
const MAX_PARAM_BYTES = 15_000;

const MESSAGE_TOPIC = "/v1.0/im/bot/messages/get";

/** What a person writes. */
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

export class DingTalkRobot {
  /** Sends over the Stream; resolves to whether the message was acknowledged. */
  push: ((topic: string, data: Json) => Promise<boolean>) | undefined;
  readonly #delivery: EventDelivery;
  readonly #webhooks = new Map<string, { chat: string; until: number }>();
  /** Until when a chat takes no message, in milliseconds since the epoch. */
  readonly #blocked = new Map<string, number>();

  constructor(private readonly state: DingTalkState) {
    this.#delivery = new EventDelivery(state.clock, state.counts, DEADLINE_MS);
  }

  stop(): void {
    this.#delivery.stop();
  }

  /** A person writes. Returns the message's id. */
  say(said: DingTalkMessage): string {
    const { state } = this;
    const id = said.messageId ?? `msg${state.nextId().toString(36).padStart(8, "0")}`;
    const kind = said.message?.type ?? "text";
    const text = said.text ?? "";
    state.log.add({ id, chat: said.chat, from: "person", kind, text, final: true });
    const data = this.#callbackData(id, kind, said);
    void this.#delivery.deliver(() => this.#deliver(data), RETRIES_MS);
    return id;
  }

  #callbackData(id: string, msgtype: string, said: DingTalkMessage): Json {
    const { clock, parts, names } = this.state;
    const now = clock.now();
    const group = said.type === "group";
    const sender = said.sender ?? said.chat;
    const session = randomBytes(8).toString("hex");
    this.#webhooks.set(session, { chat: said.chat, until: now + WEBHOOK_TTL_MS });
    const origin = parts.origin ?? "https://oapi.dingtalk.com";
    return {
      msgId: id,
      msgtype,
      conversationId: said.chat,
      conversationType: group ? "2" : "1",
      conversationTitle: group ? "Group" : undefined,
      senderId: `$:LWCP_v1:$${sender}`,
      senderStaffId: sender,
      senderNick: names.get(sender) ?? "Somebody",
      senderCorpId: said.corp ?? "dingcorp",
      chatbotUserId: "$:LWCP_v1:$bot",
      chatbotCorpId: "dingcorp",
      isAdmin: false,
      isInAtList: group ? true : undefined,
      atUsers: group ? [{ dingtalkId: "$:LWCP_v1:$bot" }] : undefined,
      sessionWebhook: `${origin}/robot/sendBySession?session=${session}`,
      sessionWebhookExpiredTime: now + WEBHOOK_TTL_MS,
      createAt: now,
      robotCode: parts.clientId,
      ...contentOf(said, group),
    };
  }

  /** A message as the callback that carries it. */
  callback(data: Json, timestamp = String(this.state.clock.now())): Request {
    const { clientSecret, callbackUrl } = this.state.parts;
    const sign = createHmac("sha256", clientSecret).update(`${timestamp}\n${clientSecret}`)
      .digest("base64");
    return new Request(callbackUrl ?? "http://bot.invalid/", {
      method: "POST",
      headers: { "content-type": "application/json; charset=utf-8", timestamp, sign },
      body: JSON.stringify(data),
    });
  }

  /** Resolves to `true` when the message is acknowledged. */
  async #deliver(data: Json): Promise<true | undefined> {
    if (this.push) return await this.push(MESSAGE_TOPIC, data) ? true : undefined;
    const response = await this.state.parts.deliver?.(this.callback(data));
    await response?.body?.cancel();
    return response?.status === 200 ? true : undefined;
  }

  async sendBySession(request: Request): Promise<Response> {
    const session = new URL(request.url).searchParams.get("session") ?? "";
    const found = this.#webhooks.get(session);
    if (!found || found.until <= this.state.clock.now()) {
      return Response.json({ errcode: 310000, errmsg: "session expired" });
    }
    const blocked = this.#blockedResponse(found.chat);
    if (blocked) return blocked;
    const body = await request.json();
    const param = body.msgKey ? JSON.parse(body.msgParam) : body[body.msgtype];
    this.#show(found.chat, body.msgKey ?? body.msgtype, param, body.at);
    return Response.json({ errcode: 0, errmsg: "ok" });
  }

  /** Twenty messages a minute into one chat; one more blocks the chat for ten minutes. */
  #blockedResponse(chat: string): Response | undefined {
    const { clock, limits, counts } = this.state;
    const now = clock.now();
    const isBlocked = (this.#blocked.get(chat) ?? 0) > now;
    if (!isBlocked && limits.hit(`robot:${chat}`, 20, 60_000) === 0) return undefined;
    if (!isBlocked) this.#blocked.set(chat, now + BLOCKED_MS);
    counts.throttled++;
    return Response.json({ errcode: 410100, errmsg: "发送速度太快而限流" });
  }

  /** A message of the robot to people or into a group. */
  async send(request: Request): Promise<Response> {
    const { state } = this;
    const { robotCode, openConversationId, userIds, msgKey, msgParam } = await request.json();
    if (robotCode !== state.parts.clientId) return unknownRobot();
    if (typeof msgParam !== "string" || Buffer.byteLength(msgParam) > MAX_PARAM_BYTES) {
      return fail(400, "invalidParameter.msgParam.lengthTooLong", "msgParam is too long");
    }
    const sent = (processQueryKey: string, flowControlledStaffIdList: string[]) =>
      Response.json({ processQueryKey, invalidStaffIdList: [], flowControlledStaffIdList });
    const { flowControlled } = state.faults;
    const controlled = (userIds ?? []).filter((id: string) => flowControlled.has(id));
    if (controlled.length > 0) {
      state.counts.throttled++;
      return sent("q", controlled);
    }
    const param = JSON.parse(msgParam);
    if (this.#isUnknownMedia(msgKey, param)) {
      return fail(400, "invalidParameter.mediaId", "no such media");
    }
    this.#show(openConversationId ?? userIds[0], msgKey, param);
    return sent(`q${state.nextId()}`, []);
  }

  /** A picture or a file must have been uploaded. */
  #isUnknownMedia(msgKey: string, param: Json): boolean {
    const ids: Record<string, unknown> = {
      sampleFile: param.mediaId,
      sampleImageMsg: param.photoURL,
    };
    const id = ids[msgKey];
    return typeof id === "string" && id.startsWith("@") && !this.state.files.has(id);
  }

  #show(chat: string, kind: string, param: Json, at: Json = {}): void {
    const { state } = this;
    state.recordMentions(chat, String(param?.text ?? param?.content ?? ""));
    for (const who of [at.isAtAll ? "all" : [], at.atUserIds ?? [], at.atMobiles ?? []].flat()) {
      state.log.mentions.push({ chat, who });
    }
    const text = String(param?.text ?? param?.content ?? param?.fileName ?? param?.photoURL ?? "");
    state.log.add({ id: `bot${state.nextId()}`, chat, from: "bot", kind, text, final: true });
  }

  readStatus(request: Request): Response {
    const denied = this.state.denied("qyapi_robot_sendmsg");
    if (denied) return denied;
    const robotCode = new URL(request.url).searchParams.get("robotCode");
    if (robotCode !== this.state.parts.clientId) return unknownRobot();
    return fail(400, "invalidParameter.processQueryKey", "no such message");
  }

  async downloadUrl(request: Request): Promise<Response> {
    const { downloadCode } = await request.json();
    const { origin } = new URL(request.url);
    return Response.json({ downloadUrl: `${origin}/files/${encodeURIComponent(downloadCode)}` });
  }

  async upload(request: Request): Promise<Response> {
    const media = (await request.formData()).get("media");
    if (!(media instanceof Blob)) return Response.json({ errcode: 40035, errmsg: "no media" });
    if (media.size > 20 << 20) return Response.json({ errcode: 40006, errmsg: "不合法的文件大小" });
    const id = `@media${this.state.nextId()}`;
    const bytes = new Uint8Array(await media.arrayBuffer());
    this.state.files.set(id, { type: media.type, bytes });
    return Response.json({ errcode: 0, errmsg: "ok", media_id: id, type: "image" });
  }

  file(pathname: string): Response {
    const found = this.state.files.get(decodeURIComponent(pathname.slice("/files/".length)));
    if (!found) return new Response(null, { status: 404 });
    return new Response(found.bytes, { headers: { "content-type": found.type } });
  }
}

function contentOf(said: DingTalkMessage, group: boolean): Json {
  if (said.message) return { content: said.message.content };
  const reply = said.replyTo ? { isReplyMsg: true, repliedMsg: said.replyTo } : {};
  return { text: { content: (group ? " " : "") + (said.text ?? ""), ...reply } };
}

function unknownRobot(): Response {
  return fail(400, "invalidParameter.robotCode", "robot 不存在");
}
