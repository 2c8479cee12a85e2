/**
 * The long connection of an AI bot: the subscription, pings, frames with their acknowledgements,
 * and staying away when another program has taken the bot over.
 *
 * Source: WeCom 智能机器人长连接 101463 (2026-03/04).
 */
import { sleep } from "../../core/sleep.ts";
import type { Json } from "../../core/store.ts";
import type { ChannelParts } from "../im/channel.ts";
import type { Health } from "../im/health.ts";
import { timeoutMs } from "../im/http_call.ts";
import type { CallVerdict } from "../im/paced_caller.ts";
import { ReconnectingSocket } from "../im/reconnecting_socket.ts";
import { timeoutFactor } from "../im/token.ts";
import type { FrameCall } from "./frame_call.ts";
import type { WecomBotSettings } from "./settings.ts";

/** Between pings, and of silence after which the connection is dead: two pongs are missing. */
const PING_MS = 30_000, SILENCE_MS = 75_000;

/** Until the next subscription after a refused one: asking again at once is itself counted. */
const REFUSED_MS = 30_000;

/**
 * Milliseconds to stay away after another connection of the same bot took over, the first time, the
 * second and so on. Two programs that both come back would throw each other out for ever, so the
 * vendor's SDK never does. This bot comes back once soon, in case the other connection only tried
 * the secret, and then rarely, in case the other one is gone.
 */
const TAKEN_OVER_MS = [2, 30, 60, 120, 240, 360].map((minutes) => minutes * 60_000);

/** The `errcode` of frames whose connection was lost before their acknowledgement. */
const CONNECTION_LOST = -2;

const LOST: CallVerdict = { kind: "retry", code: "network" };

export interface BotConnectionParts {
  readonly settings: WecomBotSettings;
  readonly channel: Pick<ChannelParts, "clock" | "random">;
  readonly health: Health;
  /** A person's message, and the id of the request by which it is answered. */
  readonly onMessage: (body: Json, requestId: string) => void;
}

export class BotConnection {
  /**
   * In place of the socket, where a test or a benchmark has its own wire; returns whether the frame
   * was sent.
   */
  sendFrame: ((frame: Json) => boolean) | undefined;
  readonly #parts: BotConnectionParts;
  readonly #socket: ReconnectingSocket;
  /** Frames that wait for their acknowledgement, by request id, in order. */
  readonly #waiting = new Map<string, ((ack: Json) => void)[]>();
  #stopPing: (() => void) | undefined;
  #isSubscribed = false;
  /** Until when this bot stays away, in milliseconds since the epoch. */
  #awayUntil = 0;
  /** How often another connection took over, without a long one of ours in between. */
  #takeovers = 0;
  #subscribedAt = Infinity;
  #requests = 0;

  constructor(parts: BotConnectionParts) {
    this.#parts = parts;
    const { clock, random } = parts.channel;
    this.#socket = new ReconnectingSocket({
      clock,
      random: random ?? Math.random,
      silence: SILENCE_MS,
      address: async (stop) => {
        await sleep(clock, Math.max(0, this.#awayUntil - clock.now()), stop);
        return parts.settings.wsUrl;
      },
      onOpen: (send) => this.#subscribe(send),
      frame: (frame) => this.receive(frame as Json),
      onLost: (why) => {
        this.#closed();
        if (this.#awayUntil <= clock.now()) parts.health.disconnected(why);
      },
    });
  }

  get isConnected(): boolean {
    return this.#socket.open && this.#isSubscribed;
  }

  start(): Promise<void> {
    return this.#socket.start();
  }

  async stop(): Promise<void> {
    this.#closed();
    await this.#socket.stop();
  }

  /** Handles a frame of the platform: a message, an event, or the acknowledgement of a frame. */
  receive(frame: Json): void {
    const id = frame?.headers?.req_id;
    if (frame?.cmd === "aibot_msg_callback") {
      this.#parts.health.received();
      this.#parts.onMessage(frame.body, id);
    } else if (frame?.cmd === "aibot_event_callback") {
      if (frame.body?.event?.eventtype === "disconnected_event") this.#stayAway();
      else this.#parts.health.received();
    } else if (typeof id === "string") {
      const waiting = this.#waiting.get(id);
      waiting?.shift()?.(frame);
      if (waiting?.length === 0) this.#waiting.delete(id);
    }
  }

  /** Sends a frame and judges its acknowledgement. `attempt` is counted from 0. */
  call(call: FrameCall, attempt: number): Promise<CallVerdict> {
    const { settings, channel } = this.#parts;
    const req_id = call.requestId || this.#requestId(call.cmd);
    const frame = { cmd: call.cmd, headers: { req_id }, body: call.body() };
    const kind = call.priority === "edit" ? "edit" : "send";
    const ms = timeoutMs(settings.timeouts, kind, timeoutFactor(attempt));
    return new Promise((resolve) => {
      const leave = this.#wait(req_id, (ack) => {
        stopTimer();
        resolve(ack.errcode === CONNECTION_LOST ? LOST : call.judge(ack));
      });
      const fail = (verdict: CallVerdict) => {
        leave();
        stopTimer();
        resolve(verdict);
      };
      const stopTimer = channel.clock.after(ms, () => fail({ kind: "retry", code: "timeout" }));
      if (!this.#send(frame)) fail(LOST);
    });
  }

  #send(frame: Json): boolean {
    if (this.sendFrame) return this.sendFrame(frame);
    return this.isConnected && this.#socket.send(frame);
  }

  #subscribe(send: (frame: unknown) => void): void {
    const { settings, channel } = this.#parts;
    const { botId, secret } = settings;
    const req_id = this.#requestId("aibot_subscribe");
    this.#wait(req_id, (ack) => this.#subscriptionAnswered(ack));
    send({ cmd: "aibot_subscribe", headers: { req_id }, body: { bot_id: botId, secret } });
    this.#stopPing?.();
    this.#stopPing = channel.clock.every(
      PING_MS,
      () => send({ cmd: "ping", headers: { req_id: this.#requestId("ping") } }),
    );
  }

  #subscriptionAnswered(ack: Json): void {
    const { health, channel } = this.#parts;
    this.#isSubscribed = ack.errcode === 0;
    if (this.#isSubscribed) {
      this.#subscribedAt = channel.clock.now();
      return health.opened();
    }
    // The socket reports its own loss.
    if (ack.errcode === CONNECTION_LOST) return;
    health.recordFailure(String(ack.errcode), `not let in: ${ack.errmsg}`);
    this.#awayUntil = channel.clock.now() + REFUSED_MS;
    this.#socket.reconnect();
  }

  /** Another program uses this bot and has the connection now; this one leaves it to that. */
  #stayAway(): void {
    const { health, channel } = this.#parts;
    const now = channel.clock.now();
    const longest = TAKEN_OVER_MS.at(-1)!;
    // A connection that held for long was lost to a restart elsewhere, not to a quarrel.
    if (now - this.#subscribedAt > longest) this.#takeovers = 0;
    this.#awayUntil = now + (TAKEN_OVER_MS[this.#takeovers++] ?? longest);
    health.recordFailure("taken_over", "this gateway stays away and tries again later");
    health.disconnected("another connection of this bot took over", this.#awayUntil);
    this.#socket.reconnect();
  }

  #closed(): void {
    this.#isSubscribed = false;
    this.#stopPing?.();
    this.#stopPing = undefined;
    for (const waiting of this.#waiting.values()) {
      for (const settle of waiting) settle({ errcode: CONNECTION_LOST, errmsg: "connection lost" });
    }
    this.#waiting.clear();
  }

  /** Returns what stops the waiting. */
  #wait(id: string, settle: (ack: Json) => void): () => void {
    const waiting = this.#waiting.get(id) ?? [];
    waiting.push(settle);
    this.#waiting.set(id, waiting);
    return () => {
      const at = waiting.indexOf(settle);
      if (at >= 0) waiting.splice(at, 1);
    };
  }

  #requestId(cmd: string): string {
    return `${cmd}_${this.#parts.channel.clock.now()}_${++this.#requests}`;
  }
}
