/**
 * One DingTalk app, running: its robot callbacks or its Stream connection, and its inbox.
 */
import type { Json } from "../../core/store.ts";
import { readBody } from "../im/body.ts";
import { parse } from "../im/http_call.ts";
import type { Channel, ChannelParts } from "../im/channel.ts";
import { Inbox } from "../im/inbox.ts";
import { Envelope } from "../im/envelope.ts";
import { type AppHealth, Health } from "../im/health.ts";
import { ReconnectingSocket } from "../im/reconnecting_socket.ts";
import { standaloneSend } from "../im/send.ts";
import { DingTalkApi } from "./api.ts";
import { robotForged } from "./crypto.ts";
import { type App, readMessage } from "./event.ts";
import { explain } from "./explain.ts";
import { DingTalkPlatform } from "./platform.ts";
import type { DingTalkSettings } from "./settings.ts";

/**
 * Milliseconds of silence after which the Stream is dialled anew; DingTalk's own pings are far more
 * frequent.
 */
const SILENCE_MS = 10 * 60_000;

export class DingTalkChannel implements Channel {
  readonly platform: DingTalkPlatform;
  readonly inbox: Inbox;
  readonly #api: DingTalkApi;
  readonly #parts: ChannelParts;
  readonly #settings: DingTalkSettings;
  readonly #health: Health;
  readonly #app: App;
  #stream: ReconnectingSocket | undefined;

  constructor(name: string, settings: DingTalkSettings, parts: ChannelParts) {
    this.#settings = settings;
    this.#app = { clientId: settings.clientId, name };
    this.#parts = parts;
    this.#health = new Health({ ...parts, channel: "dingtalk", app: name, explain });
    this.#api = new DingTalkApi(parts, settings, this.#health);
    this.platform = new DingTalkPlatform({ name, settings, parts, api: this.#api });
    this.inbox = new Inbox({
      ...parts,
      channel: "dingtalk",
      app: name,
      platform: this.platform,
      settings,
      reportFailure: (code, said) => this.#health.recordFailure(code, said),
    });
  }

  async start(): Promise<void> {
    await this.inbox.resume();
    if (this.#settings.mode !== "stream") return;
    const { clock, observer, random } = this.#parts;
    // Not the vendor's client: its gateway's address is a constant, so neither a proxy nor a test
    // counterpart could stand in for it.
    this.#stream = new ReconnectingSocket({
      clock,
      random: random ?? Math.random,
      silence: SILENCE_MS,
      address: async () => {
        const { endpoint, ticket } = await this.#api.openStream(standaloneSend("stream"));
        return `${endpoint}?ticket=${encodeURIComponent(ticket)}`;
      },
      onOpen: () => this.#health.opened(),
      frame: (frame, send) => {
        this.#frame(frame as Json, send).catch((error) =>
          observer.tell({ type: "fault", where: "dingtalk: stream", error })
        );
      },
      onLost: (why) => this.#health.disconnected(why),
    });
    await this.#stream.start();
  }

  get health(): AppHealth {
    return this.#health.view(this.#settings.mode === "webhook" || (this.#stream?.open ?? false));
  }

  async stop(): Promise<void> {
    this.inbox.close();
    await this.#stream?.stop();
  }

  /**
   * `POST /channels/dingtalk/NAME`: the robot's messages, and sealed events where a subscription is
   * set up.
   */
  async fetch(request: Request, address?: string): Promise<Response> {
    if (request.method !== "POST") {
      return new Response(null, { status: 405, headers: { allow: "POST" } });
    }
    const body = await readBody(request);
    if (!body) return new Response(null, { status: 413 });
    const refuse = (why: string) => {
      this.#health.recordRefusal(why, address);
      return new Response(null, { status: 401 });
    };
    const json = parse(new TextDecoder().decode(body));
    if (typeof json !== "object" || json === null) return new Response(null, { status: 400 });
    if (typeof json.encrypt === "string") {
      return this.#sealed(new URL(request.url), json.encrypt, refuse);
    }
    const forged = robotForged(
      this.#settings.clientSecret,
      request.headers,
      this.#parts.clock.now(),
    );
    if (forged) return refuse(forged);
    await this.#take(json);
    return Response.json({});
  }

  #sealed(url: URL, encrypted: string, refuse: (why: string) => Response): Response {
    const { token, aesKey, clientId } = this.#settings;
    if (token === undefined || aesKey === undefined) {
      return refuse("sealed, and no token and aesKey are configured");
    }
    const envelope = new Envelope({ token, aesKey, receiver: clientId });
    const query = (name: string) => url.searchParams.get(name) ?? "";
    const opened = envelope.open(
      query("msg_signature") || query("signature"),
      query("timestamp"),
      query("nonce"),
      encrypted,
    );
    if ("forged" in opened) return refuse(opened.forged);
    const timeStamp = String(this.#parts.clock.now()), nonce = crypto.randomUUID().slice(0, 8);
    const encrypt = envelope.encrypt("success");
    return Response.json({
      msg_signature: envelope.sign(timeStamp, nonce, encrypt),
      encrypt,
      timeStamp,
      nonce,
    });
  }

  async #take(json: Json): Promise<void> {
    this.#parts.onStep?.("received");
    const { clock, budget } = this.#parts;
    this.#health.received();
    const incoming = readMessage(json, {
      app: this.#app,
      now: clock.now(),
      webhook: (address) => this.#session(address),
    });
    if (!incoming) return;
    if (await this.inbox.receive(incoming) === "repeat") return;
    // A delivery counts for the month whether it is wanted or not; what is counted here is only for
    // those who look.
    const permit = await budget.take([this.#api.budgets.webhookMonth()], {
      priority: "final",
      chat: "deliveries",
    });
    if (typeof permit !== "string") permit.done();
  }

  /** The session's webhook, where it is DingTalk's. */
  #session(address: string | undefined): string | undefined {
    if (address === undefined || this.#api.isSession(address)) return address;
    this.#health.recordFailure(
      "webhook",
      URL.canParse(address) ? new URL(address).host : "no address",
    );
    return undefined;
  }

  async #frame(frame: Json, send: (frame: unknown) => void): Promise<void> {
    const headers = frame?.headers ?? {};
    const answer = (data: string, code = 200) =>
      send({
        code,
        headers: { contentType: "application/json", messageId: headers.messageId },
        message: code === 200 ? "OK" : "not stored",
        data,
      });
    if (frame?.type === "SYSTEM") {
      if (headers.topic === "ping") answer(frame.data);
      else if (headers.topic === "disconnect") this.#stream?.reconnect();
      return;
    }
    if (frame?.type === "EVENT") return answer(JSON.stringify({ status: "SUCCESS", message: "" }));
    if (frame?.type !== "CALLBACK") return;
    if (headers.topic === "/v1.0/im/bot/messages/get") {
      try {
        await this.#take(parse(String(frame.data)));
      } catch (error) {
        answer("{}", 500);
        throw error;
      }
    }
    answer(JSON.stringify({ response: null }));
  }
}
