/**
 * A WeCom AI bot, running, in both of its modes. As a webhook it is polled: WeCom asks for the
 * newest text until it is finished, for six minutes at most. Over the long connection it pushes
 * refreshes of the whole text. After the six minutes the rest goes another way.
 *
 * Sources: WeCom 智能机器人 (2025-07…2026-03), 智能机器人长连接 101463 (2026-03/04), 主动回复消息.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { BudgetScope } from "../im/send_budget.ts";
import { asNexusError } from "../../core/error.ts";
import { sleep } from "../../core/sleep.ts";
import type { Json } from "../../core/store.ts";
import type { AcceptedAttachments, Attachment } from "../im/attachment.ts";
import { readBody } from "../im/body.ts";
import { type HttpCaller, httpCaller, parse, timeoutMs } from "../im/http_call.ts";
import { type CallVerdict, PacedCaller } from "../im/paced_caller.ts";
import { timeoutFactor } from "../im/token.ts";
import type { Channel, ChannelParts } from "../im/channel.ts";
import { Inbox } from "../im/inbox.ts";
import { Envelope } from "../im/envelope.ts";
import { type AppHealth, Health } from "../im/health.ts";
import { Hosts } from "../im/hosts.ts";
import { ReconnectingSocket } from "../im/reconnecting_socket.ts";
import { downgrade } from "../im/markdown.ts";
import { withoutMentions } from "../im/mention_guard.ts";
import { rates } from "../im/rates.ts";
import { standaloneSend } from "../im/send.ts";
import {
  type DeliveryMethod,
  type FetchedFile,
  type Incoming,
  type Platform,
  PlatformError,
  type SendOptions,
  type StaticMethod,
} from "../im/platform.ts";
import { callerParts, foreignFetch } from "../im/caller_parts.ts";
import { languageOf, wordsIn } from "../im/words.ts";
import { explain } from "./explain.ts";
import { BotMedia } from "./bot_media.ts";
import { readBotMessage } from "./event.ts";
import type { FrameCall, FrameCaller } from "./frame_call.ts";
import { judge, judgeBody } from "./judge.ts";
import type { WecomBotSettings } from "./settings.ts";

/** Bytes of one text; 20,480 are allowed. */
const BYTES = 20_000;

/**
 * Bytes of a message of an answer that goes on behind its stream: ten seconds of a fast bot, so the
 * minute is never full of them.
 */
const PIECE = 5000;

/** Milliseconds from the question until a stream may not be refreshed any more. */
const STREAM_LIFE = 6 * 60_000;

/** Milliseconds that a `response_url` holds. */
const URL_LIFE = 3_600_000;

/** Milliseconds between pings, and of silence after which the line is dead: two pongs missing. */
const PING = 30_000, SILENCE = 75_000;

/**
 * Milliseconds until the bot subscribes again after it was not let in: asking again at once is
 * itself counted.
 */
const NOT_LET_IN = 30_000;

/**
 * Milliseconds to stay away after another connection of the same bot took over, the first time, the
 * second and so on. Two programs that both come back would throw each other out for ever, so the
 * vendor's SDK never does; here the bot comes back once soon, for what only tried the secret, and
 * then rarely, in case the other one is gone.
 */
const TAKEN_OVER = [2, 30, 60, 120, 240, 360].map((minutes) => minutes * 60_000);

/** `msg_item`: ten images of 10 MB, JPG or PNG, with the last refresh. */
const CARRIES: DeliveryMethod["carries"] = {
  most: 10,
  fits: ({ type, size }) => /^image\/(?:png|jpe?g)$/.test(type) && size <= 10 << 20,
};

/**
 * As messages of their own, over the long connection. That they are uploaded in 512 KB × 100 is
 * documented (path/101463); the bounds are those of every temporary upload (path/96484), which
 * other clients of the long connection hold to as well.
 */
const TAKES: AcceptedAttachments = {
  image: { types: /^image\/(?:png|jpe?g)$/, bytes: 10 << 20 },
  file: { bytes: 20 << 20, above: 5 },
};

/** There is no connection, or it was lost before the acknowledgement. */
const LOST: CallVerdict = { kind: "retry", code: "network" };

/** An answer that WeCom polls. */
interface Polled {
  text: string;
  finished: boolean;
  images: readonly Attachment[];
  fetched?: () => void;
}

export class WecomBot implements Channel, Platform {
  readonly inbox: Inbox;
  readonly #parts: ChannelParts;
  readonly #s: WecomBotSettings;
  readonly #name: string;
  readonly #envelope: Envelope | undefined;
  readonly #health: Health;
  readonly #hosts: Hosts;
  readonly #caller: HttpCaller;
  readonly #frames: FrameCaller;
  readonly #media: BotMedia;
  readonly #line: ReconnectingSocket | undefined;
  readonly #polled = new Map<string, Polled>();
  readonly #forgets = new Set<() => void>();
  /** Frames that wait for their acknowledgement, by request id, in order. */
  readonly #acks = new Map<string, ((ack: Json) => void)[]>();
  #stopPing: (() => void) | undefined;
  #subscribed = false;
  #stayAway = 0;
  /** How often another connection took over, without a long one of ours in between. */
  #takenOver = 0;
  #subscribedAt = Infinity;
  #requests = 0;

  constructor(name: string, settings: WecomBotSettings, parts: ChannelParts) {
    this.#name = name;
    this.#health = new Health({ ...parts, channel: "wecom", app: name, explain });
    this.#hosts = new Hosts({
      base: [settings.baseUrl],
      platform: ["qyapi.weixin.qq.com"],
      further: settings.hosts,
    });
    this.#s = settings;
    this.#parts = parts;
    const { token, encodingAesKey } = settings;
    if (token !== undefined && encodingAesKey !== undefined) {
      this.#envelope = new Envelope({ token, aesKey: encodingAesKey, receiver: "" });
    }
    const { clock } = parts;
    const wire = callerParts(parts, settings, this.#health);
    this.#caller = httpCaller(wire);
    this.#frames = new PacedCaller({
      ...wire,
      send: (call, _token, attempt) => this.#sendCall(call, attempt),
    });
    const foreign = httpCaller({ ...wire, fetch: foreignFetch(parts) });
    this.#media = new BotMedia({ settings, frames: this.#frames, caller: this.#caller, foreign });
    if (settings.mode === "socket") {
      this.#line = new ReconnectingSocket({
        clock,
        random: parts.random ?? Math.random,
        silence: SILENCE,
        address: async (stop) => {
          await sleep(clock, Math.max(0, this.#stayAway - clock.now()), stop);
          return settings.wsUrl;
        },
        onOpen: (send) => this.#opened(send),
        frame: (frame) => this.heard(frame as Json),
        onLost: (why) => {
          this.#closed();
          const isAway = this.#stayAway > clock.now();
          if (!isAway) this.#health.disconnected(why);
        },
      });
    }
    this.inbox = new Inbox({
      ...parts,
      channel: "wecom",
      app: name,
      platform: this,
      settings,
      reportFailure: (code, said) => this.#health.recordFailure(code, said),
    });
  }

  async start(): Promise<void> {
    await this.inbox.resume();
    await this.#line?.start();
  }

  get health(): AppHealth {
    return this.#health.view(this.#s.mode === "webhook" || this.#isConnected);
  }

  get #isConnected(): boolean {
    return this.#line?.open === true && this.#subscribed;
  }

  async stop(): Promise<void> {
    this.inbox.close();
    for (const forget of this.#forgets) forget();
    this.#forgets.clear();
    this.#closed();
    await this.#line?.stop();
  }

  /*
   * ── webhook
   * ───────────────────────────────────────────────────────────────────────────────────────────────────────
   */

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
    const json = parse(opened.message);
    const reply = (answer: Json) => {
      const timestamp = Math.floor(this.#parts.clock.now() / 1000);
      const encrypt = envelope.encrypt(JSON.stringify(answer));
      const msgsignature = envelope.sign(String(timestamp), read("nonce"), encrypt);
      return Response.json({ encrypt, msgsignature, timestamp, nonce: read("nonce") });
    };
    if (json?.msgtype === "stream" && typeof json.stream?.id === "string") {
      return reply(await this.#poll(json.stream.id));
    }
    this.#parts.onStep?.("received");
    this.#health.received();
    const incoming = this.#read(json, undefined);
    if (!incoming) return new Response("");
    // In place before it is taken: what the inbox says at once must find its stream.
    const id = streamOf(incoming);
    if (!this.#polled.has(id)) {
      this.#keep(id, { text: this.#thinking(incoming), finished: false, images: [] });
    }
    await this.inbox.receive(incoming);
    return reply({
      msgtype: "stream",
      stream: {
        id,
        finish: false,
        content: this.#polled.get(id)?.text ?? this.#thinking(incoming),
      },
    });
  }

  #read(json: Json, request: string | undefined): Incoming | undefined {
    const { corpId, name } = this.#s;
    return readBotMessage(json, {
      request,
      name,
      now: this.#parts.clock.now(),
      corp: { corpId, name: this.#name },
    });
  }

  /**
   * The newest text of an answer. One that this process does not know is still being resumed, or
   * was finished by an earlier one.
   */
  async #poll(id: string): Promise<Json> {
    const polled = this.#polled.get(id);
    if (polled) {
      if (polled.finished) queueMicrotask(() => polled.fetched?.());
      const items = polled.finished ? polled.images.map(imageItem) : [];
      const stream = { id, finish: polled.finished, content: polled.text };
      return {
        msgtype: "stream",
        stream: items.length > 0 ? { ...stream, msg_item: items } : stream,
      };
    }
    const done = await this.#parts.store.get(this.#doneKey(id));
    // One that is still being resumed is finished by that: its pictures go with the last words.
    const finish = done !== undefined && !await this.inbox.isOpen(questionOf(id));
    return { msgtype: "stream", stream: { id, finish, content: done?.text ?? "…" } };
  }

  #keep(id: string, polled: Polled): Polled {
    this.#polled.set(id, polled);
    // WeCom asks for six minutes; a minute more is for clocks that differ.
    const forget = this.#parts.clock.after(STREAM_LIFE + 60_000, () => {
      this.#forgets.delete(forget);
      if (this.#polled.get(id) === polled) this.#polled.delete(id);
    });
    this.#forgets.add(forget);
    return polled;
  }

  #pollWay(incoming: Incoming): DeliveryMethod {
    const id = streamOf(incoming);
    const { clock, store } = this.#parts;
    const state = () =>
      this.#polled.get(id) ?? this.#keep(id, { text: "", finished: false, images: [] });
    /** Resolves when WeCom has taken the last words. */
    const finish = async (text: string, send: SendOptions) => {
      const left = incoming.at + STREAM_LIFE - clock.now();
      if (left <= 0) throw new PlatformError("gone", "846608", "the six minutes are over");
      // Kept before it is handed out: a process that dies after that is asked again.
      await store.set(this.#doneKey(id), { text }, { ttl: STREAM_LIFE * 2, durable: true });
      const polled = state();
      const fetched = Promise.withResolvers<boolean>();
      Object.assign(polled, {
        text,
        finished: true,
        images: send.images ?? [],
        fetched: () => fetched.resolve(true),
      });
      const stop = clock.after(left, () => fetched.resolve(false));
      const seen = await fetched.promise;
      stop();
      if (!seen) {
        throw new PlatformError("gone", "unpolled", "nobody asked for the answer any more");
      }
    };
    return {
      name: "poll",
      maxBytes: BYTES,
      live: true,
      carries: CARRIES,
      repeatable: true,
      lifetime: Math.max(60_001, incoming.at + STREAM_LIFE - clock.now()),
      maxMessages: 1,
      // Nothing is sent: WeCom asks when it likes, and finds what is newest.
      editInterval: () => 200,
      finalPath: [],
      render: markdownOfBot,
      open: async (text, send) => {
        if (send.isWhole) await finish(text(), send);
        else state().text = text();
        return { id };
      },
      edit(_place, text) {
        state().text = text();
        return Promise.resolve();
      },
      close: (_place, text, send) => finish(text, send),
    };
  }

  /** Once, within the hour. */
  #urlWay(incoming: Incoming): DeliveryMethod {
    const url: string = incoming.address.responseUrl;
    const scope = this.#conversation(incoming);
    return {
      ...still("response_url"),
      maxBytes: BYTES,
      repeatable: false,
      maxMessages: 1,
      finalPath: [],
      open: async (text, send) => {
        if (this.#parts.clock.now() > incoming.at + URL_LIFE) {
          throw new PlatformError("refused", "expired", "the hour is over");
        }
        await this.#caller.call({
          ...send,
          method: "POST",
          url: () => url,
          body: () => ({ msgtype: "markdown", markdown: { content: text() } }),
          path: [scope],
          repeatable: false,
          judge: (answer) => judge(answer, scope),
        });
        return {};
      },
    };
  }

  /*
   * ── long connection
   * ───────────────────────────────────────────────────────────────────────────────────────────────
   */

  #opened(send: (frame: unknown) => void) {
    const { botId, secret } = this.#s;
    const id = this.#requestId("aibot_subscribe");
    this.#wait(id, (ack) => {
      this.#subscribed = ack.errcode === 0;
      if (this.#subscribed) {
        this.#subscribedAt = this.#parts.clock.now();
        return this.#health.opened();
      }
      // The line was lost meanwhile, and that is told where it is noticed.
      if (ack.errcode === -2) return;
      this.#health.recordFailure(String(ack.errcode), `not let in: ${ack.errmsg}`);
      this.#stayAway = this.#parts.clock.now() + NOT_LET_IN;
      this.#line?.reconnect();
    });
    send({ cmd: "aibot_subscribe", headers: { req_id: id }, body: { bot_id: botId, secret } });
    this.#stopPing?.();
    this.#stopPing = this.#parts.clock.every(
      PING,
      () => send({ cmd: "ping", headers: { req_id: this.#requestId("ping") } }),
    );
  }

  #closed() {
    this.#subscribed = false;
    this.#stopPing?.();
    this.#stopPing = undefined;
    for (const waiting of this.#acks.values()) {
      for (const settle of waiting) settle({ errcode: -2, errmsg: "connection lost" });
    }
    this.#acks.clear();
  }

  /**
   * A frame of the platform: a message, an event, or the answer to one of ours. Also the door for a
   * test's own wire.
   */
  heard(frame: Json): void {
    const id = frame?.headers?.req_id;
    if (frame?.cmd === "aibot_msg_callback") {
      this.#parts.onStep?.("received");
      this.#health.received();
      const incoming = this.#read(frame.body, id);
      // Nothing is acknowledged here and nothing comes twice: what cannot be stored is said aloud.
      if (incoming) this.inbox.receive(incoming).catch((error) => this.#notStored(incoming, error));
    } else if (frame?.cmd === "aibot_event_callback") {
      if (frame.body?.event?.eventtype === "disconnected_event") this.#othersTookOver();
      else this.#health.received();
    } else if (typeof id === "string") {
      const waiting = this.#acks.get(id);
      waiting?.shift()?.(frame);
      if (waiting?.length === 0) this.#acks.delete(id);
    }
  }

  /** Another program uses this bot. It has the connection now, and this one leaves it to that. */
  #othersTookOver() {
    const now = this.#parts.clock.now();
    const most = TAKEN_OVER.at(-1)!;
    // A connection that held for long was lost to a restart elsewhere, not to a quarrel.
    if (now - this.#subscribedAt > most) this.#takenOver = 0;
    this.#stayAway = now + (TAKEN_OVER[this.#takenOver++] ?? most);
    this.#health.recordFailure("taken_over", "this gateway stays away and tries again later");
    this.#health.disconnected("another connection of this bot took over", this.#stayAway);
    this.#line?.reconnect();
  }

  async #notStored(incoming: Incoming, error: unknown): Promise<void> {
    const { observer } = this.#parts;
    observer.tell({ type: "fault", where: "wecom: message not stored", error });
    const words = wordsIn(languageOf(incoming.text, this.#s.language)).failed(
      asNexusError(error).code,
    );
    const stream = { id: streamOf(incoming), finish: true, content: words };
    try {
      const send = standaloneSend(`${incoming.id}:lost`);
      const body = () => ({ msgtype: "stream", stream });
      await this.#call("aibot_respond_msg", incoming, send, true, body, incoming.address.request);
    } catch (failure) {
      if (!(failure instanceof PlatformError)) throw failure;
    }
  }

  #wait(id: string, settle: (ack: Json) => void): () => void {
    const waiting = this.#acks.get(id) ?? [];
    waiting.push(settle);
    this.#acks.set(id, waiting);
    return () => {
      const at = waiting.indexOf(settle);
      if (at >= 0) waiting.splice(at, 1);
    };
  }

  /** Sends a frame and waits for its acknowledgement. */
  #sendCall(call: FrameCall, attempt: number): Promise<CallVerdict> {
    const req_id = call.requestId || this.#requestId(call.cmd);
    const frame = { cmd: call.cmd, headers: { req_id }, body: call.body() };
    const kind = call.priority === "edit" ? "edit" : "send";
    const ms = timeoutMs(this.#s.timeouts, kind, timeoutFactor(attempt));
    return new Promise((resolve) => {
      const leave = this.#wait(req_id, (ack) => {
        callOff();
        resolve(ack.errcode === -2 ? LOST : call.judge(ack));
      });
      const fail = (verdict: CallVerdict) => {
        leave();
        callOff();
        resolve(verdict);
      };
      const callOff = this.#parts.clock.after(ms, () => fail({ kind: "retry", code: "timeout" }));
      const isSent = this.sendFrame
        ? this.sendFrame(frame)
        : this.#isConnected && this.#line!.send(frame);
      if (!isSent) fail(LOST);
    });
  }

  /**
   * In place of the socket, where a test or a benchmark has its own wire; returns whether it was
   * sent.
   */
  sendFrame: ((frame: Json) => boolean) | undefined;

  #requestId(cmd: string): string {
    return `${cmd}_${this.#parts.clock.now()}_${++this.#requests}`;
  }

  #streamWay(incoming: Incoming): DeliveryMethod {
    const id = streamOf(incoming);
    const { clock } = this.#parts;
    const refresh = (text: () => string, finish: boolean, send: SendOptions) =>
      this.#call("aibot_respond_msg", incoming, send, true, () => {
        const items = (send.images ?? []).map(imageItem);
        const stream = { id, finish, content: text() };
        return {
          msgtype: "stream",
          stream: items.length > 0 ? { ...stream, msg_item: items } : stream,
        };
      }, incoming.address.request);
    return {
      name: "stream",
      maxBytes: BYTES,
      live: true,
      carries: CARRIES,
      repeatable: true,
      lifetime: Math.max(60_001, incoming.at + STREAM_LIFE - clock.now()),
      maxMessages: 1,
      // Whether a refresh counts against the 30 a minute is not documented; the budget counts it,
      // and this keeps bursts small.
      editInterval: () => 800,
      finalPath: [this.#conversation(incoming)],
      render: markdownOfBot,
      open: async (text, send) => {
        await refresh(text, send.isWhole, send);
        return { id };
      },
      edit: async (_place, text, send) => {
        await refresh(text, false, send);
      },
      close: async (_place, text, send) => {
        await refresh(() => text, true, send);
      },
    };
  }

  #sendWay(incoming: Incoming): DeliveryMethod {
    return {
      ...still("send"),
      maxBytes: BYTES,
      pieceBytes: PIECE,
      repeatable: false,
      maxMessages: Infinity,
      finalPath: [this.#conversation(incoming)],
      open: async (text, send) => {
        await this.#call("aibot_send_msg", incoming, send, false, () => ({
          ...chatOf(incoming),
          msgtype: "markdown",
          markdown: { content: text() },
        }));
        return {};
      },
    };
  }

  async #call(
    cmd: string,
    incoming: Incoming,
    send: SendOptions,
    repeatable: boolean,
    body: () => Json,
    requestId?: string,
  ): Promise<Json> {
    const scope = this.#conversation(incoming);
    return await this.#frames.call({
      ...send,
      cmd,
      requestId,
      body,
      path: [scope],
      repeatable,
      judge: (ack) => judgeBody(ack, scope),
    });
  }

  /*
   * ── both
   * ──────────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  methods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    if (this.#s.mode === "socket") {
      return Promise.resolve([this.#streamWay(incoming), this.#sendWay(incoming)]);
    }
    const ladder = [this.#pollWay(incoming)];
    if (this.#hosts.has(incoming.address.responseUrl)) ladder.push(this.#urlWay(incoming));
    return Promise.resolve(ladder);
  }

  /**
   * Only over the long connection, and only where the person has written before, which is where we
   * know them from.
   */
  pushMethods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    return Promise.resolve(this.#s.mode === "socket" ? [this.#sendWay(incoming)] : []);
  }

  async fetchImage(incoming: Incoming, ref: Json): Promise<string> {
    const { bytes } = await this.#media.file(incoming, ref);
    const base64 = Buffer.from(bytes).toString("base64");
    return `data:${
      base64.startsWith("/9j/")
        ? "image/jpeg"
        : base64.startsWith("R0lGOD")
        ? "image/gif"
        : "image/png"
    };base64,${base64}`;
  }

  async fetchFile(incoming: Incoming, ref: Json, max: number): Promise<FetchedFile> {
    return await this.#media.file(incoming, ref, max);
  }

  /** By webhook there is nothing to send with: what goes with the last refresh is all. */
  get accepts(): AcceptedAttachments {
    return this.#s.mode === "socket" ? TAKES : {};
  }

  async attach(
    incoming: Incoming,
    attachment: Attachment,
    form: "image" | "file",
    send: SendOptions,
  ): Promise<void> {
    const media_id: string = send.checkpoint?.media ??
      await this.#media.upload(attachment, form, send);
    await send.saveCheckpoint({ media: media_id });
    await this.#call("aibot_send_msg", incoming, send, false, () => ({
      ...chatOf(incoming),
      msgtype: form,
      [form]: { media_id },
    }));
  }

  #thinking(incoming: Incoming): string {
    return wordsIn(languageOf(incoming.text, this.#s.language)).thinking;
  }

  #conversation(incoming: Incoming): BudgetScope {
    const key = `wecom:aibot:${this.#s.botId ?? this.#name}:${incoming.chat.id}`;
    return { key, rates: rates(this.#s.limits.chat, { minute: 28, hour: 950 }) };
  }

  #doneKey(id: string): string {
    return `im:stream:${this.#name}:${id}`;
  }
}

const STREAM_PREFIX = "nexus-";

/** The stream's id is made from the question's: after a restart it is the same. */
function streamOf(incoming: Incoming): string {
  return (STREAM_PREFIX + incoming.id).slice(0, 120);
}

/** The id of the question that a stream answers. */
function questionOf(stream: string): string {
  return stream.slice(STREAM_PREFIX.length);
}

function chatOf(incoming: Incoming): Json {
  return { chatid: incoming.chat.id, chat_type: incoming.chat.type === "group" ? 2 : 1 };
}

/** The AI bot shows most of Markdown; pictures only as what is attached. */
function markdownOfBot(markdown: string): string {
  return withoutMentions(downgrade(markdown, { images: true }), "wecom");
}

function imageItem({ base64 }: Attachment): Json {
  return {
    msgtype: "image",
    image: { base64, md5: createHash("md5").update(Buffer.from(base64, "base64")).digest("hex") },
  };
}

function still(
  name: string,
): Omit<StaticMethod, "open" | "finalPath" | "maxBytes" | "repeatable" | "maxMessages"> {
  return {
    name,
    live: false,
    placeholderAfter: Infinity,
    render: markdownOfBot,
  };
}
