/**
 * DingTalk's open platform as far as a robot sees it: tokens, the robot's messages, AI cards, and
 * the documented limits with the documented errors, the month's quota and the ban of an address
 * included.
 *
 * Sources: DingTalk 调用频次与限流, 计费模型 (2026-05), 全局错误码.
 */
import type { Json } from "../../core/store.ts";
import { AccessTokens } from "../access_tokens.ts";
import type { ChatLog } from "../chat_log.ts";
import { chatPage } from "../chat_page.ts";
import { DingTalkCards } from "./cards.ts";
import { fail } from "./response.ts";
import { type DingTalkMessage, DingTalkRobot } from "./robot.ts";
import { type DingTalkParts, DingTalkState } from "./state.ts";

export type { DingTalkMessage, DingTalkParts };

/** An address that calls more often than this in 20 s is banned for five minutes. */
const ADDRESS_LIMIT = 10_000, ADDRESS_WINDOW_MS = 20_000, BAN_MS = 5 * 60_000;

type Handler = (request: Request) => Promise<Response> | Response;

export class DingTalkEmulator {
  readonly #state: DingTalkState;
  readonly #tokens: AccessTokens;
  readonly #robot: DingTalkRobot;
  readonly #cards: DingTalkCards;
  readonly #routes: Readonly<Record<string, Handler>>;
  /** Milliseconds since the epoch. */
  #bannedUntil = 0;

  constructor(parts: DingTalkParts) {
    this.#state = new DingTalkState(parts);
    this.#tokens = new AccessTokens(parts.clock);
    const robot = this.#robot = new DingTalkRobot(this.#state);
    const cards = this.#cards = new DingTalkCards(this.#state);
    this.#routes = {
      "POST /v1.0/robot/groupMessages/send": (request) => robot.send(request),
      "POST /v1.0/robot/oToMessages/batchSend": (request) => robot.send(request),
      "GET /v1.0/robot/oToMessages/readStatus": (request) => robot.readStatus(request),
      "POST /v1.0/robot/messageFiles/download": (request) => robot.downloadUrl(request),
      "POST /media/upload": (request) => robot.upload(request),
      "POST /v1.0/card/instances/createAndDeliver": (request) => cards.createAndDeliver(request),
      "PUT /v1.0/card/streaming": (request) => cards.stream(request),
      "PUT /v1.0/card/instances": (request) => cards.setStatus(request),
      "POST /v1.0/card/instances": (request) => cards.create(request),
      "POST /topapi/v2/user/get": (request) => this.#user(request),
    };
  }

  get log(): ChatLog {
    return this.#state.log;
  }

  get counts(): DingTalkState["counts"] {
    return this.#state.counts;
  }

  get faults(): DingTalkState["faults"] {
    return this.#state.faults;
  }

  get files(): DingTalkState["files"] {
    return this.#state.files;
  }

  get names(): Map<string, string> {
    return this.#state.names;
  }

  get departments(): Map<string, number[]> {
    return this.#state.departments;
  }

  /** Set by the Stream. */
  set push(push: DingTalkRobot["push"]) {
    this.#robot.push = push;
  }

  stop(): void {
    this.#robot.stop();
  }

  /** A person writes. Returns the message's id. */
  say(said: DingTalkMessage): string {
    return this.#robot.say(said);
  }

  /** A message as the callback that carries it. */
  callback(data: Json, timestamp?: string): Request {
    return this.#robot.callback(data, timestamp);
  }

  /** The states of the cards in a chat, in order. */
  statuses(chat: string): (string | undefined)[] {
    return this.#cards.statuses(chat);
  }

  throttle(): Response {
    return this.#state.throttle();
  }

  async fetch(request: Request): Promise<Response> {
    const page = await chatPage(request, {
      title: "DingTalk, emulated",
      log: this.log,
      say: (chat, text, inGroup) =>
        void this.say({ chat, text, type: inGroup ? "group" : "direct" }),
      figures: () => ({ ...this.counts }),
    });
    return page ?? await this.#call(request);
  }

  async #call(request: Request): Promise<Response> {
    const { counts, clock, limits } = this.#state;
    const { pathname } = new URL(request.url);
    counts.calls++;
    if (this.#bannedUntil > clock.now()) return this.#banned();
    if (limits.hit("address", ADDRESS_LIMIT, ADDRESS_WINDOW_MS) > 0) {
      this.#bannedUntil = clock.now() + BAN_MS;
      return this.#banned();
    }
    if (pathname === "/v1.0/oauth2/accessToken") return await this.#issueToken(request);
    if (pathname === "/gettoken") return this.#issueOldToken(request);
    if (pathname === "/robot/sendBySession") return await this.#robot.sendBySession(request);
    if (pathname.startsWith("/files/")) return this.#robot.file(pathname);
    const route = this.#routes[`${request.method} ${pathname}`];
    if (!route) return fail(404, "InvalidAction.NotFound", "Specified api is not found");
    const refusal = this.#refusal(request);
    if (refusal) return refusal;
    counts.counted++;
    return await route(request);
  }

  /** Whether an API call may be made: its address, its token, the month, the rate. */
  #refusal(request: Request): Response | undefined {
    const { faults, parts, counts, limits } = this.#state;
    const { pathname, searchParams } = new URL(request.url);
    if (faults.isForeignAddress) {
      const message = "The IP 203.0.113.9 is not in the whitelist of the app";
      return fail(403, "Forbidden.AccessDenied.IpNotInWhiteList", message);
    }
    const token = request.headers.get("x-acs-dingtalk-access-token") ??
      searchParams.get("access_token") ?? "";
    if (!this.#tokens.isValid(token)) {
      return fail(400, "InvalidAuthentication", "不合法的access_token");
    }
    if (faults.monthIsUsedUp || counts.counted >= (parts.month ?? Infinity)) {
      counts.overdrawn++;
      const message = "the month's calls are used up";
      return fail(403, "Forbidden.AccessDenied.ApiCountLimitForOrg", message);
    }
    // A throttled call is not counted against the month.
    const isThrottled = limits.hit(`api:${pathname}`, parts.perSecond ?? 20, 1000) > 0;
    return isThrottled ? this.throttle() : undefined;
  }

  #banned(): Response {
    this.counts.throttled++;
    return Response.json({ status: 1111, wait: 5, source: "x5", punish: "deny" }, { status: 403 });
  }

  async #issueToken(request: Request): Promise<Response> {
    const { appKey, appSecret } = await request.json();
    if (!this.#knows(appKey, appSecret)) return fail(400, "invalidClientIdOrSecret", "wrong");
    const { token, expiresIn } = this.#tokens.issue({ renews: true });
    return Response.json({ accessToken: token, expireIn: expiresIn });
  }

  /** The token API of the old interfaces. */
  #issueOldToken(request: Request): Response {
    const query = new URL(request.url).searchParams;
    if (!this.#knows(query.get("appkey"), query.get("appsecret"))) {
      return Response.json({ errcode: 40089, errmsg: "invalid appkey" });
    }
    const { token, expiresIn } = this.#tokens.issue({ renews: true });
    return Response.json({
      errcode: 0,
      errmsg: "ok",
      access_token: token,
      expires_in: expiresIn,
    });
  }

  #knows(appKey: unknown, appSecret: unknown): boolean {
    const { clientId, clientSecret } = this.#state.parts;
    return appKey === clientId && appSecret === clientSecret;
  }

  async #user(request: Request): Promise<Response> {
    const { userid } = await request.json();
    const { faults, departments, names } = this.#state;
    if (faults.refusesPeople) {
      return Response.json({ errcode: 60011, errmsg: "no permission: qyapi_get_member" });
    }
    const result = {
      userid,
      unionid: `union_of_${userid}`,
      name: names.get(userid) ?? userid,
      dept_id_list: departments.get(userid) ?? [],
    };
    return Response.json({ errcode: 0, errmsg: "ok", result });
  }
}
