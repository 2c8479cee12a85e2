/**
 * Shows an answer by a method whose messages are final: first that the bot is working, where the
 * answer takes longer, then each piece of the answer that fills a message.
 */
import { sleep } from "../../core/sleep.ts";
import type { Reply } from "../../core/reply.ts";
import type { Turn } from "../../core/turn.ts";
import type { DeliveryContext } from "./delivery_context.ts";
import { waitingWords } from "./final_words.ts";
import type { StaticMethod } from "./platform.ts";
import { cutFor, sizeOf } from "./text_fit.ts";
import { turnChange } from "./turn_change.ts";

export class StaticDelivery {
  readonly #context: DeliveryContext;
  /** Units written when the text was last measured, and from which on it is measured again. */
  #measuredAt = 0;
  #measureAt = 0;

  constructor(context: DeliveryContext) {
    this.#context = context;
  }

  /** Shows the turn until it has ended. The rest of the answer is left to the final. */
  async show(turn: Turn, method: StaticMethod, ended: AbortSignal): Promise<void> {
    const { clock, words } = this.#context.parts;
    const { reply } = turn;
    const late = new AbortController();
    let isSilent = this.#isSilent(method);
    const patience = isSilent
      ? this.#placeholderDue(method, ended).then(() => late.abort())
      : undefined;
    const max = method.pieceBytes ?? method.maxBytes;
    while (!reply.ending) {
      const rest = this.#overflow(reply, method, max);
      if (rest !== undefined) {
        isSilent = false;
        // Without room for another message everything waits for the final.
        const isSent = method.maxMessages === Infinity && await this.#addPiece(method, rest, max);
        if (!isSent) await reply.ended();
      } else if (isSilent && late.signal.aborted) {
        isSilent = false;
        await this.#showPlaceholder(waitingWords(turn, words), method, ended);
      } else await turnChange(turn, clock, Infinity, late.signal);
    }
    await patience;
  }

  /** Shows `text` once the placeholder is due, unless `done` aborts before. */
  async showPlaceholder(text: string, method: StaticMethod, done: AbortSignal): Promise<void> {
    if (!this.#isSilent(method)) return;
    await this.#placeholderDue(method, done);
    if (!done.aborted) await this.#showPlaceholder(text, method, done);
  }

  /** Removes the button of the placeholder: after the answer it would do nothing. */
  async endWorking(): Promise<void> {
    const { methods, delivery, parts: { words, save } } = this.#context;
    const { working } = delivery;
    const method = methods.find(({ name }) => name === working?.method);
    if (!working || !method || method.live || !method.endWorking) return;
    const send = this.#context.options("unwait", "first");
    await this.#context.attempt(() => method.endWorking!(working.message, words.ended, send));
    delivery.working = undefined;
    await save();
  }

  /** Sends the stored piece, which an earlier process may have sent. */
  async resumePiece(): Promise<void> {
    await this.#sendPiece(this.#context.method, true);
  }

  #placeholderDue({ placeholderAfter }: StaticMethod, signal: AbortSignal): Promise<void> {
    const { delivery, parts: { clock } } = this.#context;
    return sleep(clock, delivery.at + placeholderAfter - clock.now(), signal);
  }

  /** Whether nothing was shown yet. Only the first process shows a placeholder. */
  #isSilent(method: StaticMethod): boolean {
    const { opened, tries } = this.#context.delivery;
    return opened === 0 && tries === 0 && method.placeholderAfter !== Infinity;
  }

  async #showPlaceholder(text: string, method: StaticMethod, signal: AbortSignal) {
    const { delivery, parts: { save } } = this.#context;
    delivery.opened++;
    await save();
    const send = this.#context.options("wait", "first", { signal });
    if (!method.showWorking) {
      return void await this.#context.attempt(() => method.open(() => text, send));
    }
    const shown = await this.#context.attempt(() => method.showWorking!(text, send));
    if (shown.failure) return;
    delivery.working = { method: method.name, message: shown.value };
    await save();
  }

  /**
   * Returns the unshown text once it no longer fits into `max` bytes. It is rendered only after it
   * may have grown enough: rendering it for each chunk would take time in the square of its length.
   */
  #overflow(reply: Reply, method: StaticMethod, max: number): string | undefined {
    const { written } = reply;
    // Another bot began anew.
    if (written < this.#measuredAt) this.#measureAt = 0;
    if (written < this.#measureAt) return undefined;
    const rest = this.#context.unshown(reply.text);
    const room = max - sizeOf(method, rest, max);
    this.#measuredAt = written;
    this.#measureAt = room < 0 ? 0 : written + Math.max(16, Math.floor(room / 6));
    return room < 0 ? rest : undefined;
  }

  /** Stores the next piece of the answer and sends it. Returns whether it was sent. */
  async #addPiece(method: StaticMethod, rest: string, max: number): Promise<boolean> {
    const { delivery, parts: { save } } = this.#context;
    const { at, closing, opening } = cutFor(method, rest, max);
    delivery.progress = {
      phase: "piece",
      text: rest.slice(0, at) + closing,
      id: `p${delivery.opened++}`,
      shown: delivery.shown + rest.slice(delivery.prefix.length, at),
      prefix: opening,
    };
    await save();
    return await this.#sendPiece(method, false);
  }

  async #sendPiece(method: DeliveryContext["method"], mayBeRepeat: boolean): Promise<boolean> {
    const { delivery, parts: { save, words, onStep } } = this.#context;
    if (delivery.progress.phase !== "piece") return true;
    const { text, id, shown, prefix } = delivery.progress;
    const options = this.#context.options(id, "first", { isWhole: true });
    const send = async (mayBeRepeat: boolean) => {
      const mark = mayBeRepeat && !method.repeatable ? `${words.maybeAgain}\n\n` : "";
      return await this.#context.attempt(() =>
        method.open(() => mark + method.render(text), options)
      );
    };
    let sent = await send(mayBeRepeat);
    if (sent.failure === "ambiguous" && !mayBeRepeat) sent = await send(true);
    onStep?.("piece_sent");
    delivery.progress = { phase: "idle" };
    // A piece that was not sent comes with the final.
    if (!sent.failure) Object.assign(delivery, { shown, prefix });
    await save();
    return !sent.failure;
  }
}
