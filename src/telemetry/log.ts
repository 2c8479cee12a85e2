/**
 * The log: one line per happening, JSON for machines or pretty for a terminal. Lines leave in
 * batches, so that a busy gateway makes one system call for many turns.
 */
import type { GatewayEvent, Observer } from "../core/observer.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** How long a line may wait for company, in milliseconds. */
const BATCH_DELAY_MS = 50;

/** Characters that may wait; past it they are written at once. */
const MAX_BUFFERED_CHARS = 64 * 1024;

export class Log implements Observer {
  level: LogLevel;
  pretty: boolean;
  readonly #write: (text: string) => void;
  readonly #now: () => number;
  #waiting = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param write takes whole lines */
  constructor(
    options: {
      level?: LogLevel;
      pretty?: boolean;
      write: (text: string) => void;
      now?: () => number;
    },
  ) {
    this.level = options.level ?? "info";
    this.pretty = options.pretty ?? false;
    this.#write = options.write;
    this.#now = options.now ?? Date.now;
  }

  tell(happening: GatewayEvent): void {
    const level = levelOf(happening);
    if (LEVELS.indexOf(level) < LEVELS.indexOf(this.level)) return;
    const at = new Date(this.#now()).toISOString();
    this.#waiting += this.pretty ? pretty(at, level, happening) : plain(at, level, happening);
    // A person at a terminal and a failure's last words should not wait.
    if (this.pretty || level === "error" || this.#waiting.length > MAX_BUFFERED_CHARS) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), BATCH_DELAY_MS);
  }

  /** Writes what waits. Call before the process ends. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting === "") return;
    const text = this.#waiting;
    this.#waiting = "";
    this.#write(text);
  }
}

function levelOf(happening: GatewayEvent): LogLevel {
  switch (happening.type) {
    case "turn_begun":
    case "turn_given":
      return "debug";
    case "turn_ended":
      return happening.status === "done" || happening.status === "cancelled" ? "info" : "warn";
    case "turn_moved":
    case "bot_rests":
    case "bot_refused":
    case "frame_refused":
    case "sign_in_refused":
    case "callback_refused":
    case "throttled":
    case "config_refused":
    case "warning":
      return "warn";
    case "fault":
      return "error";
    default:
      return "info";
  }
}

function plain(at: string, level: LogLevel, happening: GatewayEvent): string {
  const text = "error" in happening ? "" : JSON.stringify(happening);
  // Nearly every line: written once, its type renamed.
  if (text.startsWith('{"type":')) {
    return `{"at":"${at}","level":"${level}","event":${text.slice(8)}\n`;
  }
  const { type, ...rest } = happening;
  const fields = "error" in rest ? { ...rest, error: errorText(rest.error) } : rest;
  return `${JSON.stringify({ at, level, event: type, ...fields })}\n`;
}

const COLOURS: Record<LogLevel, string> = {
  debug: "\x1b[2m",
  info: "",
  warn: "\x1b[33m",
  error: "\x1b[31m",
};

function pretty(at: string, level: LogLevel, { type, ...rest }: GatewayEvent): string {
  const fields = Object.entries(rest).filter(([, value]) => value !== undefined).map(
    ([key, value]) => {
      const text = key === "error"
        ? errorText(value)
        : Array.isArray(value)
        ? value.join(", ")
        : typeof value === "object"
        ? JSON.stringify(value)
        : String(value);
      return `\x1b[2m${key}=\x1b[22m${visible(text)}`;
    },
  );
  return `\x1b[2m${at.slice(11, 19)}\x1b[0m ${COLOURS[level]}${type.replaceAll("_", " ")}\x1b[0m ${
    fields.join(" ")
  }\n`;
}

// deno-lint-ignore no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** Strangers' names must not move the cursor of whoever reads the log. */
function visible(text: string): string {
  return text.replace(CONTROL, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.stack ?? String(error) : String(error);
}
