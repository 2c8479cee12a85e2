/**
 * This is a turn's reply on its way to an OpenAI client: read from the log, cut at the client's stop words and length, written in a format.
 *
 * The rule of the house holds here above all: only a reply that ended `done` is closed the way a finished one is. Everything else ends with an error
 * that the client cannot mistake for an ending.
 */
import { estimateTokenCount } from "tokenx";
import type { Clock } from "../../core/clock.ts";
import { type Code, NexusError } from "../../core/error.ts";
import { Estimate } from "../../core/estimate.ts";
import type { Said, Usage, Wishes } from "../../core/message.ts";
import { mayRead } from "../../core/reach.ts";
import type { Turn } from "../../core/turn.ts";
import type { Beating, Pulse, Reader } from "../pulse.ts";
import { put } from "../sse.ts";
import { failureOf } from "./error.ts";
import { StopWords } from "./stop_words.ts";

/** Counts, and whether they are the model's own or an estimate. */
export interface Counted extends Usage {
  readonly estimated: boolean;
}

/** Why a whole answer stopped. */
export type Finish = "stop" | "length" | "content_filter";

/** One way to write an answer as events. Each method returns text for the stream, `""` for nothing. */
export interface Format {
  begin(turn: Turn): string;
  text(delta: string): string;
  reasoning(delta: string): string;
  image(url: string): string;
  /** The answer is whole. */
  end(finish: Finish, count: () => Counted): string;
  /** It is not. */
  fail(error: unknown): string;
}

export interface AnswerOptions {
  readonly format: Format;
  readonly pulse: Pulse;
  readonly reader: Reader;
  readonly said: readonly Said[];
  /** What the gateway itself must see to; asked for at the first word, when it is known who answers. */
  readonly cut: () => Cut;
  /** Stops the bot: it has said what was asked for. */
  readonly stop: () => void;
  /** The reader hung up before the end. */
  readonly onHangUp?: () => void;
  /** The answer was whole; its text as the client has it. */
  readonly onDone?: (text: string) => void;
}

/** Cuts an answer at stop words and at a length in tokens, by estimate. */
export class Cut {
  readonly #stops: StopWords | undefined;
  #left: number;

  constructor({ stop, maxTokens }: Pick<Wishes, "stop" | "maxTokens">) {
    this.#stops = stop?.length ? new StopWords(stop) : undefined;
    this.#left = maxTokens ?? Infinity;
  }

  /** Whether there is anything to cut at. */
  get idle(): boolean {
    return this.#stops === undefined && this.#left === Infinity;
  }

  /** What may go out of this delta, and why nothing may behind it. */
  take(delta: string): { text: string; finish?: Finish } {
    if (!this.#stops) return this.#measure(delta);
    const { text, stopped } = this.#stops.take(delta);
    return this.#measure(text, stopped ? "stop" : undefined);
  }

  /** What was held back and turned out to be no stop word. */
  rest(): { text: string; finish?: Finish } {
    return this.#measure(this.#stops?.rest() ?? "");
  }

  #measure(text: string, finish?: Finish): { text: string; finish?: Finish } {
    if (this.#left === Infinity) return { text, finish };
    let end = 0;
    for (const character of text) {
      if (this.#left < 0.01) return { text: text.slice(0, end), finish: "length" };
      // About four letters of an alphabet to a token, or three Chinese characters to two.
      this.#left -= character <= "\u02ff" ? 0.25 : 0.67;
      end += character.length;
    }
    return { text, finish };
  }
}

/** The answer as a stream of events. */
export function answerStream(turn: Turn, options: AnswerOptions): ReadableStream<Uint8Array> {
  return new ReadableStream(new AnswerSource(turn, options));
}

const encoder = new TextEncoder();
const SILENCE = encoder.encode(": \n\n");

/** Units that go out in one write at most. */
const WRITE = 256 * 1024;

class AnswerSource implements UnderlyingDefaultSource<Uint8Array>, Beating {
  wroteAt: number;
  readonly reader: Reader;
  readonly #turn: Turn;
  readonly #options: AnswerOptions;
  #bot: Turn["bot"];
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #index = 0;
  #cut: Cut | undefined;
  #begun = false;
  /** Whether any of the answer has gone out. */
  #said = false;
  #given: string[] = [];
  #over = false;
  #unwatch: () => void;

  constructor(turn: Turn, options: AnswerOptions) {
    this.#turn = turn;
    this.#options = options;
    this.reader = options.reader;
    this.wroteAt = options.pulse.now();
    this.#unwatch = turn.reply.watch(() => this.#woken());
    options.pulse.add(this);
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

  get hasRoom(): boolean {
    return this.#controller.desiredSize! > 0;
  }

  beat(): void {
    this.wroteAt = this.#options.pulse.now();
    put(this.#controller, SILENCE);
  }

  letGo(): void {
    this.#leave("cancelled");
  }

  /** The gateway goes away: the stream must not look finished. */
  end(): void {
    this.#fail("shutting_down");
  }

  expel(code: Code): void {
    this.#leave(code);
  }

  /** As if the reader had hung up. */
  #leave(code: Code): void {
    const running = !this.#over && !this.#turn.ending;
    this.#fail(code);
    if (running) this.#options.onHangUp?.();
  }

  #fail(code: Code): void {
    if (this.#over) return;
    this.#finish();
    put(this.#controller, encoder.encode(this.#options.format.fail(new NexusError(code))), true);
  }

  /** Writes what is new, if anything is. */
  #flush(): void {
    if (this.#over) return;
    const { reply, bot } = this.#turn;
    const { format } = this.#options;
    if (bot !== this.#bot) {
      // It may have moved to a bot that this reader's key is closed to.
      if (!mayRead(this.reader.reach, this.#turn.trace)) return this.expel("not_found");
      this.#bot = bot;
    }
    let text = "";
    if (!this.#begun) {
      text += format.begin(this.#turn);
      this.#begun = true;
    }
    let over = false, stop = false;
    let chunk = reply.chunk(this.#index);
    while (chunk && text.length < WRITE && !over) {
      this.#index++;
      switch (chunk.kind) {
        case "text": {
          const { text: delta, finish } = (this.#cut ??= this.#options.cut()).take(chunk.content);
          text += this.#tell(delta);
          if (finish) {
            text += this.#whole(finish);
            over = stop = true;
          }
          break;
        }
        case "reasoning":
          text += format.reasoning(chunk.content);
          this.#said = true;
          break;
        case "image":
          text += format.image(chunk.content);
          this.#said = true;
          break;
        case "replace":
          // Nobody can take back what an OpenAI client has been given.
          if (!this.#said) break;
          text += format.fail(new NexusError("bot_gone", "the answer was begun again by another bot"));
          over = stop = true;
      }
      chunk = reply.chunk(this.#index);
    }
    if (!over && !chunk && reply.ending && !this.#turn.unkept) {
      text += this.#last();
      over = true;
    }
    if (text === "") return;
    this.wroteAt = this.#options.pulse.now();
    // Enqueueing may call `pull` from inside, so nothing may be left to say by then.
    if (over) this.#finish();
    put(this.#controller, encoder.encode(text), over);
    // Last, because the turn that it ends wakes its readers.
    if (stop) this.#options.stop();
  }

  #tell(delta: string): string {
    if (delta === "") return "";
    this.#said = true;
    this.#given.push(delta);
    return this.#options.format.text(delta);
  }

  #last(): string {
    const ending = this.#turn.reply.ending!;
    if (ending.status !== "done") return this.#options.format.fail(failureOf(ending));
    const rest = this.#cut?.rest();
    return this.#tell(rest?.text ?? "") + this.#whole(rest?.finish ?? finishOf(this.#turn));
  }

  #whole(finish: Finish): string {
    const given = this.#given.join("");
    this.#options.onDone?.(given);
    return this.#options.format.end(finish, () => count(this.#turn, this.#options.said, given));
  }

  #finish(): void {
    this.#over = true;
    this.#unwatch();
    this.#options.pulse.remove(this);
  }
}

/** An answer in one piece. */
export interface Whole {
  readonly text: string;
  readonly reasoning: string;
  readonly images: readonly string[];
  readonly finish: Finish;
  readonly counted: Counted;
}

/** Waits for the whole answer. Throws how it failed, also where half of it came: half an answer is not one. */
export async function wholeAnswer(
  turn: Turn,
  said: readonly Said[],
  cutFor: () => Cut,
  stop: () => void,
): Promise<Whole> {
  const { reply } = turn;
  await reply.more(0);
  const cut = cutFor();
  let finish: Finish | undefined;
  let text = "";
  if (cut.idle) {
    await reply.ended();
    text = reply.text;
  } else {
    for (let index = 0; finish === undefined;) {
      const chunk = reply.chunk(index);
      if (!chunk) {
        if (reply.ending) break;
        await reply.more(reply.length);
        continue;
      }
      index++;
      if (chunk.kind === "replace") text = "";
      if (chunk.kind !== "text") continue;
      const taken = cut.take(chunk.content);
      text += taken.text;
      finish = taken.finish;
    }
    if (finish !== undefined) stop();
    else {
      const rest = cut.rest();
      text += rest.text;
      finish = rest.finish;
    }
  }
  if (turn.unkept) await turn.kept;
  const { ending } = reply;
  if (finish === undefined && ending!.status !== "done") throw failureOf(ending!);
  let reasoning = "";
  for (let index = 0; index < reply.count; index++) {
    const { kind, content } = reply.chunk(index)!;
    if (kind === "reasoning") reasoning += content;
    else if (kind === "replace") reasoning = "";
  }
  return {
    text,
    reasoning,
    images: reply.images,
    finish: finish ?? finishOf(turn),
    counted: count(turn, said, text),
  };
}

/** Resolves when the turn has said something or has ended, or after `ms`: until then a failure can still be a status. */
export function firstWord(turn: Turn, clock: Clock, ms: number): Promise<void> {
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

function finishOf({ facts }: Turn): Finish {
  return facts?.finish === "length" || facts?.finish === "content_filter" ? facts.finish : "stop";
}

/** What a picture counts as, about. */
const IMAGE_TOKENS = 1000;

function count(turn: Turn, said: readonly Said[], text: string): Counted {
  const { usage } = turn.facts ?? {};
  if (usage) return { ...usage, estimated: false };
  const outputTokens = new Estimate(estimateTokenCount).of(text);
  const input = new Estimate(estimateTokenCount);
  let inputTokens = 3;
  for (const { text, images } of said) inputTokens += 4 + input.of(text) + images.length * IMAGE_TOKENS;
  return { inputTokens, outputTokens, estimated: true };
}
