/**
 * Shows an answer that grows, by a method whose messages can be edited: one edit in flight, always
 * the newest text. A message is closed before the platform closes it, and when it is full; the
 * answer continues in a new one.
 */
import { sleep } from "../../core/sleep.ts";
import type { Turn } from "../../core/turn.ts";
import { cutAt, openFence, type TextCut } from "./cut.ts";
import type { DeliveryContext } from "./delivery_context.ts";
import { endsSentence, lastLine, waitingWords } from "./final_words.ts";
import type { LiveMethod, MessageRef } from "./platform.ts";
import { cutFor, fits, fitting } from "./text_fit.ts";
import { turnChange } from "./turn_change.ts";

/** The longest interval between edits, in milliseconds, at which a new queue position is shown. */
const QUEUE_POSITION_INTERVAL_MS = 3000;

/**
 * Milliseconds before the end of its lifetime at which a message is closed: edits may have to wait
 * for a permit.
 */
const CONTINUE_AHEAD_MS = 60_000;

export class LiveDelivery {
  readonly #context: DeliveryContext;
  #edits = 0;
  #lastEditAt = 0;
  #editing = true;
  /** The text that the open message shows; undefined where not all of it fitted. */
  #shown: string | undefined;
  #showsQueuePosition = false;
  /** Units written, and the queue position, when there was nothing new to show. */
  #unchangedAt: string | undefined;

  constructor(context: DeliveryContext) {
    this.#context = context;
  }

  /**
   * Makes one step: opens a message, or waits for the next edit and makes it. Returns `false` where
   * no method takes what is still to come, so that it waits for the end.
   */
  async step(turn: Turn, method: LiveMethod, ended: AbortSignal): Promise<boolean> {
    const { delivery, messages, parts: { clock } } = this.#context;
    const { progress } = delivery;
    if (progress.phase !== "live") {
      if (messages >= method.maxMessages) return this.#fallBack();
      await this.open(method, () => this.#currentText(turn, method));
      return true;
    }
    const end = progress.since + method.lifetime - CONTINUE_AHEAD_MS;
    await this.#editDue(turn, method, end, ended);
    if (turn.reply.ending) return true;
    const rest = this.#context.unshown(turn.reply.text);
    if (clock.now() >= end) {
      await this.#continueInNewMessage(
        method,
        progress.message,
        rest,
        cutAt(rest, method.maxBytes),
      );
    } else if (!fits(method, rest)) {
      await this.#continueInNewMessage(method, progress.message, rest, cutFor(method, rest));
    } else if (this.#editing) await this.#edit(turn, method, progress.message, ended);
    return true;
  }

  async open(method: LiveMethod, text: () => string): Promise<void> {
    const { delivery, parts: { save, onStep, clock } } = this.#context;
    const { progress } = delivery;
    delivery.method = method.name;
    if (progress.phase !== "opening") delivery.progress = { phase: "opening" };
    const id = `p${delivery.opened++}`;
    this.#context.messages++;
    await save();
    onStep?.("opening");
    const send = this.#context.options(id, "first");
    const opened = await this.#context.attempt(() =>
      method.open(() => method.render(text()), send)
    );
    if (opened.failure) {
      delivery.progress = { phase: "idle" };
      // After `exhausted`, the month's quota has no room for live methods; the final has a
      // reservation of its own.
      this.#fallBack();
      return await save();
    }
    delivery.progress = { phase: "live", message: opened.value, since: clock.now() };
    this.#edits = 0;
    this.#lastEditAt = clock.now();
    onStep?.("opened");
    await save();
  }

  async #edit(turn: Turn, method: LiveMethod, message: MessageRef, signal: AbortSignal) {
    const { delivery, parts: { clock, onStep, save } } = this.#context;
    const text = () => method.render(this.#currentText(turn, method));
    const id = `e${delivery.opened}.${delivery.tries}.${this.#edits}`;
    const send = this.#context.options(id, "edit", { signal });
    const done = await this.#context.attempt(() => method.edit(message, text, send));
    this.#edits++;
    this.#lastEditAt = clock.now();
    if (!done.failure) return onStep?.("edited");
    this.#shown = undefined;
    // A throttled or failed edit is no loss: the next one is newer.
    if (done.failure === "exhausted") this.#editing = false;
    if (done.failure !== "gone" && done.failure !== "refused") return;
    // The text in the message stays, and is repeated in a new one with all that follows.
    delivery.progress = { phase: "idle" };
    if (done.failure === "refused") {
      await this.#context.abandon(method, message);
      this.#fallBack();
    }
    await save();
  }

  /** Closes the message with the text before the cut; the rest continues in a new one. */
  async #continueInNewMessage(method: LiveMethod, message: MessageRef, rest: string, cut: TextCut) {
    const { delivery, parts: { save, onStep, words } } = this.#context;
    // A message at the end of its lifetime need not be full: it is cut after its last whole line.
    const at = cut.at < rest.length ? cut.at : lastLine(rest);
    const fence = cut.at < rest.length ? cut : openFence(rest.slice(0, at));
    const text = rest.slice(0, at) + fence.closing;
    const send = this.#context.options(`c${delivery.opened}`, "first");
    const closed = await this.#context.attempt(() =>
      method.close(message, method.render(text || words.thinking), send)
    );
    delivery.progress = { phase: "idle" };
    // Text that was certainly not shown there comes in the next message.
    if (closed.failure !== "gone" && closed.failure !== "refused") {
      delivery.shown += rest.slice(delivery.prefix.length, at);
      delivery.prefix = fence.opening;
    }
    this.#shown = this.#unchangedAt = undefined;
    onStep?.("continued");
    if (this.#context.messages >= method.maxMessages) this.#fallBack();
    await save();
  }

  /** Waits until there is something new and an edit is due, or until the message must be closed. */
  async #editDue(turn: Turn, method: LiveMethod, end: number, ended: AbortSignal) {
    const { clock } = this.#context.parts;
    const interval = this.#editing ? method.editInterval(this.#edits) : Infinity;
    await sleep(clock, Math.min(end, this.#lastEditAt + interval) - clock.now(), ended);
    while (!turn.reply.ending && clock.now() < end && !this.#hasNews(turn, method)) {
      await turnChange(turn, clock, end - clock.now());
    }
    if (turn.reply.ending || interval === 0 || interval === Infinity) return;
    await this.#sentenceEnd(turn, Math.min(end, this.#lastEditAt + interval * 1.5));
  }

  /** Waits for the end of the sentence, at most until `until`. */
  async #sentenceEnd({ reply }: Turn, until: number) {
    if (endsSentence(reply)) return;
    const { clock } = this.#context.parts;
    const enough = new AbortController();
    const stop = reply.watch(() => {
      if (reply.ending || endsSentence(reply)) enough.abort();
    });
    await sleep(clock, Math.max(0, until - clock.now()), enough.signal);
    stop();
  }

  #hasNews(turn: Turn, method: LiveMethod): boolean {
    const state = `${turn.reply.written} ${turn.queuePosition}`;
    if (state === this.#unchangedAt) return false;
    const text = this.#context.unshown(turn.reply.text);
    const hasNews = text === "" ? this.#waitChanged(turn, method) : text !== this.#shown;
    this.#unchangedAt = hasNews ? undefined : state;
    return hasNews;
  }

  /** Whether a message without an answer shows a state that is no longer true. */
  #waitChanged(turn: Turn, method: LiveMethod): boolean {
    const { delivery, parts: { words } } = this.#context;
    if (delivery.shown !== "" || waitingWords(turn, words) === this.#shown) return false;
    const isQueued = turn.queuePosition !== undefined;
    return isQueued !== this.#showsQueuePosition ||
      method.editInterval(this.#edits) <= QUEUE_POSITION_INTERVAL_MS;
  }

  /**
   * Returns the text for the message now: as much of the answer as fits, or why there is none yet.
   */
  #currentText(turn: Turn, method: LiveMethod): string {
    const { words } = this.#context.parts;
    const whole = this.#context.unshown(turn.reply.text) || waitingWords(turn, words);
    const text = fitting(method, whole);
    this.#showsQueuePosition = turn.queuePosition !== undefined;
    // The text that did not fit is news, even where the bot writes nothing more.
    this.#shown = text.length < whole.length ? undefined : whole;
    return text;
  }

  #fallBack(): boolean {
    const hasNext = this.#context.fallBack();
    if (!hasNext) this.#editing = false;
    return hasNext;
  }
}
