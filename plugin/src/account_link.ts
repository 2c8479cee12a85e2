/**
 * The link of an account to its gateway. It connects when OpenClaw starts the account, reconnects
 * until OpenClaw stops it, and reports its status.
 */
import {
  type Bot,
  connect,
  type ConnectionState,
  type ConnectOptions,
} from "../../src/bots/client.ts";
import { type Account, whatIsMissing } from "./account.ts";
import type { Host } from "./host.ts";
import { Inbound } from "./inbound.ts";
import { OpenTurns } from "./open_turns.ts";
import { WELCOME, Welcome, welcomeId } from "./welcome.ts";

/** What OpenClaw shows of a running account. */
export interface AccountStatus {
  readonly running?: boolean;
  readonly connected?: boolean;
  readonly lifecycle?: "starting" | "ready" | "recovering" | "blocked" | "stopped";
  readonly lastConnectedAt?: number | null;
  readonly lastDisconnect?: {
    readonly at: number;
    readonly status?: number;
    readonly error?: string;
  } | null;
  readonly reconnectAttempts?: number;
  readonly lastError?: string | null;
  readonly lastInboundAt?: number | null;
  readonly lastTransportActivityAt?: number | null;
  readonly lastStartAt?: number | null;
  readonly lastStopAt?: number | null;
  readonly busy?: boolean;
  readonly activeRuns?: number;
  readonly baseUrl?: string;
  readonly dmPolicy?: string;
}

export interface AccountLinkParts {
  readonly account: Account;
  readonly host: Host;
  readonly signal: AbortSignal;
  readonly log: { info(text: string): void; warn(text: string): void; error(text: string): void };
  /** Adds to what is known of the account. */
  tell(status: AccountStatus): void;
  readonly now?: () => number;
  /** For tests: parts of the wire's client. */
  readonly wire?: Partial<Pick<ConnectOptions, "WebSocket" | "clock" | "random">>;
}

/** A live line, as the way out sees it. */
export interface AccountLink {
  readonly account: Account;
  readonly bot: Bot;
  readonly present: OpenTurns;
  /** The version of the wire that the gateway spoke when it was last there; 1 before. */
  readonly protocol: 1 | 2;
}

/** Milliseconds between two notes of traffic in the status: OpenClaw writes each of them down. */
const ACTIVITY_INTERVAL_MS = 5000;
/**
 * Most milliseconds before each of the first three dials after a drop: a gateway that is started
 * again is up by then.
 */
const FIRST_RECONNECT_MS = 1000;
/**
 * Milliseconds within which those dials are over. Who is not back by then has been killed, and
 * people are told so.
 */
const RECONNECT_WINDOW_MS = 5000;
/** Milliseconds that answers get to come to their end when OpenClaw stops the account. */
const FINISH_MS = 1500;

/**
 * The lines of this process by account: OpenClaw asks for messages to be sent without saying over
 * which line.
 */
export class AccountLinks {
  readonly #lines = new Map<string, AccountLink>();

  get(accountId: string): AccountLink | undefined {
    return this.#lines.get(accountId);
  }

  /**
   * Runs an account until the signal aborts. Rejects only where dialling makes no sense, with words
   * for the owner.
   */
  async run(parts: AccountLinkParts): Promise<void> {
    const { account, host, signal, log, tell, now = Date.now } = parts;
    const missing = whatIsMissing(account);
    if (missing) throw new Error(`Nexus cannot start: ${missing}`);
    if (account.tokenStatus === "configured_unavailable") {
      throw new Error(
        "Nexus cannot start: the secret reference in token was not resolved; restart the OpenClaw gateway",
      );
    }
    if (signal.aborted) return;
    const present = new OpenTurns();
    let running = 0;
    let activeAt = 0;
    let protocol: 1 | 2 = 1;
    const inbound = new Inbound({
      account,
      host,
      present,
      protocol: () => protocol,
      onProblem: (text, cause) =>
        log.warn(cause === undefined ? text : `${text}: ${messageOf(cause)}`),
      onMessage: () => tell({ lastInboundAt: now() }),
      onChallenge: (personId) => protocol === 2 && welcome.wait(personId),
    });
    const welcome = new Welcome({
      now,
      paired: () => host.paired(account.accountId),
      tell: (personId) =>
        bot.push({
          to: `user:${personId}`,
          content: WELCOME,
          id: welcomeId(account.accountId, personId),
        }),
      onProblem: (text, cause) => log.warn(`${text}: ${messageOf(cause)}`),
      every(ms, run) {
        const timer = setInterval(run, ms);
        return () => clearInterval(timer);
      },
    });
    tell({
      running: true,
      connected: false,
      lifecycle: "starting",
      lastStartAt: now(),
      lastError: null,
      baseUrl: account.serverUrl,
      dmPolicy: account.dmPolicy,
    });
    const bot = connect({
      url: account.serverUrl,
      botId: account.botId,
      botName: account.botName,
      token: account.token,
      capabilities: [
        "images",
        ...(account.showReasoning ? ["reasoning"] : []),
        ...(account.showTools ? ["tools"] : []),
      ],
      reconnectInterval: Math.min(FIRST_RECONNECT_MS, account.reconnectInterval),
      redial: RECONNECT_WINDOW_MS,
      maxReconnectInterval: Math.max(30_000, account.reconnectInterval),
      ...parts.wire,
      answer: async (chat, reply) => {
        tell({ busy: true, activeRuns: ++running });
        try {
          await inbound.answer(chat, reply);
        } finally {
          tell({ busy: --running > 0, activeRuns: running });
        }
      },
      onState: (state) => {
        if (state.phase === "ready") protocol = state.gateway.protocol;
        tell(statusOf(state, now()));
        logState(state, account, log);
      },
      onProblem: (text, cause) =>
        log.warn(cause === undefined ? text : `${text}: ${messageOf(cause)}`),
      onActivity: () => {
        const at = now();
        if (at - activeAt < ACTIVITY_INTERVAL_MS) return;
        activeAt = at;
        tell({ lastTransportActivityAt: at });
      },
    });
    const line: AccountLink = {
      account,
      bot,
      present,
      get protocol() {
        return protocol;
      },
    };
    this.#lines.set(account.accountId, line);
    await new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true })
    );
    if (this.#lines.get(account.accountId) === line) this.#lines.delete(account.accountId);
    welcome.close();
    await bot.close({ finish: FINISH_MS });
    tell({
      running: false,
      connected: false,
      lifecycle: "stopped",
      lastStopAt: now(),
      busy: false,
      activeRuns: 0,
    });
  }
}

function statusOf(state: ConnectionState, at: number): AccountStatus {
  switch (state.phase) {
    case "connecting":
      return { connected: false, reconnectAttempts: state.attempt - 1 };
    case "ready":
      return {
        connected: true,
        lifecycle: "ready",
        lastConnectedAt: at,
        reconnectAttempts: 0,
        lastError: null,
      };
    case "recovering":
      return {
        connected: false,
        lifecycle: "recovering",
        lastDisconnect: { at, status: state.code, error: state.reason },
        reconnectAttempts: state.attempt,
        lastError: state.reason,
      };
    case "blocked":
      return {
        connected: false,
        lifecycle: "blocked",
        lastDisconnect: { at, status: state.code, error: state.reason },
        lastError: `${state.reason}; it will not dial again until the configuration changes`,
      };
    case "closed":
      return { connected: false };
  }
}

function logState(state: ConnectionState, account: Account, log: AccountLinkParts["log"]): void {
  const who = `${account.botId} at ${account.serverUrl}`;
  if (state.phase === "ready") {
    log.info(`registered as ${who} (protocol ${state.gateway.protocol})`);
  } else if (state.phase === "recovering") {
    log.warn(`${who}: ${state.reason}; dialling again in ${state.retryIn} ms`);
  } else if (state.phase === "blocked") log.error(`${who}: ${state.reason}`);
}

/** What a thrown thing says, without its stack. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
