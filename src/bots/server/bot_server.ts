/**
 * The server for bots that connect to the gateway. {@linkcode BotServer} accepts their WebSockets,
 * registers them, and gives the roster one {@linkcode SocketLink} for each bot. `docs/protocol.md`
 * is the specification.
 */
import type { BotClaim, BotRefusal } from "../../core/bot_admission.ts";
import { excessOf } from "../../core/json.ts";
import type { Roster } from "../../core/roster.ts";
import { InvalidFrame } from "../wire/fields.ts";
import { type BotFrame, CLOSE, MAX_REGISTER, PROTOCOL, type RegisterFrame } from "../wire/frame.ts";
import { readBotFrame } from "../wire/read_bot_frame.ts";
import { Connection, type WebSocketLike } from "./connection.ts";
import { botOf, closeCodeOf, welcome } from "./frames.ts";
import { PushHandler, type PushHandlerParts } from "./push_handler.ts";
import { decideRegistration } from "./registration.ts";
import {
  type BotServerSettings,
  DEFAULT_BOT_SERVER,
  FRAME_BOUNDS,
  MAX_BAD_FRAMES,
  MAX_UNREGISTERED,
} from "./settings.ts";
import { type BotConnection, SocketLink } from "./socket_link.ts";
import { UnregisteredSockets } from "./unregistered.ts";

export type { WebSocketLike } from "./connection.ts";

export interface BotServerParts extends PushHandlerParts {
  readonly roster: Roster;
  /** Why this bot may not come in; `undefined`: it may. */
  readonly refuse: (claim: BotClaim) => BotRefusal | undefined;
  /** Whether the gateway takes nothing new: then only a bot that resumes its turns may come in. */
  readonly draining?: () => boolean;
  /** Whether stored replies outlive the process. */
  readonly isLasting?: () => boolean;
}

export class BotServer {
  readonly settings: BotServerSettings;
  readonly #parts: BotServerParts;
  readonly #pushes: PushHandler;
  /** Links of registered bots, present or away, by bot id. */
  readonly #links = new Map<string, SocketLink>();
  readonly #connections = new Set<BotConnection>();
  readonly #unregistered = new UnregisteredSockets();
  #stopPinging: () => void;
  #isClosing = false;

  constructor(parts: BotServerParts, settings: Partial<BotServerSettings> = {}) {
    this.#parts = parts;
    this.settings = { ...DEFAULT_BOT_SERVER, ...settings };
    this.#pushes = new PushHandler(parts);
    this.#stopPinging = this.#startPinging();
  }

  /** Takes over changed settings, and restarts the timer of the pings. */
  set(settings: Partial<BotServerSettings>): void {
    Object.assign(this.settings, settings);
    this.#stopPinging();
    this.#stopPinging = this.#startPinging();
  }

  /** Whether a bot holds turns, and so may have to come back to end them. */
  get hasOpenTurns(): boolean {
    for (const { openTurns } of this.#links.values()) if (openTurns > 0) return true;
    return false;
  }

  /** Sockets that are open, registered or not. */
  get size(): number {
    return this.#connections.size;
  }

  /**
   * Whether one more socket from this address may wait to register. Call it before the upgrade: an
   * open socket costs the server more than it costs a stranger.
   */
  hasRoomFor(address: string): boolean {
    if (this.#isClosing) return false;
    if (
      this.#unregistered.of(address) < this.settings.unregisteredPerAddress &&
      this.#unregistered.total < MAX_UNREGISTERED
    ) return true;
    this.#reportRefused(address, "too many sockets wait to register");
    return false;
  }

  /**
   * Accepts a socket. It must register before it may do anything else.
   *
   * @param address where it comes from, for bounds and the log
   * @param upgradeToken a token that it showed at the upgrade; `register` may then omit it
   */
  accept(socket: WebSocketLike, address: string, upgradeToken?: string): void {
    const stopTimer = this.#parts.clock.after(this.settings.registerTimeout, () => {
      this.#reportRefused(address, "did not register in time");
      this.#close(connection, CLOSE.unregistered, "register within the time");
    });
    const connection = new Connection<SocketLink>(socket, address, upgradeToken, stopTimer);
    this.#connections.add(connection);
    this.#unregistered.add(address);
    socket.onmessage = (event) => this.#onMessage(connection, event.data);
    socket.onclose = () => this.#onClosed(connection);
    // The close event that follows reports the cause.
    socket.onerror = () => {};
  }

  /**
   * Closes every socket with the code that makes bots come back. Resolves when all are closed, or
   * after `wait` milliseconds.
   */
  async close(wait = 1_000): Promise<void> {
    this.#isClosing = true;
    this.#stopPinging();
    const closed: Promise<void>[] = [];
    for (const connection of [...this.#connections]) {
      closed.push(new Promise((resolve) => connection.onGone = resolve));
      this.#close(connection, CLOSE.restart, "the gateway restarts");
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

  /** Closes a bot's socket, e.g. because its token was revoked. `false`: there is none. */
  disconnect(
    botId: string,
    code: number = CLOSE.badToken,
    reason = "the token is no longer valid",
  ): boolean {
    const connection = this.#links.get(botId)?.connection;
    if (!connection) return false;
    this.#close(connection, code, reason);
    return true;
  }

  /**
   * Checks every bot again after tokens or names changed, and closes the sockets of those that may
   * no longer come in.
   */
  recheck(): void {
    for (const [botId, { connection, bot }] of [...this.#links]) {
      if (connection?.phase.name !== "registered") continue;
      const { token } = connection.phase;
      const refusal = this.#parts.refuse({ botId, token, pool: bot.pool });
      if (!refusal) continue;
      this.#reportRefused(connection.address, refusal.error, botId);
      this.#close(connection, closeCodeOf(refusal), refusal.error);
    }
  }

  /* Frames. */

  #onMessage(connection: BotConnection, data: unknown): void {
    if (connection.phase.name === "gone") return;
    try {
      if (typeof data !== "string") {
        return this.#onBadFrame(connection, "frames are text, not binary", "bad_frame");
      }
      const { link } = connection;
      const max = link ? this.settings.maxFrame : MAX_REGISTER;
      const excess = data.length > max
        ? `a frame may have ${max} characters, got ${data.length}`
        : excessOf(data, FRAME_BOUNDS);
      if (excess !== undefined) return this.#onOversizedFrame(connection, data, excess);
      const frame = readBotFrame(data);
      if (frame instanceof InvalidFrame) {
        return this.#onBadFrame(connection, frame.reason, "bad_frame");
      }
      connection.onGoodFrame();
      if (link) this.#onFrame(link, frame);
      else if (frame.type === "register") this.#register(connection, frame);
      else this.#onBadFrame(connection, "Not registered", "not_registered");
    } catch (error) {
      // A defect of the gateway must not end the process or the bot's other turns.
      this.#parts.observer.tell({ type: "fault", where: "bot socket", error });
    }
  }

  #onFrame(link: SocketLink, frame: BotFrame): void {
    link.heardAt = this.#parts.clock.now();
    switch (frame.type) {
      case "reply":
        return link.onReply(frame);
      case "pong":
        return;
      case "ping":
        return link.send({ type: "pong" });
      case "fail":
        return link.onFail(frame);
      case "cancelled":
        return link.onCancelled(frame.id);
      case "status":
        link.onStatus(frame.busy, frame.draining);
        return this.#parts.roster.changed();
      case "push":
        return void this.#pushes.handle(link, frame);
      case "register":
        // A second register on one socket: Nexus 1.x allowed it.
        return this.#register(link.connection!, frame);
    }
  }

  #onBadFrame(connection: BotConnection, reason: string, code: string): void {
    this.#rejectFrame(connection, reason, code);
    const max = connection.link ? MAX_BAD_FRAMES.bot : MAX_BAD_FRAMES.stranger;
    if (connection.onBadFrame(max)) {
      this.#close(connection, CLOSE.badFrame, "too many frames that cannot be read");
    }
  }

  #onOversizedFrame(connection: BotConnection, data: string, message: string): void {
    this.#rejectFrame(connection, message, "too_large");
    const { link } = connection;
    if (!link) return this.#close(connection, CLOSE.tooLarge, "the first frame is too large");
    link.heardAt = this.#parts.clock.now();
    link.onOversizedFrame(data, message);
  }

  #rejectFrame(connection: BotConnection, message: string, code: string): void {
    const bot = connection.link?.bot.id;
    const { address } = connection;
    this.#parts.observer.tell({ type: "frame_refused", bot, address, why: message });
    connection.send({ type: "error", message, code });
  }

  /* Registration. */

  #register(connection: BotConnection, frame: RegisterFrame): void {
    const token = frame.token || connection.upgradeToken || "";
    const refusal = this.#parts.refuse({ botId: frame.botId, token, pool: frame.pool });
    if (refusal) {
      this.#reportRefused(connection.address, refusal.error, frame.botId);
      return this.#refuse(connection, refusal.error, closeCodeOf(refusal));
    }
    const known = this.#links.get(frame.botId);
    const other = connection.link === known ? undefined : connection.link;
    const protocol = Math.min(frame.protocol ?? 1, PROTOCOL);
    const decision = decideRegistration({
      protocol,
      hasResume: (frame.resume?.length ?? 0) > 0,
      isDraining: this.#parts.draining?.() ?? false,
      known: known && {
        id: frame.botId,
        protocol: known.protocol,
        openTurns: known.openTurns,
        socket: known.connection === undefined
          ? "none"
          : known.connection === connection
          ? "this"
          : "another",
      },
      other: other && { id: other.bot.id, protocol: other.protocol, openTurns: other.openTurns },
    });
    switch (decision.action) {
      case "decline":
        return connection.send({ type: "registered", success: false, error: decision.error });
      case "restarting":
        return this.#refuse(connection, "the gateway restarts", CLOSE.restart);
      case "accept": {
        if (other) this.#remove(other, "registered under another id");
        if (known?.connection && known.connection !== connection) this.#replaceSocket(known);
        if (known && decision.link === "replace") this.#remove(known, "replaced");
        const link = known && decision.link !== "replace" ? known : this.#addLink(frame.botId);
        const resume = frame.resume ?? (decision.link === "continue" ? link.progress() : []);
        return this.#attach(link, connection, { frame, token, protocol, resume });
      }
    }
  }

  #refuse(connection: BotConnection, error: string, code: number): void {
    connection.send({ type: "registered", success: false, error });
    this.#close(connection, code, error);
  }

  #replaceSocket(link: SocketLink): void {
    const replaced = link.connection!;
    link.detach();
    this.#close(replaced, CLOSE.replaced, "another socket registered with this bot id");
  }

  #addLink(botId: string): SocketLink {
    const link = new SocketLink(this.#parts.clock);
    this.#links.set(botId, link);
    return link;
  }

  #attach(
    link: SocketLink,
    connection: BotConnection,
    { frame, token, protocol, resume }: {
      readonly frame: RegisterFrame;
      readonly token: string;
      readonly protocol: number;
      readonly resume: NonNullable<RegisterFrame["resume"]>;
    },
  ): void {
    const { observer, clock, roster } = this.#parts;
    this.#noLongerUnregistered(connection);
    connection.phase = { name: "registered", link, token };
    link.redial = frame.redial;
    const bot = botOf(frame, clock.now());
    const { resumed, lost } = link.attach(connection, bot, protocol, resume);
    const isLasting = this.#parts.isLasting?.() ?? false;
    link.send(welcome(protocol, this.settings, isLasting, frame.resume && resumed));
    // It joins after the welcome, because a waiting turn may be given to it at once.
    link.leaveRoster?.();
    link.leaveRoster = roster.join(link);
    observer.tell({ type: "bot_joined", bot: bot.id, protocol, address: connection.address });
    if (resumed.length > 0) {
      observer.tell({ type: "bot_resumed", bot: bot.id, turns: resumed.length });
    }
    for (const sink of lost) sink.lost("the bot came back without this turn");
  }

  #reportRefused(address: string, why: string, bot?: string): void {
    this.#parts.observer.tell({ type: "bot_refused", bot, address, why });
  }

  /** The socket has registered or is gone. */
  #noLongerUnregistered({ phase, address }: BotConnection): void {
    if (phase.name !== "unregistered") return;
    phase.stopTimer();
    this.#unregistered.remove(address);
  }

  /* Leaving. */

  /**
   * Closes a socket. A stalled one may stay in closing for ever, so its bot leaves at once and not
   * with the close event.
   */
  #close(connection: BotConnection, code: number, reason: string): void {
    connection.close(code, reason);
    this.#onGone(connection, reason);
  }

  /** The socket is closed. May be called twice. */
  #onClosed(connection: BotConnection): void {
    this.#connections.delete(connection);
    connection.onGone?.();
    this.#onGone(connection, "the socket closed", connection.link?.redial);
  }

  #onGone(connection: BotConnection, why: string, redial?: number): void {
    const { link } = connection;
    this.#noLongerUnregistered(connection);
    connection.phase = { name: "gone" };
    if (link?.connection === connection) this.#onDrop(link, why, redial);
  }

  /** Turns that the bot had begun wait for it: for the grace, or for `redial` milliseconds. */
  #onDrop(link: SocketLink, why: string, redial = Infinity): void {
    link.detach();
    if (link.protocol < 2 || this.#isClosing || link.openTurns === 0) {
      return this.#remove(link, why);
    }
    const { id } = link.bot;
    link.leaveRoster?.();
    link.leaveRoster = undefined;
    const waiting = `${link.openTurns} turns wait for it`;
    this.#parts.observer.tell({ type: "bot_left", bot: id, why: `${why}; ${waiting}` });
    const isAwaited = link.waitForReturn(Math.min(this.settings.grace, redial), () => {
      this.#links.delete(id);
      link.end("the bot did not come back");
    });
    if (!isAwaited) this.#links.delete(id);
  }

  #remove(link: SocketLink, why: string): void {
    const { id } = link.bot;
    if (this.#links.get(id) === link) this.#links.delete(id);
    link.leaveRoster?.();
    link.leaveRoster = undefined;
    if (!link.isAway) this.#parts.observer.tell({ type: "bot_left", bot: id, why });
    link.end(why);
  }

  #startPinging(): () => void {
    return this.#parts.clock.every(this.settings.pingInterval, () => {
      const now = this.#parts.clock.now();
      for (const link of [...this.#links.values()]) {
        const { connection } = link;
        if (!connection) continue;
        if (now - link.heardAt > this.settings.botTimeout) {
          this.#close(connection, CLOSE.silent, "nothing was heard for too long");
        } else if (link.isStuckFor(this.settings.pingInterval)) {
          this.#close(connection, CLOSE.stuck, "what was sent is not read");
        } else link.send({ type: "ping" });
      }
    });
  }
}
