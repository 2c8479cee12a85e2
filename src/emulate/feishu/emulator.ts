/**
 * Feishu's open platform as far as a bot sees it: tokens, messages, CardKit, events, and the
 * documented limits with the documented errors. For tests, benchmarks, and for trying things out
 * without an account.
 *
 * Source of the limits: Feishu 频控策略 (2024-10).
 */
import type { Json } from "../../core/store.ts";
import { AccessTokens } from "../access_tokens.ts";
import type { ChatLog } from "../chat_log.ts";
import { chatPage } from "../chat_page.ts";
import { FeishuCards } from "./cards.ts";
import { FeishuConsole } from "./console.ts";
import { FeishuEvents, type FeishuMessage } from "./events.ts";
import { FeishuMessages } from "./messages.ts";
import { fail } from "./response.ts";
import { BOT_ID, type FeishuParts, FeishuState } from "./state.ts";

export type { FeishuMessage, FeishuParts };

/** A token with less than this left is not issued again. */
const TOKEN_MIN_LEFT_MS = 30 * 60_000;

/** Calls of one API: fifty a second, a thousand a minute. */
const API_LIMITS = [[50, 1000], [1000, 60_000]] as const;

type Handler = (request: Request, id: string, second: string) => Promise<Response> | Response;

interface Route {
  readonly method: string;
  readonly pattern: RegExp;
  /** The limits are counted under this name. */
  readonly name: string;
  readonly answer: Handler;
}

export class FeishuEmulator {
  readonly botId = BOT_ID;
  readonly #state: FeishuState;
  readonly #tokens: AccessTokens;
  readonly #events: FeishuEvents;
  readonly #console: FeishuConsole;
  readonly #routes: readonly Route[];

  constructor(parts: FeishuParts) {
    this.#state = new FeishuState(parts);
    this.#tokens = new AccessTokens(parts.clock);
    this.#events = new FeishuEvents(this.#state);
    this.#console = new FeishuConsole(this.#state);
    this.#routes = [
      ...messageRoutes(new FeishuMessages(this.#state)),
      ...cardRoutes(new FeishuCards(this.#state)),
      ...consoleRoutes(this.#console),
    ];
  }

  get log(): ChatLog {
    return this.#state.log;
  }

  get counts(): FeishuState["counts"] {
    return this.#state.counts;
  }

  get faults(): FeishuState["faults"] {
    return this.#state.faults;
  }

  get resources(): FeishuState["resources"] {
    return this.#state.resources;
  }

  get console(): FeishuConsole["settings"] {
    return this.#console.settings;
  }

  get departments(): Map<string, string[]> {
    return this.#console.departments;
  }

  get names(): Map<string, string> {
    return this.#console.names;
  }

  get toasts(): Json[] {
    return this.#events.toasts;
  }

  /** Set by the long connection. */
  set push(push: FeishuEvents["push"]) {
    this.#events.push = push;
  }

  /** Whether the card of a message still has a button. */
  hasButton(message: string): boolean {
    const elements = this.#state.messages.get(message)?.card?.json.body?.elements ?? [];
    return elements.some((part: Json) => part.tag === "button");
  }

  stop(): void {
    this.#events.stop();
  }

  /**
   * A person writes. The event is sent, and sent again until it is acknowledged. Returns the
   * message's id.
   */
  say(said: FeishuMessage): string {
    return this.#events.say(said);
  }

  recall(messageId: string): void {
    this.#events.recall(messageId);
  }

  press(messageId: string, value: Json, by = "ou_somebody"): void {
    this.#events.press(messageId, value, by);
  }

  /** Sends any event. */
  event(type: string, event: Json): void {
    this.#events.send(type, event);
  }

  callback(body: Json): Request {
    return this.#events.callback(body);
  }

  spoilTokens(): void {
    this.#tokens.revokeAll();
  }

  throttle(ms?: number): Response {
    return this.#state.throttle(ms);
  }

  async fetch(request: Request): Promise<Response> {
    const page = await chatPage(request, {
      title: "Feishu, emulated",
      log: this.log,
      say: (chat, text, inGroup) => void this.say({ chat, text, type: inGroup ? "group" : "p2p" }),
      buttons: (message) =>
        (this.#state.messages.get(message)?.card?.json.body?.elements ?? [])
          .filter((part: Json) => part.tag === "button")
          .map((part: Json) => part.text?.content ?? "button"),
      press: (message, index) => this.#pressOnPage(message, index),
      figures: () => ({ ...this.counts }),
    });
    return page ?? await this.#call(request);
  }

  async #call(request: Request): Promise<Response> {
    this.counts.calls++;
    const { pathname } = new URL(request.url);
    if (pathname === "/open-apis/auth/v3/tenant_access_token/internal") {
      return await this.#issueToken(request);
    }
    const bearer = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    if (!this.#tokens.isValid(bearer)) {
      return fail(400, 99991663, "Invalid access token for authorization");
    }
    for (const { method, pattern, name, answer } of this.#routes) {
      const found = method === request.method ? pattern.exec(pathname) : null;
      if (!found) continue;
      const wait = this.#state.overLimit(`api:${name}`, API_LIMITS);
      if (wait !== undefined) return this.throttle(wait);
      return await answer(request, found[1] ?? "", found[2] ?? "");
    }
    return fail(404, 404, `no such API here: ${request.method} ${pathname}`);
  }

  async #issueToken(request: Request): Promise<Response> {
    const { appId, appSecret } = this.#state.parts;
    const { app_id, app_secret } = await request.json();
    if (app_id !== appId) return fail(400, 10003, "invalid param");
    if (app_secret !== appSecret) return fail(400, 10014, "app secret invalid");
    const { token, expiresIn } = this.#tokens.issue({ minLeftMs: TOKEN_MIN_LEFT_MS });
    return Response.json({ code: 0, msg: "ok", tenant_access_token: token, expire: expiresIn });
  }

  /** Presses a button as the person who has written in the chat. */
  #pressOnPage(message: string, index: number): void {
    const stored = this.#state.messages.get(message);
    const buttons = (stored?.card?.json.body?.elements ?? [])
      .filter((part: Json) => part.tag === "button");
    const value = buttons[index]?.behaviors?.[0]?.value ?? buttons[index]?.value;
    if (stored && value !== undefined) this.press(message, value, `ou_of_${stored.chat}`);
  }
}

function route(call: string, name: string, answer: Handler): Route {
  const [method = "", path = ""] = call.split(" ");
  const pattern = new RegExp(`^/open-apis${path.replaceAll("*", "([^/]+)")}$`);
  return { method, pattern, name, answer };
}

function messageRoutes(messages: FeishuMessages): Route[] {
  const at = "/im/v1/messages";
  return [
    route(`POST ${at}`, "im.send", (request) => messages.send(request)),
    route(`POST ${at}/*/reply`, "im.reply", (request, id) => messages.reply(id, request)),
    route(`PATCH ${at}/*`, "im.patch", (request, id) => messages.patch(id, request)),
    route(`GET ${at}/*`, "im.get", (_request, id) => messages.read(id)),
    route("POST /im/v1/images", "im.image", (request) => messages.uploadImage(request)),
    route("POST /im/v1/files", "im.file", (request) => messages.uploadFile(request)),
    route(`GET ${at}/*/resources/*`, "im.resource", (_r, _id, key) => messages.download(key)),
  ];
}

function cardRoutes(cards: FeishuCards): Route[] {
  const at = "/cardkit/v1/cards";
  return [
    route(`POST ${at}`, "card.create", (request) => cards.create(request)),
    route(`PUT ${at}/*`, "card.update", (request, id) => cards.replace(id, request)),
    route(
      `PATCH ${at}/*/settings`,
      "card.settings",
      (request, id) => cards.changeSettings(id, request),
    ),
    route(
      `DELETE ${at}/*/elements/*`,
      "card.element",
      (request, id, element) => cards.removeElement(id, element, request),
    ),
    route(
      `PUT ${at}/*/elements/*/content`,
      "card.content",
      (request, id, element) => cards.streamContent(id, element, request),
    ),
  ];
}

function consoleRoutes(console: FeishuConsole): Route[] {
  const at = "/application/v6";
  return [
    route("GET /bot/v3/info", "bot.info", () => console.bot()),
    route(`GET ${at}/scopes`, "app.scopes", () => console.scopes()),
    route(`GET ${at}/applications/*`, "app.get", () => console.app()),
    route(`GET ${at}/applications/*/app_versions/*`, "app.version", () => console.appVersion()),
    route("GET /contact/v3/users/*", "contact.user", (_request, id) => console.user(id)),
  ];
}
