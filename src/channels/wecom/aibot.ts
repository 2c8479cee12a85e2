/**
 * A WeCom AI bot, running: its callbacks in webhook mode, or its long connection. A webhook is
 * polled for the newest text; over the long connection the bot pushes refreshes of the whole text.
 *
 * Source: WeCom 智能机器人 (2025-07…2026-03).
 */
import { asNexusError } from "../../core/error.ts";
import type { Json } from "../../core/store.ts";
import { readBody } from "../im/body.ts";
import { httpCaller, parse } from "../im/http_call.ts";
import { type CallVerdict, PacedCaller } from "../im/paced_caller.ts";
import { callerParts, foreignFetch } from "../im/caller_parts.ts";
import type { Channel, ChannelParts } from "../im/channel.ts";
import { Envelope } from "../im/envelope.ts";
import { type AppHealth, Health } from "../im/health.ts";
import { Inbox } from "../im/inbox.ts";
import { type Incoming, PlatformError } from "../im/platform.ts";
import { standaloneSend } from "../im/send.ts";
import { languageOf, wordsIn } from "../im/words.ts";
import { BotConnection } from "./bot_connection.ts";
import { BotMedia } from "./bot_media.ts";
import { WecomBotPlatform } from "./bot_platform.ts";
import { PolledStreams } from "./bot_polled_streams.ts";
import { streamIdOf, streamMessage } from "./bot_stream.ts";
import { readBotMessage } from "./event.ts";
import { explain } from "./explain.ts";
import type { FrameCall, FrameCaller } from "./frame_call.ts";
import type { WecomBotSettings } from "./settings.ts";

/** A webhook's bot has no frames to send. */
const NO_CONNECTION: CallVerdict = { kind: "retry", code: "network" };

export class WecomBot implements Channel {
  readonly inbox: Inbox;
  /** Only in socket mode. */
  readonly connection: BotConnection | undefined;
  readonly #name: string;
  readonly #settings: WecomBotSettings;
  readonly #parts: ChannelParts;
  readonly #envelope: Envelope | undefined;
  readonly #health: Health;
  readonly #polled: PolledStreams;
  readonly platform: WecomBotPlatform;

  constructor(name: string, settings: WecomBotSettings, parts: ChannelParts) {
    this.#name = name;
    this.#settings = settings;
    this.#parts = parts;
    const health = this.#health = new Health({ ...parts, channel: "wecom", app: name, explain });
    const { token, encodingAesKey, mode } = settings;
    if (token !== undefined && encodingAesKey !== undefined) {
      this.#envelope = new Envelope({ token, aesKey: encodingAesKey, receiver: "" });
    }
    this.connection = mode !== "socket" ? undefined : new BotConnection({
      settings,
      channel: parts,
      health,
      onMessage: (body, requestId) => this.#receiveFrame(body, requestId),
    });
    this.#polled = new PolledStreams({
      ...parts,
      name,
      isOpen: (questionId) => this.inbox.isOpen(questionId),
    });
    this.platform = this.#createPlatform();
    this.inbox = new Inbox({
      ...parts,
      channel: "wecom",
      app: name,
      platform: this.platform,
      settings,
      reportFailure: (code, said) => health.recordFailure(code, said),
    });
  }

  #createPlatform(): WecomBotPlatform {
    const settings = this.#settings, parts = this.#parts;
    const http = callerParts(parts, settings, this.#health);
    const caller = httpCaller(http);
    const foreign = httpCaller({ ...http, fetch: foreignFetch(parts) });
    const frames: FrameCaller = new PacedCaller<FrameCall>({
      ...http,
      send: (call, _token, attempt) =>
        this.connection?.call(call, attempt) ?? Promise.resolve(NO_CONNECTION),
    });
    const media = new BotMedia({ settings, frames, caller, foreign });
    const { clock } = parts;
    const polled = this.#polled;
    const name = this.#name;
    return new WecomBotPlatform({ name, settings, clock, frames, caller, media, polled });
  }

  async start(): Promise<void> {
    await this.inbox.resume();
    await this.connection?.start();
  }

  get health(): AppHealth {
    return this.#health.view(this.connection?.isConnected ?? true);
  }

  async stop(): Promise<void> {
    this.inbox.close();
    this.#polled.stop();
    await this.connection?.stop();
  }

  /** `GET /channels/wecom/NAME` verifies the address, `POST` brings a message or a poll. */
  async fetch(request: Request, address?: string): Promise<Response> {
    const query = new URL(request.url).searchParams;
    const read = (name: string) => query.get(name) ?? "";
    const envelope = this.#envelope;
    const refuse = (why: string) => {
      this.#health.recordRefusal(why, address);
      return new Response(null, { status: 401 });
    };
    if (!envelope) return refuse("no token and encodingAesKey are configured");
    const open = (encrypted: string) =>
      envelope.open(read("msg_signature"), read("timestamp"), read("nonce"), encrypted);
    if (request.method === "GET") {
      const opened = open(read("echostr"));
      return "forged" in opened ? refuse(opened.forged) : new Response(opened.message);
    }
    if (request.method !== "POST") {
      return new Response(null, { status: 405, headers: { allow: "GET, POST" } });
    }
    const body = await readBody(request);
    if (!body) return new Response(null, { status: 413 });
    const outer = parse(new TextDecoder().decode(body));
    if (typeof outer?.encrypt !== "string") return new Response(null, { status: 400 });
    const opened = open(outer.encrypt);
    if ("forged" in opened) return refuse(opened.forged);
    const answer = await this.#answer(parse(opened.message));
    return answer === undefined ? new Response("") : this.#sealed(envelope, read("nonce"), answer);
  }

  /** The passive reply to a callback; `undefined`: an empty one. */
  async #answer(json: Json): Promise<Json> {
    if (json?.msgtype === "stream" && typeof json.stream?.id === "string") {
      return await this.#polled.poll(json.stream.id);
    }
    this.#parts.onStep?.("received");
    this.#health.received();
    const incoming = this.#read(json, undefined);
    if (!incoming) return undefined;
    // The stream is opened first: the inbox may answer at once, and must find it.
    const id = streamIdOf(incoming);
    const { thinking } = wordsIn(languageOf(incoming.text, this.#settings.language));
    this.#polled.open(id, thinking);
    await this.inbox.receive(incoming);
    return streamMessage(id, this.#polled.textOf(id) ?? thinking, false);
  }

  #sealed(envelope: Envelope, nonce: string, answer: Json): Response {
    const timestamp = Math.floor(this.#parts.clock.now() / 1000);
    const encrypt = envelope.encrypt(JSON.stringify(answer));
    const msgsignature = envelope.sign(String(timestamp), nonce, encrypt);
    return Response.json({ encrypt, msgsignature, timestamp, nonce });
  }

  #receiveFrame(body: Json, requestId: string): void {
    this.#parts.onStep?.("received");
    const incoming = this.#read(body, requestId);
    // A frame is not acknowledged and does not come twice: the person hears of what is not stored.
    if (incoming) this.inbox.receive(incoming).catch((error) => this.#notStored(incoming, error));
  }

  async #notStored(incoming: Incoming, error: unknown): Promise<void> {
    this.#parts.observer.tell({ type: "fault", where: "wecom: message not stored", error });
    const words = wordsIn(languageOf(incoming.text, this.#settings.language));
    const text = words.failed(asNexusError(error).code);
    try {
      const send = standaloneSend(`${incoming.id}:lost`);
      await this.platform.refresh(incoming, () => text, true, send);
    } catch (failure) {
      if (!(failure instanceof PlatformError)) throw failure;
    }
  }

  #read(json: Json, request: string | undefined): Incoming | undefined {
    const { corpId, name } = this.#settings;
    return readBotMessage(json, {
      request,
      name,
      now: this.#parts.clock.now(),
      corp: { corpId, name: this.#name },
    });
  }
}
