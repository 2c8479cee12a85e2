/**
 * The writer of one delivery: it reads the reply's log, shows the answer on the platform while it
 * grows, and ends with exactly one visible final, whichever process dies in between. When a method
 * fails, the writer falls back to the next. What a restart must know is in the
 * {@linkcode Delivery}, which is stored before each step that it describes.
 */
import { sleep } from "../../core/sleep.ts";
import type { Turn } from "../../core/turn.ts";
import { DeliveryContext, type DeliveryWriterParts } from "./delivery_context.ts";
import { FinalDelivery } from "./final_delivery.ts";
import { LiveDelivery } from "./live_delivery.ts";
import { StaticDelivery } from "./static_delivery.ts";

export type { DeliveryWriterParts } from "./delivery_context.ts";

/**
 * Milliseconds until the chat must show a sign of work: with a call of one second it shows within
 * three.
 */
const FIRST_SIGN_MS = 1000;

export class DeliveryWriter {
  readonly #context: DeliveryContext;
  readonly #live: LiveDelivery;
  readonly #static: StaticDelivery;
  readonly #final: FinalDelivery;

  constructor(parts: DeliveryWriterParts) {
    this.#context = new DeliveryContext(parts);
    this.#live = new LiveDelivery(this.#context);
    this.#static = new StaticDelivery(this.#context);
    this.#final = new FinalDelivery(this.#context);
  }

  /**
   * Shows the turn until it has ended, then its final. Throws a `PlatformError` where no method
   * showed the final.
   */
  async run(turn: Turn): Promise<void> {
    const { reply } = turn;
    await this.#context.begin();
    const ended = new AbortController();
    const stop = reply.watch(() => reply.ending && ended.abort());
    if (reply.ending) ended.abort();
    try {
      await this.#static.resumePiece();
      if (this.#context.delivery.progress.phase !== "final") await this.#show(turn, ended.signal);
    } finally {
      stop();
    }
    const ending = await reply.ended();
    await this.#finish(reply.text, ending, reply.images);
  }

  /**
   * Waits for work that must be done before the bot can be asked, such as fetching an image. Where
   * that takes longer than a moment, the chat shows that somebody is working.
   */
  async meanwhile<T>(work: Promise<T>): Promise<T> {
    const { delivery, parts: { clock, words } } = this.#context;
    const done = new AbortController();
    void work.then(() => done.abort(), () => done.abort());
    await sleep(clock, delivery.at + FIRST_SIGN_MS - clock.now(), done.signal);
    const { phase } = delivery.progress;
    if (done.signal.aborted || phase === "live" || phase === "final") return await work;
    await this.#context.begin();
    const { method } = this.#context;
    if (method.live) await this.#live.open(method, () => words.reading);
    else await this.#static.showPlaceholder(words.reading, method, done.signal);
    return await work;
  }

  /** Shows a text that is final from the start: a command's answer, an apology, a push. */
  async say(text: string, images: readonly string[] = []): Promise<void> {
    const { delivery, methods } = this.#context;
    const isNothingShown = methods.length === 0 && delivery.progress.phase !== "live" &&
      delivery.method === undefined;
    if (isNothingShown && delivery.purpose.kind === "answer") delivery.purpose = { kind: "notice" };
    await this.#context.begin();
    await this.#finish(text, { status: "done" }, images);
  }

  /** Sends the rest of a final that an earlier process stored. */
  async resume(): Promise<void> {
    await this.#context.begin();
    // A part is recorded only after it was sent, so the next part may have been sent before.
    await this.#final.send(true);
    await this.#static.endWorking();
  }

  async #show(turn: Turn, ended: AbortSignal): Promise<void> {
    while (!turn.reply.ending) {
      const { method } = this.#context;
      if (!method.live) return await this.#static.show(turn, method, ended);
      if (!await this.#live.step(turn, method, ended)) return void await turn.reply.ended();
    }
  }

  async #finish(...answer: Parameters<FinalDelivery["finish"]>): Promise<void> {
    await this.#final.finish(...answer);
    await this.#static.endWorking();
  }
}
