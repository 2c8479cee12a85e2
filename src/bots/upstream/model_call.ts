/**
 * One question to a model API, from the first attempt to the last word of the answer.
 *
 * A failure before the first word is retried, after growing pauses or after the pause that the API
 * asks for. A failure after it ends the answer, because half an answer cannot be taken back. An
 * answer is complete only with the API's own end marker.
 */
import { backoffMs } from "../../core/backoff.ts";
import { createParser } from "eventsource-parser";
import type { Clock } from "../../core/clock.ts";
import { asNexusError } from "../../core/error.ts";
import type { Sink } from "../../core/link.ts";
import type { Usage } from "../../core/message.ts";
import { onAbort } from "./abort.ts";
import { type ApiError, apiErrorOf, worthRepeating } from "./api_error.ts";
import type { CallFailure, CallOutcome } from "./call_outcome.ts";
import type { AnswerHandler, Dialect } from "./dialect.ts";
import {
  ConnectionError,
  type HttpClient,
  type HttpRequest,
  type HttpResponse,
} from "./http/client.ts";
import { firstText, readAll, retryAfterMs } from "./response.ts";
import type { UpstreamSettings } from "./settings.ts";

export interface ModelCallParts {
  readonly clock: Clock;
  readonly http: HttpClient;
  /** A number from 0 up to 1. */
  readonly random: () => number;
  readonly dialect: Dialect;
  readonly settings: UpstreamSettings;
  readonly sink: Sink;
  /** Removes secrets from a text that people may see. */
  readonly redact: (text: string) => string;
}

/** How one attempt failed. */
interface AttemptFailure extends ApiError {
  /** The same bot may be asked again, as long as the answer has not begun. */
  readonly mayRepeat: boolean;
  /** Milliseconds that the API asks to wait. */
  readonly waitMs?: number;
  /** It does not count as an attempt: the server had closed an idle connection. */
  readonly isStale?: boolean;
}

/**
 * The longest pause before another attempt. If the API asks for more, another bot, or a clear
 * error, serves the person better.
 */
const MAX_WAIT_MS = 8_000;

/** The pauses between the repeats of a call. */
const BACKOFF = { first: 400, max: Infinity };

/**
 * UTF-16 units of an answer in one piece, and of one event of a stream. A reply's own cap is
 * 20 MiB.
 */
const MAX_WHOLE_UNITS = 32 << 20;

/** UTF-16 units of an error's body that are read. */
const MAX_ERROR_UNITS = 64 << 10;

/** How long the API may take to end its body after the end marker before the socket is closed. */
const DRAIN_TIMEOUT_MS = 500;

/**
 * An answer in one piece gives no sign of life; ten minutes is how long the providers' own SDKs
 * wait.
 */
const WHOLE_TIMEOUT_MS = 600_000;

type Piece = readonly [kind: "text" | "reasoning" | "image", content: string];

export class ModelCall implements AnswerHandler {
  readonly #parts: ModelCallParts;
  /** Ends everything. */
  readonly #stop = new AbortController();
  /** Ends the current attempt. */
  #attempt: AbortController | undefined;
  #timeout: string | undefined;
  #hasBegun = false;
  #finish: string | undefined;
  #isComplete = false;
  #error: ApiError | undefined;
  #usage: Partial<Usage> = {};
  #heardAt: number;
  #attemptedAt: number;
  #isWhole = false;
  #units = 0;
  #kind: Piece[0] = "text";
  #waiting: string[] = [];

  constructor(parts: ModelCallParts) {
    this.#parts = parts;
    this.#heardAt = this.#attemptedAt = parts.clock.now();
  }

  /** Cancels the call: the socket is closed, and nothing more reaches the sink. */
  stop(): void {
    this.#stop.abort();
    this.#attempt?.abort();
  }

  /** Aborts when the call is cancelled. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * Checks the timeouts. The owner of the calls does so now and then, because a timer per delta
   * would cost more than the delta.
   */
  checkTimeouts(now: number): void {
    if (this.#attempt === undefined || this.#attempt.signal.aborted) return;
    const { firstTimeout, stallTimeout } = this.#parts.settings;
    if (this.#isWhole) {
      const limit = Math.max(firstTimeout, WHOLE_TIMEOUT_MS);
      if (now - this.#attemptedAt < limit) this.#parts.sink.alive();
      else this.#timeOut("the model API did not answer in time");
    } else if (!this.#hasBegun) {
      if (now - this.#attemptedAt >= firstTimeout) {
        this.#timeOut("the model API did not answer in time");
      }
    } else if (now - this.#heardAt >= stallTimeout) {
      const seconds = Math.round(stallTimeout / 1000);
      this.#timeOut(`the model API fell silent for ${seconds} s in the middle of the answer`);
    }
  }

  #timeOut(why: string): void {
    this.#timeout = why;
    this.#attempt?.abort();
  }

  /**
   * Asks, and asks again where that may help. Never rejects.
   *
   * @param request builds the request of each attempt anew: the key may have changed
   * @param isWhole whether the answer shall come in one piece
   */
  async run(request: () => Omit<HttpRequest, "signal">, isWhole: boolean): Promise<CallOutcome> {
    const { settings, sink, random } = this.#parts;
    for (let attempts = 1;;) {
      this.#isWhole = isWhole;
      const failure = await this.#once(request);
      if (this.signal.aborted) return this.#outcome({ status: "cancelled" });
      if (!failure) return this.#outcome({ status: "done", finish: this.#finish });
      const pause = failure.waitMs ?? backoffMs(BACKOFF, attempts - 1, random());
      const mayRepeat = failure.mayRepeat && !this.#hasBegun;
      if (mayRepeat && failure.isStale) continue;
      if (!mayRepeat || attempts >= settings.tries || pause > MAX_WAIT_MS) {
        return this.#outcome({ status: "failed", failure: this.#failureOf(failure) });
      }
      attempts++;
      sink.alive();
      await this.#pause(pause);
      if (this.signal.aborted) return this.#outcome({ status: "cancelled" });
    }
  }

  #outcome<T>(end: T): T & Pick<CallOutcome, "usage" | "units"> {
    return { ...end, usage: this.#usage, units: this.#units };
  }

  #failureOf({ code, detail, retryable, reason, waitMs }: AttemptFailure): CallFailure {
    return {
      code,
      detail: this.#parts.redact(detail),
      retryable,
      retryAfter: waitMs === undefined ? undefined : Math.ceil(waitMs / 1000),
      reason,
      isPartial: this.#hasBegun,
    };
  }

  /** Resolves after so many milliseconds, or when the call is cancelled. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const stopListening = onAbort(this.signal, () => {
        stopTimer();
        resolve();
      });
      const stopTimer = this.#parts.clock.after(ms, () => {
        stopListening();
        resolve();
      });
    });
  }

  /** One attempt; `undefined`: the answer is complete. */
  async #once(
    request: () => Omit<HttpRequest, "signal">,
  ): Promise<AttemptFailure | undefined> {
    const { signal } = this.#attempt = new AbortController();
    this.#attemptedAt = this.#heardAt = this.#parts.clock.now();
    this.#error = this.#timeout = this.#finish = undefined;
    this.#isComplete = false;
    let response: HttpResponse | undefined;
    try {
      response = await this.#parts.http.request({ ...request(), signal });
      if (response.status < 200 || response.status > 299) return await this.#onRefusal(response);
      await this.#readAnswer(response);
      this.#flush();
      return this.#judge(response);
    } catch (error) {
      this.#flush();
      // The answer is complete; what fails after the end marker does no harm.
      return this.#isComplete ? undefined : this.#failureFrom(error);
    } finally {
      if (!this.#isComplete) response?.close();
    }
  }

  async #readAnswer(response: HttpResponse): Promise<void> {
    const first = await firstText(response);
    // Some servers stream although nobody asked for it, or the reverse; not all say so in the
    // content type.
    if (first?.startsWith("{")) {
      this.#readWhole(first + await readAll(response, MAX_WHOLE_UNITS));
    } else if (first !== undefined) await this.#readEvents(response, first);
  }

  /** Whether the answer that was read is complete, and what is wrong with it otherwise. */
  #judge(response: HttpResponse): AttemptFailure | undefined {
    if (this.#error) return { ...this.#error, mayRepeat: this.#error.retryable };
    if (this.#isComplete) return void this.#drain(response);
    if (this.#finish !== undefined && this.#parts.settings.endMarker === "optional") {
      return undefined;
    }
    return connectionFailure("the model API ended the answer without its end marker");
  }

  #failureFrom(error: unknown): AttemptFailure {
    if (this.#timeout) return connectionFailure(this.#timeout);
    if (error instanceof ConnectionError) {
      return {
        ...connectionFailure(`the model API: ${error.message}`),
        isStale: error.isStale,
      };
    }
    if (error instanceof SyntaxError) {
      return connectionFailure("the model API sent something that cannot be read");
    }
    const { code, detail } = asNexusError(error);
    return {
      code: code === "internal" ? "bot_failed" : code,
      detail: detail ?? "calling the model API failed",
      retryable: true,
      mayRepeat: false,
    };
  }

  async #onRefusal(response: HttpResponse): Promise<AttemptFailure> {
    const body = await readAll(response, MAX_ERROR_UNITS).catch(() => "");
    return {
      ...apiErrorOf(response.status, body),
      mayRepeat: worthRepeating(response.status),
      waitMs: retryAfterMs(response, this.#parts.clock.now()),
    };
  }

  /** Reads an answer that came as one JSON text. After an error in it, none of it is passed on. */
  #readWhole(text: string): void {
    const pieces: Piece[] = [];
    this.#parts.dialect.whole(text, {
      say: (kind, content) => void pieces.push([kind, content]),
      count: (usage) => this.count(usage),
      finish: (reason) => this.finish(reason),
      end: () => this.end(),
      error: (error) => this.error(error),
    });
    if (this.#error) return;
    for (const [kind, content] of pieces) this.say(kind, content);
  }

  async #readEvents(response: HttpResponse, first: string): Promise<void> {
    const { dialect, clock, sink } = this.#parts;
    this.#isWhole = false;
    let isTooLarge = false;
    const parser = createParser({
      maxBufferSize: MAX_WHOLE_UNITS,
      onError: ({ type }) => isTooLarge ||= type === "max-buffer-size-exceeded",
      onEvent: ({ event, data }) => {
        if (!this.#isComplete && !this.#error) dialect.event(event, data, this);
      },
    });
    let text: string | undefined = first;
    while (!this.#isComplete && !this.#error) {
      text ??= await response.read();
      if (text === undefined) return;
      this.#heardAt = clock.now();
      parser.feed(text);
      if (isTooLarge) throw new ConnectionError("an event of the answer is too large");
      text = undefined;
      if (this.#waiting.length > 0) this.#flush();
      else sink.alive();
    }
  }

  /** Reads to the end of the body, so that the connection can serve again; not for long. */
  async #drain(response: HttpResponse): Promise<void> {
    if (response.ended) return;
    const stopTimer = this.#parts.clock.after(DRAIN_TIMEOUT_MS, () => response.close());
    const stopListening = onAbort(this.signal, () => response.close());
    try {
      while (await response.read() !== undefined) { /* nothing belongs after the end marker */ }
    } catch {
      response.close();
    } finally {
      stopTimer();
      stopListening();
    }
  }

  /* What the dialect reads. */

  say(kind: Piece[0], content: string): void {
    if (kind !== this.#kind) {
      this.#flush();
      this.#kind = kind;
    }
    this.#waiting.push(content);
    if (kind !== "image") this.#units += content.length;
  }

  /** Deltas that arrived in one read travel as one step. */
  #flush(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#hasBegun = true;
    const isWanted = this.#parts.sink.write(
      this.#kind,
      waiting.length === 1 ? waiting[0]! : waiting,
    );
    if (!isWanted) this.stop();
  }

  count(usage: Partial<Usage>): void {
    this.#usage = { ...this.#usage, ...usage };
  }

  finish(reason: string): void {
    this.#finish = reason;
  }

  end(): void {
    this.#isComplete = true;
  }

  error(error: ApiError): void {
    this.#error ??= error;
  }
}

function connectionFailure(detail: string): AttemptFailure {
  return { code: "bot_gone", detail, retryable: true, mayRepeat: true };
}
