/**
 * This is one question to a model API, from the first try to the last word.
 *
 * What can go wrong before the first word is tried again, with growing pauses or the one that the
 * API asks for; what goes wrong behind it is told as it is, because half an answer cannot be taken
 * back. An answer is whole only when the API's own end marker came.
 */
import { createParser } from "eventsource-parser";
import type { Clock } from "../../core/clock.ts";
import { asNexusError, type ErrorCode, isCausedByRequest } from "../../core/error.ts";
import type { Sink } from "../../core/link.ts";
import type { Usage } from "../../core/message.ts";
import type { UpstreamSettings } from "./settings.ts";
import type { AnswerHandler, Dialect } from "./dialect.ts";
import { type ApiError, apiErrorOf, worthRepeating } from "./fault.ts";
import { CancelToken } from "./halt.ts";
import { ConnectionError, type HttpClient, type HttpRequest, type HttpResponse } from "./http.ts";

export interface ModelCallParts {
  readonly clock: Clock;
  readonly http: HttpClient;
  /** A number from 0 up to 1. */
  readonly random: () => number;
  readonly dialect: Dialect;
  readonly settings: UpstreamSettings;
  readonly sink: Sink;
  /** Takes secrets out of a text that people may see. */
  readonly redact: (text: string) => string;
}

/** How a call ended, for the bot's own books. */
export interface ModelCallResult {
  /** Absent: well, called off, or the question's own fault. */
  readonly trouble?: {
    readonly code: ErrorCode;
    readonly detail: string;
    readonly retryAfter?: number;
  };
  readonly calledOff: boolean;
  /**
   * Tells the sink. Left to the caller, so that its books are right when the next question comes.
   */
  readonly tell: () => void;
  /** As the API counted; a field that it did not send is missing. */
  readonly usage: Partial<Usage>;
  /** UTF-16 units that it said. */
  readonly units: number;
}

/** What ended one try. */
interface CallFailure extends ApiError {
  /** The same bot may be asked again, if nothing was said yet. */
  readonly again: boolean;
  /** Milliseconds that the API asks to wait. */
  readonly wait?: number;
  /** Costs no try: a socket that had been closed in between. */
  readonly free?: boolean;
}

/**
 * A pause the API asks for is kept up to this, in milliseconds; past it another bot, or the person,
 * is better served by a clear answer.
 */
const MAX_WAIT = 8_000;

/** The first pause, doubled each time. */
const FIRST_PAUSE = 300;

/**
 * Units of an answer that comes in one piece, and of one event of a stream: the reply's own cap is
 * 20 MiB.
 */
const MAX_WHOLE = 32 << 20;

/** Units of an error's body that are looked at. */
const MAX_ERROR = 64 << 10;

/**
 * How long the API may take to end its body behind the end marker before the socket is given up, in
 * milliseconds.
 */
const LEAVE = 500;

/**
 * An answer in one piece gives no sign of life; ten minutes is what the providers' own SDKs wait.
 */
const WHOLE_TIMEOUT = 600_000;

export class ModelCall implements AnswerHandler {
  readonly #parts: ModelCallParts;
  /** Ends everything. */
  readonly #halt = new CancelToken();
  /** Ends the current try. */
  #try: CancelToken | undefined;
  #silent: string | undefined;
  #begun = false;
  #finish: string | undefined;
  #ended = false;
  #fault: ApiError | undefined;
  #usage: Partial<Usage> = {};
  #heardAt: number;
  #triedAt: number;
  #whole = false;
  #units = 0;
  #kind: "text" | "reasoning" | "image" = "text";
  #waiting: string[] = [];

  constructor(parts: ModelCallParts) {
    this.#parts = parts;
    this.#heardAt = this.#triedAt = parts.clock.now();
  }

  /** Calls it off: the socket is closed, nothing more is said. */
  stop(): void {
    this.#halt.halt();
    this.#try?.halt();
  }

  get halt(): CancelToken {
    return this.#halt;
  }

  /**
   * Looks at the clock; called now and then by whoever holds the calls, because a timer per delta
   * would cost more than the delta.
   */
  look(now: number): void {
    if (this.#try === undefined || this.#try.halted) return;
    const { firstTimeout, stallTimeout } = this.#parts.settings;
    if (this.#whole) {
      if (now - this.#triedAt < Math.max(firstTimeout, WHOLE_TIMEOUT)) this.#parts.sink.alive();
      else this.#fallSilent("the model API did not answer in time");
    } else if (!this.#begun) {
      if (now - this.#triedAt >= firstTimeout) {
        this.#fallSilent("the model API did not answer in time");
      }
    } else if (now - this.#heardAt >= stallTimeout) {
      this.#fallSilent(
        `the model API fell silent for ${
          Math.round(stallTimeout / 1000)
        } s in the middle of the answer`,
      );
    }
  }

  #fallSilent(why: string): void {
    this.#silent = why;
    this.#try?.halt();
  }

  /**
   * Asks, and asks again where that may help. `request` is put together anew for each try: the key
   * may have changed.
   */
  async run(request: () => Omit<HttpRequest, "halt">, whole: boolean): Promise<ModelCallResult> {
    const { settings, sink, clock, random } = this.#parts;
    for (let tries = 1;;) {
      this.#whole = whole;
      const trouble = await this.#once(request);
      if (this.#halt.halted) return this.#end(true);
      if (!trouble) {
        return this.#end(false, () => {
          sink.setMeta?.({ usage: wholeUsage(this.#usage), finish: this.#finish });
          sink.done();
        });
      }
      const pause = trouble.wait ?? FIRST_PAUSE * 2 ** (tries - 1) * (0.75 + random() / 2);
      const again = trouble.again && !this.#begun;
      if (again && trouble.free) continue;
      if (!again || tries >= settings.tries || pause > MAX_WAIT) {
        return this.#fail(trouble);
      }
      tries++;
      sink.alive();
      await this.#pause(clock, pause);
      if (this.#halt.halted) return this.#end(true);
    }
  }

  #fail({ code, detail: said, retryable, reason, wait }: CallFailure): ModelCallResult {
    const { sink, redact } = this.#parts;
    const detail = redact(said);
    const retryAfter = wait === undefined ? undefined : Math.ceil(wait / 1000);
    const tell = () => {
      // Begun and cut: what came may be gone on with. Begun and not to be passed on: it may not.
      if (this.#begun && code !== "answer_unsupported") sink.lost(detail);
      else sink.fail(code, detail, retryable, { retryAfter, reason, partial: this.#begun });
    };
    return this.#end(
      false,
      tell,
      isCausedByRequest(code) ? undefined : { code, detail, retryAfter },
    );
  }

  /** Waits, but not past a halt. */
  #pause(clock: Clock, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const over = this.#halt.on(() => {
        callOff();
        resolve();
      });
      const callOff = clock.after(ms, () => {
        over();
        resolve();
      });
    });
  }

  #end(calledOff: boolean, tell = () => {}, trouble?: ModelCallResult["trouble"]): ModelCallResult {
    return { calledOff, tell, trouble, usage: this.#usage, units: this.#units };
  }

  /** One try. Nothing where the answer is whole. */
  async #once(request: () => Omit<HttpRequest, "halt">): Promise<CallFailure | undefined> {
    this.#try = new CancelToken();
    this.#triedAt = this.#heardAt = this.#parts.clock.now();
    this.#fault = this.#silent = this.#finish = undefined;
    this.#ended = false;
    let answer: HttpResponse | undefined;
    try {
      answer = await this.#parts.http.request({ ...request(), halt: this.#try });
      if (answer.status < 200 || answer.status > 299) return await this.#refused(answer);
      const first = await firstText(answer);
      // Some servers stream although nobody asked for it, or the reverse; not all say so in the
      // content type.
      if (first?.startsWith("{")) this.#readWhole(first + await readAll(answer, MAX_WHOLE));
      else if (first !== undefined) await this.#readEvents(answer, first);
      this.#flush();
      if (this.#fault) {
        return { ...(this.#fault as ApiError), again: (this.#fault as ApiError).retryable };
      }
      if (this.#ended) return void this.#leave(answer);
      if (this.#finish !== undefined && this.#parts.settings.endMarker === "optional") {
        return undefined;
      }
      return broken("the model API ended the answer without its end marker");
    } catch (error) {
      this.#flush();
      // Everything had been said; what breaks behind the end marker harms nobody.
      if (this.#ended) return undefined;
      if (this.#silent) return broken(this.#silent);
      if (error instanceof ConnectionError) {
        return { ...broken(`the model API: ${error.message}`), free: error.stale };
      }
      if (error instanceof SyntaxError) {
        return broken("the model API sent something that cannot be read");
      }
      const { code, detail } = asNexusError(error);
      return {
        code: code === "internal" ? "bot_failed" : code,
        detail: detail ?? "calling the model API failed",
        retryable: true,
        again: false,
      };
    } finally {
      if (!this.#ended) answer?.close();
    }
  }

  async #refused(answer: HttpResponse): Promise<CallFailure> {
    const body = await readAll(answer, MAX_ERROR).catch(() => "");
    return {
      ...apiErrorOf(answer.status, body),
      again: worthRepeating(answer.status),
      wait: retryAfter(answer, this.#parts.clock.now()),
    };
  }

  /**
   * Reads an answer that came as one JSON text. Of one that cannot be passed on nothing is said.
   */
  #readWhole(text: string): void {
    const said: [kind: "text" | "reasoning" | "image", content: string][] = [];
    this.#parts.dialect.whole(text, {
      say: (kind, content) => void said.push([kind, content]),
      count: (usage) => this.count(usage),
      finish: (reason) => this.finish(reason),
      end: () => this.end(),
      error: (fault) => this.error(fault),
    });
    if (!this.#fault) { for (const [kind, content] of said) this.say(kind, content); }
  }

  async #readEvents(answer: HttpResponse, first: string): Promise<void> {
    const { dialect, clock, sink } = this.#parts;
    this.#whole = false;
    let isTooLarge = false;
    const parser = createParser({
      maxBufferSize: MAX_WHOLE,
      onError: ({ type }) => isTooLarge ||= type === "max-buffer-size-exceeded",
      onEvent: ({ event, data }) => {
        if (!this.#ended && !this.#fault) dialect.event(event, data, this);
      },
    });
    let text: string | undefined = first;
    while (!this.#ended && !this.#fault) {
      text ??= await answer.read();
      if (text === undefined) return;
      this.#heardAt = clock.now();
      parser.feed(text);
      if (isTooLarge) throw new ConnectionError("an event of the answer is too large");
      text = undefined;
      if (this.#waiting.length > 0) this.#flush();
      else sink.alive();
    }
  }

  /** Reads to the end of the body, so that the socket can serve again; not for long. */
  async #leave(answer: HttpResponse): Promise<void> {
    if (answer.ended) return;
    const giveUp = this.#parts.clock.after(LEAVE, () => answer.close());
    const over = this.#halt.on(() => answer.close());
    try {
      while (await answer.read() !== undefined) { /* nothing belongs behind the end marker */ }
    } catch {
      answer.close();
    } finally {
      giveUp();
      over();
    }
  }

  /*
   * ── what the dialect hears
   * ────────────────────────────────────────────────────────────────────────────────────────
   */

  say(kind: "text" | "reasoning" | "image", content: string): void {
    if (kind !== this.#kind) {
      this.#flush();
      this.#kind = kind;
    }
    this.#waiting.push(content);
    if (kind !== "image") this.#units += content.length;
  }

  /** Deltas that came in one read travel as one step. */
  #flush(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#begun = true;
    if (!this.#parts.sink.write(this.#kind, waiting.length === 1 ? waiting[0]! : waiting)) {
      this.stop();
    }
  }

  count(usage: Partial<Usage>): void {
    this.#usage = { ...this.#usage, ...usage };
  }

  finish(reason: string): void {
    this.#finish = reason;
  }

  end(): void {
    this.#ended = true;
  }

  error(fault: ApiError): void {
    this.#fault ??= fault;
  }
}

function broken(detail: string): CallFailure {
  const code: ErrorCode = "bot_gone";
  return { code, detail, retryable: true, again: true };
}

function wholeUsage({ inputTokens, outputTokens, ...details }: Partial<Usage>): Usage | undefined {
  if (inputTokens === undefined || outputTokens === undefined) return undefined;
  return { inputTokens, outputTokens, ...details };
}

/**
 * `retry-after-ms` (OpenAI) or `Retry-After` as seconds or a date (RFC 9110, 10.2.3), in
 * milliseconds.
 */
function retryAfter(answer: HttpResponse, now: number): number | undefined {
  const exact = Number(answer.header("retry-after-ms") ?? NaN);
  if (exact >= 0) return exact;
  const text = answer.header("retry-after");
  if (text === undefined || text === "") return undefined;
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** The beginning of a body, from the first unit on that is no white space. */
async function firstText(answer: HttpResponse): Promise<string | undefined> {
  while (true) {
    const text = await answer.read();
    const trimmed = text?.replace(/^[\s\ufeff]+/, "");
    if (trimmed !== "") return trimmed;
  }
}

async function readAll(answer: HttpResponse, max: number): Promise<string> {
  let all = "";
  while (true) {
    const text = await answer.read();
    if (text === undefined) return all;
    all += text;
    if (all.length > max) throw new ConnectionError("the answer is too large");
  }
}
