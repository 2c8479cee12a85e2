/**
 * WeCom as far as a self-built app, an AI bot and a group's webhook see it: sealed callbacks with
 * their repeats, the HTTP API, and the documented limits with the documented errors.
 *
 * Sources: WeCom 访问频率限制 (2023-08), 消息推送配置说明.
 */
import { Buffer } from "node:buffer";
import type { Json } from "../../core/store.ts";
import { AccessTokens } from "../access_tokens.ts";
import type { ChatLog } from "../chat_log.ts";
import { chatPage } from "../chat_page.ts";
import { WecomAiBot } from "./ai_bot.ts";
import { WecomAppEmulator } from "./app.ts";
import { BotFrames } from "./bot_frames.ts";
import { seal } from "./envelope.ts";
import { answer } from "./response.ts";
import { type WecomMessage, type WecomParts, WecomState } from "./state.ts";

export type { WecomMessage, WecomParts };

/** Bytes of a message into a group's webhook. */
const MAX_WEBHOOK_BYTES = 4096;

export class WecomEmulator {
  readonly #state: WecomState;
  readonly #tokens: AccessTokens;
  readonly #app: WecomAppEmulator;
  readonly #bot: WecomAiBot;
  readonly #frames: BotFrames;

  constructor(parts: WecomParts) {
    this.#state = new WecomState(parts);
    this.#tokens = new AccessTokens(parts.clock);
    this.#app = new WecomAppEmulator(this.#state);
    this.#bot = new WecomAiBot(this.#state);
    this.#frames = new BotFrames(this.#state, this.#bot);
  }

  get log(): ChatLog {
    return this.#state.log;
  }

  get counts(): WecomState["counts"] {
    return this.#state.counts;
  }

  get faults(): WecomState["faults"] {
    return this.#state.faults;
  }

  get media(): WecomState["media"] {
    return this.#state.media;
  }

  get names(): Map<string, string> {
    return this.#app.names;
  }

  get departments(): Map<string, number[]> {
    return this.#app.departments;
  }

  /** The words that replaced a card's button, by task id. */
  get buttons(): Map<string, string> {
    return this.#app.buttons;
  }

  get push(): WecomAiBot["push"] {
    return this.#bot.push;
  }

  /** Set by the long connection. */
  set push(push: WecomAiBot["push"]) {
    this.#bot.push = push;
  }

  stop(): void {
    this.#state.delivery.stop();
  }

  /** A member writes to the app. Returns the message's id. */
  sayToApp(said: WecomMessage): string {
    return this.#app.say(said);
  }

  /** A member writes to the AI bot. Returns the message's id. */
  sayToBot(said: WecomMessage): string {
    return this.#bot.say(said);
  }

  /** A member presses a button of a card. The event is sent again until it is acknowledged. */
  press(taskId: string, key: string): void {
    this.#app.press(taskId, key);
  }

  appCallback(xml: string): Request {
    return this.#app.callback(xml);
  }

  botCallback(body: Json): Request {
    return this.#bot.callback(body);
  }

  /** The request that verifies a callback address. */
  proof(words: string, bot = false): Request {
    const keys = this.#state.envelopeKeys(bot ? "" : this.#state.parts.corpId);
    const echostr = seal(keys, words);
    const url = new URL(this.#state.signedUrl(keys, echostr));
    url.searchParams.set("echostr", echostr);
    return new Request(url);
  }

  /** A frame of the AI bot over the long connection; returns its acknowledgement. */
  frame(frame: Json): Json {
    return this.#frames.receive(frame);
  }

  throttle(): Response {
    return this.#state.throttle();
  }

  spoilTokens(): void {
    this.#tokens.revokeAll();
  }

  async fetch(request: Request): Promise<Response> {
    const page = await chatPage(request, {
      title: "WeCom, emulated",
      log: this.log,
      say: (chat, text, inGroup) => this.#sayOnPage(chat, text, inGroup),
      figures: () => ({ ...this.counts }),
    });
    return page ?? await this.#call(request);
  }

  /** An app has no groups: there a group's message is one of a member of the same name. */
  #sayOnPage(chat: string, text: string, inGroup: boolean): void {
    if (!this.push && !this.#state.parts.aiBot) return void this.sayToApp({ from: chat, text });
    const from = inGroup ? `member-of-${chat}` : chat;
    this.sayToBot({ from, text, group: inGroup ? chat : undefined });
  }

  async #call(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname.startsWith("/files/")) return this.#state.file(pathname.slice("/files/".length));
    this.counts.calls++;
    if (pathname === "/cgi-bin/gettoken") return this.#issueToken(searchParams);
    if (pathname === "/cgi-bin/aibot/response") return await this.#bot.respond(request);
    if (pathname === "/cgi-bin/webhook/send") return await this.#sendByWebhook(request);
    if (!this.#tokens.isValid(searchParams.get("access_token") ?? "")) {
      return answer(40014, "invalid access_token");
    }
    if (this.faults.isForeignAddress) {
      return answer(60020, "not allow to access from your ip, hint: [1], from ip: 203.0.113.9");
    }
    const { limits } = this.#state;
    if (limits.hitAll([[pathname, 10_000, 60_000], [pathname, 150_000, 3_600_000]])) {
      return this.throttle();
    }
    return await this.#callApp(request);
  }

  async #callApp(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/cgi-bin/message/send":
        return this.#app.send(await request.json());
      case "/cgi-bin/message/update_template_card":
        return this.#app.replaceButton(await request.json());
      case "/cgi-bin/media/upload":
        return await this.#app.upload(request);
      case "/cgi-bin/media/get":
        return this.#state.file(searchParams.get("media_id") ?? "");
      case "/cgi-bin/agent/get":
        return this.#app.agent(Number(searchParams.get("agentid")));
      case "/cgi-bin/user/get":
        return this.#app.user(searchParams.get("userid") ?? "");
      default:
        return answer(40066, "invalid url");
    }
  }

  #issueToken(query: URLSearchParams): Response {
    const { corpId, secret } = this.#state.parts;
    if (query.get("corpid") !== corpId) return answer(40013, "invalid corpid");
    if (query.get("corpsecret") !== secret) return answer(40001, "invalid credential");
    const { token, expiresIn } = this.#tokens.issue();
    return answer(0, "ok", { access_token: token, expires_in: expiresIn });
  }

  /** A message into a group. */
  async #sendByWebhook(request: Request): Promise<Response> {
    const { limits, faults, log } = this.#state;
    const key = new URL(request.url).searchParams.get("key") ?? "";
    if (limits.hit(`webhook:${key}`, 20, 60_000) > 0) return this.throttle();
    if (faults.webhookKeys?.has(key) === false) return answer(93000, "invalid webhook url");
    const body = await request.json();
    const text = String(body.markdown?.content ?? body.text?.content ?? "");
    if (text === "") return answer(44004, "empty content");
    if (Buffer.byteLength(text) > MAX_WEBHOOK_BYTES) {
      return answer(40058, "content exceeds the limit");
    }
    const chat = `webhook ${key}`;
    for (const who of body.text?.mentioned_list ?? []) log.mentions.push({ chat, who });
    this.#state.show(chat, body.msgtype, text, "hook");
    return answer(0, "ok");
  }
}
