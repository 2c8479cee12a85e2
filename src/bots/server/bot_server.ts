/**
 * Bots that dial in: the gateway's end of the wire. {@linkcode BotServer} takes WebSockets, lets
 * them register and becomes one {@linkcode Link} per bot. `docs/protocol.md` is the specification.
 *
 * A version-2 link outlives its socket: when the socket drops, the turns that the bot had begun
 * wait for a grace, and the bot that dials in again goes on with them where they stopped.
 */
import type { BotClaim, BotRefusal } from "../../core/bot_admission.ts";
import type { Clock } from "../../core/clock.ts";
import { asNexusError, NexusError } from "../../core/error.ts";
import { excessOf, type JsonBounds } from "../../core/json.ts";
import { networkOf, RateLimiter } from "../../core/rate_limiter.ts";
import type { Bot, Link, Sink, Task } from "../../core/link.ts";
import { dataUrl, type MessageImage } from "../../core/message.ts";
import type { Observer } from "../../core/observer.ts";
import type { Roster } from "../../core/roster.ts";
import { failureOf } from "./failure.ts";
import {
  type BotFrame,
  CLOSE,
  type FailFrame,
  FEATURES,
  FIRST_FEATURES,
  type GatewayFrame,
  MAX_FRAME,
  MAX_REGISTER,
  type Progress,
  PROTOCOL,
  type PushFrame,
  type RegisterFrame,
  type ReplyFrame,
} from "../wire/frame.ts";
import { InvalidFrame } from "../wire/fields.ts";
import { readBotFrame } from "../wire/read_bot_frame.ts";

/** What is needed of a WebSocket; Deno's, Node's and a test's have it. */
export interface WebSocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
}

/** Times in milliseconds. All may change while running. */
export interface BotServerSettings {
  pingInterval: number;
  /** Silence after which a bot is gone. */
  botTimeout: number;
  /** How long a dropped version-2 bot keeps its turns. */
  grace: number;
  /** How long a socket may stay without registering. */
  registerTimeout: number;
  /** Sockets of one address that have not registered. */
  unregisteredPerAddress: number;
  /** UTF-16 units of one frame of a registered bot. */
  maxFrame: number;
}

export const DEFAULT_BOT_SERVER: BotServerSettings = {
  pingInterval: 30_000,
  botTimeout: 90_000,
  grace: 15_000,
  registerTimeout: 10_000,
  unregisteredPerAddress: 20,
  maxFrame: MAX_FRAME,
};

export interface BotServerParts {
  readonly roster: Roster;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Why this bot may not come in, or nothing where it may. */
  readonly refuse: (claim: BotClaim) => BotRefusal | undefined;
  /**
   * Whether the gateway takes nothing new: then only a bot that goes on with its turns may come in.
   */
  readonly draining?: () => boolean;
  /** Whether what is stored outlives the process. */
  readonly isLasting?: () => boolean;
  /** A bot speaks first. Rejects with a `NexusError` where it may not. */
  readonly push: (
    bot: Bot,
    push: { to: string; content: string; images: readonly MessageImage[]; id?: string },
  ) => Promise<void>;
}

/** Units that may wait in a socket's send buffer before its bot counts as stuck. */
export const MAX_BUFFERED_UNITS = 1 << 20;

/**
 * Frames that cannot be read, one after the other, after which a socket is closed: of one that has
 * not registered, and of a bot, of which two good frames take one back.
 */
export const MAX_BAD_FRAMES = { stranger: 2, bot: 11 } as const;

/** How late an acknowledgement may be: one frame then covers all that came meanwhile. */
export const ACK_DELAY_MS = 100;

/** How long the receipt of a cancel is waited for. */
export const CANCEL_TIMEOUT_MS = 5_000;

/** Pushes of one bot: a burst, then one a second. */
export const PUSH_RATE = { burst: 60, every: 1_000 };

/** Sockets that have not registered, of all addresses together. */
export const MAX_UNREGISTERED = 1_000;

/** Bytes of a close reason. */
const MAX_REASON = 123;

/**
 * What one frame may hold: a batch of a million single letters is a client's own doing, lists of
 * lists are not.
 */
export const FRAME_BOUNDS: JsonBounds = { values: 1_000_000, containers: 5_000 };

const OPEN = 1;

export class BotServer {
  readonly settings: BotServerSettings;
  readonly #parts: BotServerParts;
  readonly #pushes: RateLimiter;
  /** Links of registered bots, present or away, by bot id. */
  readonly #links = new Map<string, SocketLink>();
  readonly #lines = new Set<Connection>();
  readonly #unregistered = new Map<string, number>();
  #stopPinging: () => void;
  #closing = false;

  constructor(parts: BotServerParts, settings: Partial<BotServerSettings> = {}) {
    this.#parts = parts;
    this.settings = { ...DEFAULT_BOT_SERVER, ...settings };
    this.#pushes = new RateLimiter(PUSH_RATE, parts.clock);
    this.#stopPinging = this.#ping();
  }

  /** Takes over changed settings; the heartbeat begins anew. */
  set(settings: Partial<BotServerSettings>): void {
    Object.assign(this.settings, settings);
    this.#stopPinging();
    this.#stopPinging = this.#ping();
  }

  /**
   * Whether one more socket from this address may wait to register. Asked before the upgrade, which
   * costs a stranger nothing and us a socket.
   */
  hasRoomFor(address: string): boolean {
    if (this.#closing) return false;
    const waiting = this.#unregistered.get(networkOf(address)) ?? 0;
    if (waiting < this.settings.unregisteredPerAddress && this.#waiting() < MAX_UNREGISTERED) {
      return true;
    }
    this.#parts.observer.tell({
      type: "bot_refused",
      address,
      why: "too many sockets wait to register",
    });
    return false;
  }

  /**
   * Takes a socket. It must register before it may do anything else.
   *
   * @param address where it comes from, for bounds and log
   * @param proven a token that it showed at the upgrade, which then need not stand in `register`
   */
  accept(socket: WebSocketLike, address: string, proven?: string): void {
    const line = new Connection(socket, address, proven);
    this.#lines.add(line);
    socket.onmessage = (event) => this.#heard(line, event.data);
    socket.onclose = () => this.#closed(line);
    // What went wrong is told by the close that follows.
    socket.onerror = () => {};
    this.#unregistered.set(
      networkOf(address),
      (this.#unregistered.get(networkOf(address)) ?? 0) + 1,
    );
    line.waiting = true;
    line.stopTimer = this.#parts.clock.after(this.settings.registerTimeout, () => {
      this.#parts.observer.tell({ type: "bot_refused", address, why: "did not register in time" });
      this.#shut(line, CLOSE.unregistered, "register within the time");
    });
  }

  /** Whether a bot holds turns, and so may have to come back to end them. */
  get hasOpenTurns(): boolean {
    for (const { held } of this.#links.values()) if (held > 0) return true;
    return false;
  }

  /** Sockets that are open, registered or not. */
  get size(): number {
    return this.#lines.size;
  }

  /**
   * Closes every socket, telling the bots to come back, and resolves when they are closed or `wait`
   * milliseconds have passed.
   */
  async close(wait = 1_000): Promise<void> {
    this.#closing = true;
    this.#stopPinging();
    const closed: Promise<void>[] = [];
    for (const line of [...this.#lines]) {
      closed.push(new Promise((resolve) => line.onGone = resolve));
      this.#shut(line, CLOSE.restart, "the gateway restarts");
    }
    for (const link of this.#links.values()) link.end("the gateway restarts");
    this.#links.clear();
    if (closed.length === 0) return;
    let stop = () => {};
    await Promise.race([
      Promise.all(closed),
      new Promise<void>((resolve) => stop = this.#parts.clock.after(wait, resolve)),
    ]);
    stop();
  }

  /** Closes a bot's socket, e.g. because its token was revoked. */
  disconnect(
    botId: string,
    code: number = CLOSE.badToken,
    reason = "the token is no longer valid",
  ): boolean {
    const line = this.#links.get(botId)?.line;
    if (!line) return false;
    this.#shut(line, code, reason);
    return true;
  }

  /**
   * Asks again who may come in, after tokens or names changed, and closes the sockets of those who
   * no longer may.
   */
  recheck(): void {
    for (const [botId, link] of [...this.#links]) {
      const { line } = link;
      const refusal = line && this.#parts.refuse({ botId, token: line.token, pool: link.bot.pool });
      if (!refusal) continue;
      this.#parts.observer.tell({
        type: "bot_refused",
        bot: botId,
        address: line.address,
        why: refusal.error,
      });
      this.#shut(line, closeCode(refusal), refusal.error);
    }
  }

  #waiting(): number {
    let waiting = 0;
    for (const here of this.#unregistered.values()) waiting += here;
    return waiting;
  }

  /*
   * ── frames
   * ────────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  #heard(line: Connection, data: unknown): void {
    if (line.gone) return;
    try {
      if (typeof data !== "string") {
        return this.#strike(line, "frames are text, not binary", "bad_frame");
      }
      const max = line.link ? this.settings.maxFrame : MAX_REGISTER;
      const excess = data.length > max
        ? `a frame may have ${max} characters, got ${data.length}`
        : excessOf(data, FRAME_BOUNDS);
      if (excess !== undefined) return this.#tooLarge(line, data, excess);
      const frame = readBotFrame(data);
      if (frame instanceof InvalidFrame) return this.#strike(line, frame.reason, "bad_frame");
      if (line.errorBudget > 0) line.errorBudget--;
      if (line.link) this.#frame(line.link, frame);
      else if (frame.type === "register") this.#register(line, frame);
      else this.#strike(line, "Not registered", "not_registered");
    } catch (error) {
      // A fault of ours must not take the process or the bot's other turns with it.
      this.#parts.observer.tell({ type: "fault", where: "bot socket", error });
    }
  }

  #frame(link: SocketLink, frame: BotFrame): void {
    link.heardAt = this.#parts.clock.now();
    switch (frame.type) {
      case "reply":
        return link.reply(frame);
      case "pong":
        return;
      case "ping":
        return link.send({ type: "pong" });
      case "fail":
        return link.fail(frame);
      case "cancelled":
        return link.cancelled(frame.id);
      case "status":
        link.status(frame.busy, frame.draining);
        return this.#parts.roster.changed();
      case "push":
        return void this.#push(link, frame);
      case "register":
        // A second register on one socket: the bot takes itself for somebody else. The original
        // allowed it.
        return this.#register(link.line!, frame);
    }
  }

  async #push(link: SocketLink, frame: PushFrame): Promise<void> {
    let error: string | undefined;
    try {
      const wait = this.#pushes.take(link.bot.id);
      if (wait > 0) throw new NexusError("limited", `wait ${wait} s`);
      await this.#parts.push(link.bot, { ...frame, images: (frame.images ?? []).map(dataUrl) });
    } catch (thrown) {
      const refused = asNexusError(thrown);
      error = refused.message;
      if (refused.code === "internal") {
        this.#parts.observer.tell({ type: "fault", where: "push", error: thrown });
      }
    }
    if (frame.id !== undefined) {
      link.send({ type: "pushed", id: frame.id, success: error === undefined, error });
    } else if (error !== undefined) link.send({ type: "error", code: "push", message: error });
  }

  #strike(line: Connection, reason: string, code: string): void {
    // Two, of which a good frame takes one back.
    line.errorBudget += 2;
    this.#parts.observer.tell({
      type: "frame_refused",
      bot: line.link?.bot.id,
      address: line.address,
      why: reason,
    });
    line.send({ type: "error", message: reason, code });
    const most = line.link ? MAX_BAD_FRAMES.bot : MAX_BAD_FRAMES.stranger;
    if (line.errorBudget >= 2 * most) {
      this.#shut(line, CLOSE.badFrame, "too many frames that cannot be read");
    }
  }

  #tooLarge(line: Connection, data: string, message: string): void {
    this.#parts.observer.tell({
      type: "frame_refused",
      bot: line.link?.bot.id,
      address: line.address,
      why: message,
    });
    line.send({ type: "error", message, code: "too_large" });
    if (!line.link) return this.#shut(line, CLOSE.tooLarge, "the first frame is too large");
    line.link.heardAt = this.#parts.clock.now();
    line.link.missed(data, message);
  }

  /*
   * ── coming and going
   * ──────────────────────────────────────────────────────────────────────────────────────────────
   */

  #register(line: Connection, frame: RegisterFrame): void {
    const { observer, clock, roster } = this.#parts;
    const token = frame.token || line.proven || "";
    const refusal = this.#parts.refuse({ botId: frame.botId, token, pool: frame.pool });
    if (refusal) {
      observer.tell({
        type: "bot_refused",
        bot: frame.botId,
        address: line.address,
        why: refusal.error,
      });
      line.send({ type: "registered", success: false, error: refusal.error });
      this.#shut(line, closeCode(refusal), refusal.error);
      return;
    }
    line.token = token;
    this.#settled(line);
    const known = this.#links.get(frame.botId);
    if (line.link && line.link !== known) {
      if (line.link.held > 0) {
        // Its turns would have nobody to end them. The first registration stands.
        const error = `this socket answers as ${
          JSON.stringify(line.link.bot.id)
        }; open another one`;
        return line.send({ type: "registered", success: false, error });
      }
      this.#leave(line.link, "registered under another id");
    }
    if (
      this.#parts.draining?.() &&
      !(known && known.held > 0 && (known.line === line || frame.resume?.length))
    ) {
      line.send({ type: "registered", success: false, error: "the gateway restarts" });
      return this.#shut(line, CLOSE.restart, "the gateway restarts");
    }

    const protocol = Math.min(frame.protocol ?? 1, PROTOCOL);
    if (known?.line && known.line !== line) {
      const replaced = known.line;
      known.detach();
      replaced.link = undefined;
      this.#shut(replaced, CLOSE.replaced, "another socket registered with this bot id");
    }
    // On its own socket nothing can have been lost, so it goes on with all that it does not take
    // back.
    const again = known !== undefined && known.line === line;
    const resumes = again || (known !== undefined && protocol >= 2 && known.protocol >= 2);
    if (known && !resumes) this.#leave(known, "replaced");
    const link = resumes ? known : new SocketLink(clock);
    this.#links.set(frame.botId, link);
    const offered = frame.resume ?? (again ? link.progress() : []);
    link.redial = frame.redial;
    const resumed = link.attach(line, botOf(frame, clock.now()), protocol, offered);
    line.link = link;
    link.send(this.#welcome(protocol, resumed.kept, frame.resume !== undefined));
    // Joining comes after the welcome: a waiting turn may be given to it at once.
    link.leave?.();
    link.leave = roster.join(link);
    observer.tell({ type: "bot_joined", bot: frame.botId, protocol, address: line.address });
    if (resumed.kept.length > 0) {
      observer.tell({ type: "bot_resumed", bot: frame.botId, turns: resumed.kept.length });
    }
    for (const sink of resumed.lost) sink.lost("the bot came back without this turn");
  }

  #welcome(protocol: number, kept: readonly Progress[], asked: boolean): GatewayFrame {
    if (protocol < 2) return { type: "registered", success: true };
    const { maxFrame, pingInterval, botTimeout, grace } = this.settings;
    return {
      type: "registered",
      success: true,
      protocol,
      maxFrame,
      pingInterval,
      botTimeout,
      grace,
      features: this.#parts.isLasting?.() ? FEATURES : FIRST_FEATURES,
      ...(asked ? { resume: kept } : {}),
    };
  }

  /** The socket has registered or is gone: it no longer counts as waiting. */
  #settled(line: Connection): void {
    line.stopTimer?.();
    line.stopTimer = undefined;
    if (!line.waiting) return;
    line.waiting = false;
    const network = networkOf(line.address);
    const left = (this.#unregistered.get(network) ?? 1) - 1;
    if (left > 0) this.#unregistered.set(network, left);
    else this.#unregistered.delete(network);
  }

  /**
   * Closes a socket from our side. A stalled one may stay in closing for ever, so what hangs on it
   * is settled now.
   */
  #shut(line: Connection, code: number, reason: string): void {
    const { link } = line;
    line.close(code, reason);
    this.#settled(line);
    if (link?.line === line) this.#dropped(link, reason);
    line.link = undefined;
    line.gone = true;
  }

  /** The socket is closed. May come twice. */
  #closed(line: Connection): void {
    const { link } = line;
    line.gone = true;
    line.link = undefined;
    this.#lines.delete(line);
    this.#settled(line);
    line.onGone?.();
    if (link?.line === line) this.#dropped(link, "the socket closed", link.redial);
  }

  /** Turns that were begun wait for the bot, at most `redial` milliseconds. */
  #dropped(link: SocketLink, why: string, redial = Infinity): void {
    link.detach();
    if (link.protocol < 2 || this.#closing || link.held === 0) return this.#leave(link, why);
    link.leave?.();
    link.leave = undefined;
    this.#parts.observer.tell({
      type: "bot_left",
      bot: link.bot.id,
      why: `${why}; ${link.held} turns wait for it`,
    });
    link.goAway();
    if (link.held === 0) return void this.#links.delete(link.bot.id);
    link.stopGrace = this.#parts.clock.after(Math.min(this.settings.grace, redial), () => {
      this.#links.delete(link.bot.id);
      link.end("the bot did not come back");
    });
  }

  #leave(link: SocketLink, why: string): void {
    if (this.#links.get(link.bot.id) === link) this.#links.delete(link.bot.id);
    link.leave?.();
    link.leave = undefined;
    if (!link.isAway) this.#parts.observer.tell({ type: "bot_left", bot: link.bot.id, why });
    link.end(why);
  }

  #ping(): () => void {
    return this.#parts.clock.every(this.settings.pingInterval, () => {
      const now = this.#parts.clock.now();
      for (const link of [...this.#links.values()]) {
        const { line } = link;
        if (!line) continue;
        if (now - link.heardAt > this.settings.botTimeout) {
          this.#shut(line, CLOSE.silent, "nothing was heard for too long");
        } else if (link.isStuck && now - link.stuckSince! > this.settings.pingInterval) {
          this.#shut(line, CLOSE.stuck, "what was sent is not read");
        } else link.send({ type: "ping" });
      }
    });
  }
}

/** One socket, before and after its bot is known. */
class Connection {
  link: SocketLink | undefined;
  gone = false;
  waiting = false;
  errorBudget = 0;
  /** What it registered with. */
  token = "";
  stopTimer: (() => void) | undefined;
  onGone: (() => void) | undefined;

  constructor(
    readonly socket: WebSocketLike,
    readonly address: string,
    readonly proven: string | undefined,
  ) {}

  send(frame: GatewayFrame): void {
    this.sendText(JSON.stringify(frame));
  }

  sendText(text: string): void {
    if (this.socket.readyState === OPEN) this.socket.send(text);
  }

  close(code: number, reason: string): void {
    if (this.socket.readyState <= OPEN) this.socket.close(code, shortReason(reason));
  }
}

/** A turn that a bot holds. */
class HeldTurn {
  /** The last `seq` that arrived. */
  seq = 0;
  /** The last `seq` that is stored. */
  stored = 0;
  /**
   * Whether what is stored outlives the process; else what has arrived is all that can be
   * acknowledged.
   */
  isLasting = false;

  constructor(readonly sink: Sink) {}
}

/** One bot's line. */
class SocketLink implements Link {
  readonly wire = "socket";
  bot!: Bot;
  protocol = 1;
  line: Connection | undefined;
  heardAt = 0;
  stuckSince: number | undefined;
  leave: (() => void) | undefined;
  stopGrace: (() => void) | undefined;
  /** Milliseconds within which the bot is back after its socket was closed, by its own word. */
  redial: number | undefined;
  readonly #clock: Clock;
  readonly #held = new Map<string, HeldTurn>();
  readonly #receipts = new Map<string, (confirmed: boolean) => void>();
  readonly #toAck = new Map<string, number>();
  #stopAck: (() => void) | undefined;
  #elsewhere = 0;
  #wantsNone = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get busy(): number {
    return this.#held.size + this.#elsewhere;
  }

  /** Turns of ours that it holds. */
  get held(): number {
    return this.#held.size;
  }

  get isAway(): boolean {
    return this.stopGrace !== undefined;
  }

  get draining(): boolean {
    return this.#wantsNone || !this.line || this.line.socket.readyState !== OPEN || this.isStuck;
  }

  /**
   * More waits in the send buffer than a bot that reads would leave there. Seen when deciding,
   * because no event tells it.
   */
  get isStuck(): boolean {
    const stuck = (this.line?.socket.bufferedAmount ?? 0) > MAX_BUFFERED_UNITS;
    this.stuckSince = stuck ? this.stuckSince ?? this.#clock.now() : undefined;
    return stuck;
  }

  /** What it holds, and how far each has come. */
  progress(): Progress[] {
    return [...this.#held].map(([replyTo, { seq }]) => ({ replyTo, seq }));
  }

  /**
   * A socket registered for this bot. Tells which turns go on, and which the bot no longer knows.
   */
  attach(
    line: Connection,
    bot: Bot,
    protocol: number,
    resume: readonly Progress[],
  ): { kept: Progress[]; lost: Sink[] } {
    this.stopGrace?.();
    this.stopGrace = undefined;
    this.line = line;
    this.bot = bot;
    this.protocol = protocol;
    this.heardAt = this.#clock.now();
    this.#wantsNone = false;
    this.#elsewhere = 0;
    const offered = new Set(resume.map(({ replyTo }) => replyTo));
    const kept: Progress[] = [], lost: Sink[] = [];
    for (const [id, held] of this.#held) {
      if (offered.has(id)) {
        held.sink.alive();
        kept.push({ replyTo: id, seq: held.seq });
        this.#ackAgain(id, held);
      } else {
        this.#held.delete(id);
        lost.push(held.sink);
      }
    }
    return { kept, lost };
  }

  /** The socket is gone; what is held stays for now. */
  detach(): void {
    this.line = undefined;
    this.#stopAck?.();
    this.#stopAck = undefined;
    this.#toAck.clear();
    for (const resolve of this.#receipts.values()) resolve(false);
    this.#receipts.clear();
  }

  /** The bot is away: what it had not begun may move to others. */
  goAway(): void {
    for (const [id, held] of [...this.#held]) if (held.sink.away()) this.#held.delete(id);
  }

  /** The bot will not come back: everything it held is lost. */
  end(why: string): void {
    this.detach();
    this.stopGrace?.();
    this.stopGrace = undefined;
    const held = [...this.#held.values()];
    this.#held.clear();
    for (const { sink } of held) sink.lost(why);
  }

  send(frame: GatewayFrame): void {
    this.line?.send(frame);
  }

  ask(task: Task, sink: Sink): void {
    if (!this.line || this.line.socket.readyState !== OPEN) return sink.lost("the line is closed");
    const held = new HeldTurn(sink);
    this.#held.set(task.id, held);
    if (this.protocol >= 2) {
      const stored = (seq: number) => this.#stored(task.id, held, seq);
      held.isLasting = sink.acknowledge?.({ mark: () => held.seq, stored }) ?? false;
    }
    this.send(chatOf(task, this.protocol));
  }

  cancel(taskId: string): Promise<boolean> {
    this.#held.delete(taskId);
    if (this.protocol < 2 || !this.line) return Promise.resolve(false);
    this.send({ type: "cancel", id: taskId });
    return new Promise((resolve) => {
      const stop = this.#clock.after(CANCEL_TIMEOUT_MS, () => settle(false));
      const settle = (confirmed: boolean) => {
        stop();
        this.#receipts.delete(taskId);
        resolve(confirmed);
      };
      this.#receipts.set(taskId, settle);
    });
  }

  forget(taskId: string): void {
    this.#held.delete(taskId);
  }

  reply(frame: ReplyFrame): void {
    const { replyTo, seq } = frame;
    const held = this.#held.get(replyTo);
    if (!held) return this.#unknown(replyTo, seq);
    if (seq !== undefined && this.protocol >= 2) {
      if (seq <= held.seq) {
        held.sink.alive();
        return this.#ackAgain(replyTo, held);
      }
      if (seq > held.seq + 1) {
        const expected = held.seq + 1;
        held.sink.alive();
        return this.send({
          type: "error",
          code: "gap",
          message: `expected seq ${expected}, got ${seq}`,
          replyTo,
          expected,
        });
      }
      held.seq = seq;
    }
    let wanted = held.sink.write(frame.kind ?? "text", frame.content);
    if (frame.image !== undefined || frame.images !== undefined) {
      for (const image of imagesOf(frame)) wanted &&= held.sink.write("image", dataUrl(image));
    }
    if (!wanted) return;
    const isNumbered = seq !== undefined && this.protocol >= 2;
    if (!frame.done) {
      if (isNumbered && !held.isLasting) this.#ack(replyTo, seq, false);
      return;
    }
    this.#held.delete(replyTo);
    const stored = held.sink.done();
    if (!isNumbered) return;
    if (stored) void stored.then(() => this.#ack(replyTo, seq, true));
    else this.#ack(replyTo, seq, true);
  }

  /** What a bot has said is stored, and it may forget it. */
  #stored(replyTo: string, held: HeldTurn, seq: number): void {
    if (seq <= held.stored) return;
    held.stored = seq;
    if (this.#held.get(replyTo) === held) this.#ack(replyTo, seq, true);
  }

  /**
   * Says once more how far a turn is acknowledged: the receipt may have been lost with a socket.
   */
  #ackAgain(replyTo: string, { isLasting, stored, seq }: HeldTurn): void {
    const last = isLasting ? stored : seq;
    if (last > 0) this.#ack(replyTo, last, false);
  }

  /**
   * A frame was dropped unread. Where it was a piece of a reply without a number, nobody will see
   * the gap that it leaves, so the turn ends here; a reply with a number is asked for again.
   */
  missed(text: string, why: string): void {
    // linear: both go on from one quote to the next only.
    const replyTo = /"replyTo"\s*:\s*"([^"\\]+)"/.exec(text)?.[1];
    const held = replyTo === undefined ? undefined : this.#held.get(replyTo);
    if (!held) return;
    held.sink.alive();
    // linear: a place that begins so is followed by spaces once.
    if (this.protocol >= 2 && /"seq"\s*:\s*\d/.test(text)) return;
    this.#held.delete(replyTo!);
    held.sink.fail("reply_too_large", why, false);
  }

  fail(frame: FailFrame): void {
    const held = this.#held.get(frame.replyTo);
    if (!held) return this.#unknown(frame.replyTo, undefined);
    this.#held.delete(frame.replyTo);
    const { code, detail, more } = failureOf(frame);
    held.sink.fail(code, detail, frame.retryable === true, more);
  }

  cancelled(id: string): void {
    this.#receipts.get(id)?.(true);
    // A bot that stops a turn by itself, unasked: it will say nothing more.
    const held = this.#held.get(id);
    if (!held) return;
    this.#held.delete(id);
    held.sink.fail("bot_failed", "the bot stopped", false);
  }

  status(busy: number | undefined, draining: boolean | undefined): void {
    if (busy !== undefined) this.#elsewhere = busy;
    if (draining !== undefined) this.#wantsNone = draining;
  }

  /**
   * A reply to a turn that is over, or that never was this bot's. Version 1 knows no error for it.
   */
  #unknown(replyTo: string, seq: number | undefined): void {
    if (this.protocol < 2) return;
    // What a bot sent before it heard of the cancel is no error.
    if (this.#receipts.has(replyTo)) return;
    if (seq !== undefined) this.#ack(replyTo, seq, false);
    this.send({
      type: "error",
      code: "unknown_turn",
      message: "no such turn, or it is over",
      replyTo,
    });
  }

  /** Acknowledges now, or within {@linkcode ACK_DELAY_MS} together with whatever comes until then. */
  #ack(replyTo: string, seq: number, now: boolean): void {
    if (now) {
      this.#toAck.delete(replyTo);
      return this.send({ type: "ack", replyTo, seq });
    }
    this.#toAck.set(replyTo, seq);
    this.#stopAck ??= this.#clock.after(ACK_DELAY_MS, () => {
      this.#stopAck = undefined;
      for (const [id, last] of this.#toAck) this.send({ type: "ack", replyTo: id, seq: last });
      this.#toAck.clear();
    });
  }
}

function closeCode({ wrong }: BotRefusal): number {
  return { token: CLOSE.badToken, name: CLOSE.badId, taken: CLOSE.taken }[wrong];
}

/**
 * A close reason within the 123 bytes that RFC 6455 allows; a longer one would make the socket
 * throw and stay open.
 */
function shortReason(reason: string): string {
  let short = reason.slice(0, MAX_REASON);
  while (new TextEncoder().encode(short).length > MAX_REASON) short = short.slice(0, -1);
  return short.toWellFormed();
}

function botOf(frame: RegisterFrame, now: number): Bot {
  return {
    id: frame.botId,
    name: frame.botName,
    connectedAt: now,
    pool: frame.pool,
    weight: frame.weight ?? 1,
    maxConcurrent: frame.maxConcurrent ?? Infinity,
    restart: frame.restart ?? "never",
    capabilities: frame.capabilities ?? [],
    description: frame.description,
  };
}

/** The frame in which a bot gets a task: version 1 exactly as the original sent it. */
function chatOf({ id, conversationId, message, at }: Task, protocol: number): GatewayFrame {
  const { person, text, images, channel, chatType } = message;
  const content = message.contextPrefix === undefined ? text : message.contextPrefix + text;
  const frame = {
    type: "chat",
    id,
    content,
    from: person.name,
    image: images[0],
    timestamp: at,
  } as const;
  if (protocol < 2) return frame;
  return {
    ...frame,
    image: images[0] === undefined ? undefined : dataUrl(images[0]),
    conversationId,
    userId: person.id,
    senderName: person.name,
    channel,
    chatType: chatType ?? "direct",
    images: images.length > 0 ? images.map(dataUrl) : undefined,
  };
}

function imagesOf(frame: ReplyFrame): readonly string[] {
  if (!frame.images) return [frame.image!];
  return frame.image === undefined || frame.images.includes(frame.image)
    ? frame.images
    : [frame.image, ...frame.images];
}
