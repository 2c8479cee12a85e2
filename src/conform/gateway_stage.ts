/**
 * The gateway that the kit plays for a bot under test. It listens, registers the bot, asks, and
 * records everything that the bot does. The cases steer it.
 */
import { BotConnection } from "./bot_connection.ts";
import { type ConformStage, Failed, pause, Skipped } from "./case.ts";
import type { RawFrame } from "./raw.ts";
import { ConditionWaiter } from "./waiting.ts";

export interface BotTarget {
  /** Where to listen. Port 0: any that is free. */
  readonly hostname?: string;
  readonly port?: number;
  /** Milliseconds for an answer, and for a frame. Default 15,000: some bots think. */
  readonly patience?: number;
  /**
   * Milliseconds for a bot that was dropped to dial again. Default 60,000, and 10 minutes for the
   * first dial of one that is started by hand.
   */
  readonly redial?: number;
  /** Milliseconds in which a bot that was refused must not dial. Default 5,000. */
  readonly stayAway?: number;
  /**
   * Starts the bot towards an address, and returns the way to stop it. Absent: somebody else starts
   * it.
   */
  readonly start?: (url: string) => () => Promise<void>;
}

/** Milliseconds in which somebody may start the bot by hand. */
const FIRST_DIAL_TIMEOUT_MS = 600_000;

const WELCOME = {
  type: "registered",
  success: true,
  protocol: 2,
  maxFrame: 32 << 20,
  pingInterval: 30_000,
  botTimeout: 60_000,
  grace: 15_000,
  features: ["ack", "resume", "cancel", "fail", "push", "status", "kinds", "batch", "images"],
};

export interface ConnectOptions {
  readonly version?: 1 | 2;
  readonly fields?: Record<string, unknown>;
  /** What to answer to the bot's `resume`. */
  readonly resume?: (asked: readonly RawFrame[]) => readonly RawFrame[];
  /** Not the socket that is there, but the next one. */
  readonly fresh?: boolean;
}

export class GatewayStage implements ConformStage, AsyncDisposable {
  readonly url: string;
  /** Whether the bot understands directives; set by {@linkcode start}. */
  directives = false;
  /** The version that it offered. */
  offered: 1 | 2 = 1;
  botId = "";
  readonly patience: number;
  readonly redial: number;
  readonly stayAway: number;
  /** How many dials are answered with HTTP 503. */
  rejectNext = 0;
  /** When the bot dialled, each time. */
  readonly dials: number[] = [];
  readonly #target: BotTarget;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #arrived: BotConnection[] = [];
  readonly #waiting = new ConditionWaiter();
  #connection: BotConnection | undefined;
  #dirty = false;
  #stop: (() => Promise<void>) | undefined;
  #absent: string | undefined;

  constructor(target: BotTarget) {
    this.#target = target;
    this.patience = target.patience ?? 15_000;
    this.redial = target.redial ?? 60_000;
    this.stayAway = target.stayAway ?? 5000;
    const { hostname = "127.0.0.1", port = 0 } = target;
    this.#server = Deno.serve({ hostname, port, onListen() {} }, (request) => this.#serve(request));
    this.url = `ws://${
      hostname.includes(":") ? `[${hostname}]` : hostname
    }:${this.#server.addr.port}/bot-ws`;
  }

  #serve(request: Request): Response {
    this.dials.push(performance.now());
    if (this.rejectNext > 0) {
      this.rejectNext--;
      this.#waiting.wake();
      return new Response("come back later", { status: 503 });
    }
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return new Response("a WebSocket is expected here", { status: 426 });
    }
    const { socket, response } = Deno.upgradeWebSocket(request);
    this.#arrived.push(new BotConnection(socket, this.patience));
    this.#waiting.wake();
    return response;
  }

  /** Starts the bot if that is ours to do, waits for it, and learns what it can do. */
  async start(): Promise<void> {
    this.#stop = this.#target.start?.(this.url);
    const connect = await this.connection();
    const turn = connect.ask("/conform echo parrot-7");
    try {
      await connect.end(turn);
    } catch (error) {
      // A bot that does not even answer has cases of its own to fail.
      if (!(error instanceof Failed)) throw error;
    }
    this.directives = turn.text === "parrot-7";
    turn.ended ??= "fail";
  }

  /** A registered socket: the one that is there, if it will do. */
  async connection(welcome: ConnectOptions = {}): Promise<BotConnection> {
    const { version, fresh, fields, resume } = welcome;
    const connection = this.#connection;
    const wanted = version ?? (this.offered === 2 ? 2 : undefined) ?? connection?.version;
    if (
      connection && !connection.closed && !fresh && !fields && !resume && !this.#dirty &&
      wanted === connection.version
    ) return connection;
    await connection?.drop();
    const taken = await this.nextConnection();
    const registration = taken.registration = await taken.next("register", 0, 10_000);
    this.botId = String(registration.botId);
    this.offered = registration.protocol >= 2 ? 2 : 1;
    taken.version = Math.min(version ?? 2, this.offered) as 1 | 2;
    const asked = Array.isArray(registration.resume) ? registration.resume : [];
    taken.send(
      taken.version === 2
        ? { ...WELCOME, ...fields, resume: resume?.(asked) ?? [] }
        : { type: "registered", success: true, ...fields },
    );
    this.#connection = taken;
    // What a case set up by hand is not for the next one.
    this.#dirty = fields !== undefined || version !== undefined;
    return taken;
  }

  /** The next socket, before it has registered. */
  async nextConnection(): Promise<BotConnection> {
    if (this.#absent) throw new Skipped(this.#absent);
    // Somebody may start the bot by hand: the first dial has more time, unless the command says how
    // much.
    const wait = this.botId === "" && !this.#stop
      ? this.#target.redial ?? FIRST_DIAL_TIMEOUT_MS
      : this.redial;
    try {
      return await this.#waiting.until(() => this.#takeArrived(), wait, "the bot's next dial");
    } catch (error) {
      if (error instanceof Failed) {
        this.#absent = "the bot did not dial again before; this case was not reached";
      }
      throw error;
    }
  }

  #takeArrived(): BotConnection | undefined {
    while (this.#arrived.length > 0) {
      const connection = this.#arrived.shift()!;
      if (!connection.closed) return connection;
    }
    return undefined;
  }

  /** Resolves with how many dials came while nobody was wanted. */
  async dialsWithin(ms: number): Promise<number> {
    const before = this.dials.length;
    await pause(ms);
    return this.dials.length - before;
  }

  async dialled(count: number): Promise<void> {
    await this.#waiting.until(
      () => this.dials.length >= count,
      this.redial,
      `dial number ${count}`,
    );
  }

  /** The next case gets a socket of its own. */
  useFreshConnection(): void {
    this.#dirty = true;
  }

  /** For cases after which the bot stays away. */
  async restart(): Promise<void> {
    const start = this.#target.start;
    if (!start) {
      throw new Skipped("the kit must start the bot itself for this (nexus conform -- command)");
    }
    await this.#stop?.();
    for (const connection of this.#arrived.splice(0)) await connection.drop();
    this.#connection = undefined;
    this.#absent = undefined;
    this.#stop = start(this.url);
  }

  /** The bot was rejected for good: nothing more can be tried unless the kit may start it again. */
  giveUp(): void {
    this.#connection = undefined;
    this.#absent =
      "the bot was refused in a case before, and the kit cannot start it again (nexus conform -- command)";
  }

  lacks(need: string): string | undefined {
    if (need === "directives" && !this.directives) {
      return "the bot does not understand the kit's directives";
    }
    if (need === "start" && !this.#target.start) {
      return "the kit must start the bot itself for this (nexus conform -- command)";
    }
    return undefined;
  }

  lacksVersion(version: 1 | 2 | "both"): string | undefined {
    return version === 2 && this.offered < 2 ? "the bot speaks version 1" : undefined;
  }

  cleanUp(): Promise<void> {
    this.rejectNext = 0;
    const connection = this.#connection;
    if (connection) {
      connection.acks = "auto";
      // A turn that is still open would speak into the next case.
      if ([...connection.turns.values()].some((turn) => !turn.ended)) this.#dirty = true;
      connection.turns.clear();
    }
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop?.();
    for (const connection of [...this.#arrived, ...(this.#connection ? [this.#connection] : [])]) {
      await connection.drop(1001);
    }
    await this.#server.shutdown();
  }
}
