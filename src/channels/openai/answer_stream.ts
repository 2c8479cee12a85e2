/**
 * This is a turn's reply on its way to an OpenAI client: read from the log, cut at the client's
 * stop words and length, written in a format.
 *
 * The rule of the house holds here above all: only a reply that ended `done` is closed the way a
 * finished one is. Everything else ends with an error that the client cannot mistake for an ending.
 */
import type { Clock } from "../../core/clock.ts";
import { type ErrorCode, NexusError } from "../../core/error.ts";
import type { ChatMessage } from "../../core/message.ts";
import { mayRead } from "../../core/key_scope.ts";
import type { Ending } from "../../core/reply.ts";
import type { Turn } from "../../core/turn.ts";
import type { OpenStream, StreamReader, StreamRegistry } from "../http/stream_registry.ts";
import { type EventText, pieceOf } from "../http/text_pieces.ts";
import { enqueue } from "../http/event_stream.ts";
import { type AnswerUsage, count, finishReasonOf } from "./complete_answer.ts";
import type { FinishReason } from "./finish_reason.ts";
import { failureOf } from "./error.ts";
import type { OutputLimit } from "./output_limit.ts";

/**
 * One way to write an answer as events. Each method returns text for the stream, `""` for nothing;
 * what comes in pieces is taken to its end before the next method is called.
 */
export interface AnswerFormat {
  begin(turn: Turn): string;
  text(delta: string): EventText;
  reasoning(delta: string): EventText;
  image(url: string): EventText;
  /** The answer is whole. */
  end(finish: FinishReason, count: () => AnswerUsage): EventText;
  /** It is not. */
  fail(error: unknown): string;
}

export interface AnswerOptions {
  readonly format: AnswerFormat;
  readonly streams: StreamRegistry;
  readonly reader: StreamReader;
  readonly messages: readonly ChatMessage[];
  /**
   * What the gateway itself must see to; asked for at the first word, when it is known who answers.
   */
  readonly cut: () => OutputLimit;
  /** Stops the bot: it has said what was asked for. */
  readonly stop: () => void;
  /** The reader hung up before the end. */
  readonly onHangUp?: () => void;
  /** The answer was whole; its text as the client has it. */
  readonly onDone?: (text: string) => void;
}

/** The answer as a stream of events. */
export function answerStream(turn: Turn, options: AnswerOptions): ReadableStream<Uint8Array> {
  return new ReadableStream(new AnswerSource(turn, options));
}

const encoder = new TextEncoder();
const HEARTBEAT = encoder.encode(": \n\n");

/** Units that go out in one write at most. */
const MAX_WRITE_UNITS = 256 * 1024;

class AnswerSource implements UnderlyingDefaultSource<Uint8Array>, OpenStream {
  wroteAt: number;
  readonly reader: StreamReader;
  readonly #turn: Turn;
  readonly #options: AnswerOptions;
  #bot: Turn["bot"];
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #index = 0;
  /** Units of that chunk that have been read. */
  #at = 0;
  /** What is still to be written of something that comes in pieces. */
  #rest: Iterator<string, void> | undefined;
  /** Set once everything is read: the answer is at its end, or was cut and the bot is to stop. */
  #last: "end" | "stop" | undefined;
  #cut: OutputLimit | undefined;
  #begun = false;
  /** Whether any of the answer has gone out. */
  #messages = false;
  #given: string[] = [];
  #over = false;
  #unwatch: () => void;

  constructor(turn: Turn, options: AnswerOptions) {
    this.#turn = turn;
    this.#options = options;
    this.reader = options.reader;
    this.wroteAt = options.streams.now();
    this.#unwatch = turn.reply.watch(() => this.#woken());
    options.streams.add(this);
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
  }

  pull(): void {
    this.#woken();
  }

  /** With no room the reader is behind: it pulls when it is ready, and gets all of it then. */
  #woken(): void {
    if (this.hasRoom) this.#flush();
  }

  cancel(): void {
    if (this.#over) return;
    this.#finish();
    if (!this.#turn.ending) this.#options.onHangUp?.();
  }

  readonly endsItself = true;

  get hasRoom(): boolean {
    return this.#controller.desiredSize! > 0;
  }

  heartbeat(): void {
    // In the middle of an event a comment would be part of it.
    if (this.#rest) return;
    this.wroteAt = this.#options.streams.now();
    enqueue(this.#controller, HEARTBEAT);
  }

  dropStalled(): void {
    this.#leave("cancelled");
  }

  /** The gateway goes away: the stream must not look finished. */
  end(): void {
    this.#fail("shutting_down");
  }

  revoke(code: ErrorCode): void {
    this.#leave(code);
  }

  /** As if the reader had hung up. */
  #leave(code: ErrorCode): void {
    const running = !this.#over && !this.#turn.ending;
    this.#fail(code);
    if (running) this.#options.onHangUp?.();
  }

  #fail(code: ErrorCode): void {
    if (this.#over) return;
    this.#finish();
    // An event that is cut is none, and nothing can follow it.
    const last = this.#rest
      ? undefined
      : encoder.encode(this.#options.format.fail(new NexusError(code)));
    enqueue(this.#controller, last, true);
  }

  /** Writes what is new, if anything is. */
  #flush(): void {
    if (this.#over) return;
    const { bot } = this.#turn;
    if (bot !== this.#bot) {
      // It may have moved to a bot that this reader's key is closed to.
      if (!mayRead(this.reader.reach, this.#turn.trace)) return this.revoke("not_found");
      this.#bot = bot;
    }
    const stopped = this.#last === "stop";
    let text = "";
    while (text.length < MAX_WRITE_UNITS) {
      const more = this.#rest ? this.#rest.next().value : this.#last ? undefined : this.#step();
      if (typeof more === "string") text += more;
      else if (this.#rest) this.#rest = undefined;
      else if (more) this.#rest = more[Symbol.iterator]();
      else break;
    }
    const over = this.#last !== undefined && !this.#rest;
    if (text === "" && !over) return;
    this.wroteAt = this.#options.streams.now();
    // Enqueueing may call `pull` from inside, so nothing may be left to say by then.
    if (over) this.#finish();
    enqueue(this.#controller, text === "" ? undefined : encoder.encode(text), over);
    // Last, because the turn that it ends wakes its readers.
    if (this.#last === "stop" && !stopped) this.#options.stop();
  }

  /** The next thing to say; nothing where the bot has said no more. */
  #step(): EventText | undefined {
    const { format } = this.#options;
    if (!this.#begun) {
      this.#begun = true;
      return format.begin(this.#turn);
    }
    const { reply } = this.#turn;
    const chunk = reply.chunk(this.#index);
    if (!chunk) {
      if (!reply.isSettled) return undefined;
      this.#last = "end";
      return this.#ending(reply.ending!);
    }
    const content = chunk.kind === "text" || chunk.kind === "reasoning"
      ? pieceOf(chunk.content, this.#at)
      : chunk.content;
    this.#at += content.length;
    if (this.#at >= chunk.content.length) {
      this.#index++;
      this.#at = 0;
    }
    switch (chunk.kind) {
      case "text": {
        const { text, finish } = (this.#cut ??= this.#options.cut()).take(content);
        if (finish === undefined) return this.#tell(text);
        this.#last = "stop";
        return this.#whole(text, finish);
      }
      case "reasoning":
        this.#messages = true;
        return format.reasoning(content);
      case "image":
        this.#messages = true;
        return format.image(content);
      case "replace":
        // Nobody can take back what an OpenAI client has been given.
        if (!this.#messages) return "";
        this.#last = "stop";
        return format.fail(new NexusError("bot_gone", "the answer was begun again by another bot"));
      default:
        return "";
    }
  }

  #tell(delta: string): EventText {
    if (delta === "") return "";
    this.#messages = true;
    this.#given.push(delta);
    return this.#options.format.text(delta);
  }

  #ending(ending: Ending): EventText {
    if (ending.status !== "done") return this.#options.format.fail(failureOf(ending));
    const rest = this.#cut?.rest();
    return this.#whole(rest?.text ?? "", rest?.finish ?? finishReasonOf(this.#turn));
  }

  /** The last words, and the end. */
  *#whole(last: string, finish: FinishReason): Generator<string, void> {
    yield* piecesIn(this.#tell(last));
    const given = this.#given.join("");
    this.#options.onDone?.(given);
    yield* piecesIn(
      this.#options.format.end(finish, () => count(this.#turn, this.#options.messages, given)),
    );
  }

  #finish(): void {
    this.#over = true;
    this.#unwatch();
    this.#options.streams.remove(this);
  }
}

function piecesIn(written: EventText): Iterable<string> {
  return typeof written === "string" ? [written] : written;
}

/**
 * Resolves when the turn has said something or has ended, or after `ms`: until then a failure can
 * still be a status.
 */
export function firstOutput(turn: Turn, clock: Clock, ms: number): Promise<void> {
  const { reply } = turn;
  if (reply.length > 0 || reply.ending) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      callOff();
      unwatch();
      resolve();
    };
    const unwatch = reply.watch(() => {
      if (reply.length > 0 || reply.ending) done();
    });
    const callOff = clock.after(ms, done);
  });
}
