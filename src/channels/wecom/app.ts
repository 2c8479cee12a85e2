/**
 * A WeCom self-built app, running: its callbacks, the stop button, and its inbox.
 *
 * Source: WeCom 接收消息与事件 (2024-07).
 */
import { readBody } from "../im/body.ts";
import type { Channel, ChannelParts } from "../im/channel.ts";
import { Envelope } from "../im/envelope.ts";
import { type AppHealth, Health } from "../im/health.ts";
import { Inbox } from "../im/inbox.ts";
import { standaloneSend } from "../im/send.ts";
import { wordsIn } from "../im/words.ts";
import { readAppMessage } from "./app_event.ts";
import { WecomAppPlatform } from "./app_platform.ts";
import { explain } from "./explain.ts";
import type { WecomAppSettings } from "./settings.ts";
import { STOP_KEY } from "./stop_card.ts";
import { readXml } from "./xml.ts";

export class WecomApp implements Channel {
  readonly platform: WecomAppPlatform;
  readonly inbox: Inbox;
  readonly #parts: ChannelParts;
  readonly #settings: WecomAppSettings;
  readonly #health: Health;
  readonly #name: string;
  readonly #envelope: Envelope;

  constructor(name: string, settings: WecomAppSettings, parts: ChannelParts) {
    this.#health = new Health({ ...parts, channel: "wecom", app: name, explain });
    this.#name = name;
    this.#settings = settings;
    this.#parts = parts;
    this.#envelope = new Envelope({
      token: settings.token,
      aesKey: settings.encodingAesKey,
      receiver: settings.corpId,
    });
    this.platform = new WecomAppPlatform({ settings, parts, health: this.#health });
    this.inbox = new Inbox({
      ...parts,
      channel: "wecom",
      app: name,
      platform: this.platform,
      settings,
      reportFailure: (code, said) => this.#health.recordFailure(code, said),
    });
  }

  async start(): Promise<void> {
    await this.inbox.resume();
  }

  /** Always connected: WeCom calls the app, which has no connection of its own. */
  get health(): AppHealth {
    return this.#health.view(true);
  }

  stop(): Promise<void> {
    this.inbox.close();
    return Promise.resolve();
  }

  /** `GET /channels/wecom/NAME` verifies the address, `POST` brings a message. */
  async fetch(request: Request, address?: string): Promise<Response> {
    const query = new URL(request.url).searchParams;
    const read = (name: string) => query.get(name) ?? "";
    const refuse = (why: string) => {
      this.#health.recordRefusal(why, address);
      return new Response(null, { status: 401 });
    };
    const open = (encrypted: string) =>
      this.#envelope.open(read("msg_signature"), read("timestamp"), read("nonce"), encrypted);
    if (request.method === "GET") {
      const opened = open(read("echostr"));
      return "forged" in opened ? refuse(opened.forged) : new Response(opened.message);
    }
    if (request.method !== "POST") {
      return new Response(null, { status: 405, headers: { allow: "GET, POST" } });
    }
    const body = await readBody(request);
    if (!body) return new Response(null, { status: 413 });
    const outer = readXml(new TextDecoder().decode(body));
    if (outer?.Encrypt === undefined) return new Response(null, { status: 400 });
    const opened = open(outer.Encrypt);
    if ("forged" in opened) return refuse(opened.forged);
    this.#parts.onStep?.("received");
    this.#health.received();
    const fields = readXml(opened.message) ?? {};
    const incoming = readAppMessage(fields, { corpId: this.#settings.corpId, name: this.#name });
    if (incoming) await this.inbox.receive(incoming);
    else if (fields.Event === "template_card_event") await this.#pressed(fields);
    return new Response("");
  }

  /** A press of the stop button, which shows from then on what it did. */
  async #pressed(fields: Record<string, string>): Promise<void> {
    const { FromUserName = "", CreateTime, TaskId = "", EventKey, ResponseCode } = fields;
    if (EventKey !== STOP_KEY || await this.inbox.seen(`${FromUserName}:${CreateTime}:${TaskId}`)) {
      return;
    }
    const question = TaskId.slice(STOP_KEY.length + 1);
    const stopped = await this.inbox.stop(question, FromUserName);
    if (stopped === "stopped") this.platform.notePressed(question);
    if (!ResponseCode) return;
    const label = wordsIn(this.#settings.language).stopLabels[stopped];
    const send = standaloneSend(`${TaskId}:label`);
    this.platform.replaceButton(FromUserName, ResponseCode, label, send).catch((error) =>
      this.#parts.observer.tell({ type: "fault", where: "wecom: stop", error })
    );
  }
}
