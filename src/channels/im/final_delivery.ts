/**
 * Sends the complete answer: its parts, each at most one message long, then the attachments that no
 * part carries. The parts are stored before the first is sent.
 */
import { yieldToEventLoop } from "../../core/yield.ts";
import type { Ending } from "../../core/reply.ts";
import { type Attachment, attachmentOf, formOf, sizeWords } from "./attachment.ts";
import { byteLength } from "./cut.ts";
import type { FinalPart, FinalProgress } from "./delivery.ts";
import type { CallOutcome, DeliveryContext } from "./delivery_context.ts";
import { finalWords } from "./final_words.ts";
import type { DeliveryMethod, MessageRef } from "./platform.ts";
import { cutFor, fits, RENDER_FACTOR } from "./text_fit.ts";

/** Units of an answer that are cut into parts before other work gets its turn. */
const UNITS_PER_YIELD = 64_000;

export class FinalDelivery {
  readonly #context: DeliveryContext;

  constructor(context: DeliveryContext) {
    this.#context = context;
  }

  /** Stores the complete answer, unless it is stored already, and sends what is not sent yet. */
  async finish(text: string, ending: Ending, images: readonly string[]): Promise<void> {
    const { delivery, parts: { save, onStep } } = this.#context;
    if (delivery.progress.phase !== "final") {
      delivery.progress = await this.#compose(text, ending, images);
      await save();
    }
    onStep?.("final_written");
    await this.send(false);
  }

  /** @param mayBeRepeat whether an earlier process may have sent the next part */
  async send(mayBeRepeat: boolean): Promise<void> {
    const { delivery, parts: { save, onStep } } = this.#context;
    const final = delivery.progress;
    if (final.phase !== "final") return;
    while (final.sent < final.parts.length) {
      const part = final.parts[final.sent]!;
      const { method, carried, sent } = await this.#sendPart(final, part, mayBeRepeat);
      if (sent.failure === "ambiguous" && !mayBeRepeat) {
        mayBeRepeat = true;
        continue;
      }
      mayBeRepeat = false;
      if (sent.failure) {
        await this.#fallBack(final, part, method, sent);
        continue;
      }
      onStep?.("part_sent");
      final.sent++;
      final.images = final.images.filter((url) => !carried.includes(url));
      await save();
      onStep?.("part_recorded");
    }
    await this.#sendImages(final);
    this.#context.releaseReservation();
  }

  async #compose(
    text: string,
    ending: Ending,
    images: readonly string[],
  ): Promise<FinalProgress> {
    const { delivery, parts: { words } } = this.#context;
    const { progress } = delivery;
    const { sendable, lines } = this.#sort(images);
    const whole = [text.trimEnd(), ...lines].filter(Boolean).join("\n\n");
    const answer = finalWords(whole, ending, sendable.length > 0, words);
    const noted = [answer, ...delivery.notes ?? []].join("\n\n");
    const message = progress.phase === "live" ? progress.message : undefined;
    const parts = this.#clip(await this.#split(this.#context.unshown(noted), message, "f"));
    return { phase: "final", parts, sent: 0, images: sendable, imagesSent: 0 };
  }

  /** Returns the attachments that can be shown here, and a line for each that cannot. */
  #sort(urls: readonly string[]): { sendable: string[]; lines: string[] } {
    const { platform, words } = this.#context.parts;
    const { carries } = this.#context.method;
    const sendable: string[] = [], lines: string[] = [];
    let room = carries?.most ?? 0;
    for (const url of urls) {
      const attachment = attachmentOf(url);
      if (!attachment) continue;
      if (carries?.fits(attachment) && room-- > 0) sendable.push(url);
      else if (formOf(attachment, platform.accepts)) sendable.push(url);
      else lines.push(words.notSent(attachment.name, sizeWords(attachment.size)));
    }
    return { sendable, lines };
  }

  /**
   * Splits the answer into parts that fit the method in use; the first replaces the open `message`.
   */
  async #split(
    text: string,
    message: MessageRef | undefined,
    prefix: string,
  ): Promise<FinalPart[]> {
    const { methods, current } = this.#context;
    const parts: FinalPart[] = [];
    for (let from = 0, opening = "", yieldedAt = 0;;) {
      if (from - yieldedAt > UNITS_PER_YIELD) {
        await yieldToEventLoop();
        yieldedAt = from;
      }
      const replaced = parts.length === 0 ? message : undefined;
      // A method of few messages has one for the answer that it began; the next takes the rest.
      const method = methods[replaced === undefined ? this.#indexFor(parts.length) : current]!;
      const add = (text: string) =>
        parts.push({
          text,
          method: method.name,
          message: replaced,
          id: `${prefix}${parts.length}`,
        });
      // One unit more than is rendered shows that there is more.
      const rest = opening + text.slice(from, from + RENDER_FACTOR * method.maxBytes + 1);
      if (fits(method, rest)) {
        add(rest);
        return parts;
      }
      const cut = cutFor(method, rest);
      add(rest.slice(0, cut.at) + cut.closing);
      from += cut.at - opening.length;
      opening = cut.opening;
    }
  }

  /** Returns the index of the method for a new message after `count` others. */
  #indexFor(count: number): number {
    const { method, methods, messages, current } = this.#context;
    const hasRoom = messages + count < method.maxMessages || current + 1 >= methods.length;
    return hasRoom ? current : current + 1;
  }

  /**
   * Clips an answer that is longer than the last method's messages can be, and says so in it: a
   * part without a message would be lost in silence.
   */
  #clip(parts: FinalPart[]): FinalPart[] {
    const method = this.#context.methods.at(-1)!;
    const own = parts.filter((part) => part.method === method.name);
    if (own.length <= method.maxMessages) return parts;
    const last = own[method.maxMessages - 1]!;
    const note = `\n\n${this.#context.parts.words.tooLong}`;
    const { at, closing } = cutFor(method, last.text, method.maxBytes - byteLength(note));
    const end = fits(method, last.text + note) ? last.text : last.text.slice(0, at) + closing;
    return [...parts.slice(0, parts.indexOf(last)), { ...last, text: end + note }];
  }

  async #sendPart(final: FinalProgress, part: FinalPart, mayBeRepeat: boolean) {
    const { methods, parts: { words } } = this.#context;
    const method = methods[this.#indexOf(part)]!;
    const message = method.live ? part.message : undefined;
    const isMarked = mayBeRepeat && !method.repeatable && message === undefined;
    const text = (isMarked ? `${words.maybeAgain}\n\n` : "") + method.render(part.text);
    const isLast = final.sent === final.parts.length - 1;
    const carried = isLast ? carriedBy(method, final.images) : [];
    const send = {
      ...this.#context.options(part.id, "final", { isWhole: true }),
      images: carried.map((url) => attachmentOf(url)!),
    };
    const sent: CallOutcome<unknown> = await this.#context.attempt<unknown>(() =>
      method.live && message !== undefined
        ? method.close(message, text, send)
        : method.open(() => text, send)
    );
    return { method, carried, sent };
  }

  #indexOf({ method }: FinalPart): number {
    return Math.max(0, this.#context.methods.findIndex(({ name }) => name === method));
  }

  /**
   * Splits a part that failed anew for the next method. Throws the failure where there is none, or
   * where a later try may succeed.
   */
  async #fallBack(
    final: FinalProgress,
    part: FinalPart,
    method: DeliveryMethod,
    { failure, error }: CallOutcome<unknown> & { failure: string },
  ) {
    const next = this.#indexOf(part) + 1;
    const isTemporary = failure === "unavailable" || failure === "dropped";
    if (isTemporary || next >= this.#context.methods.length) throw error;
    this.#context.use(next);
    const fresh = await this.#split(part.text, undefined, `${part.id}.`);
    if (method.live && part.message !== undefined && failure === "refused") {
      await this.#context.abandon(method, part.message);
    }
    final.parts = this.#clip(final.parts.toSpliced(final.sent, 1, ...fresh));
    await this.#context.parts.save();
  }

  async #sendImages(final: FinalProgress) {
    const { save, onStep } = this.#context.parts;
    while (final.imagesSent < final.images.length) {
      await this.#attach(attachmentOf(final.images[final.imagesSent]!)!, final.imagesSent);
      final.checkpoint = undefined;
      final.imagesSent++;
      await save();
      onStep?.("images_sent");
    }
  }

  /**
   * Sends an attachment. One that the platform rejects does not hold up the answer: a line says
   * that it is missing.
   */
  async #attach(attachment: Attachment, n: number) {
    const { methods, delivery, parts: { platform, words } } = this.#context;
    const form = formOf(attachment, platform.accepts);
    if (form) {
      const send = this.#context.options(`i${n}`, "final", { isWhole: true });
      const sent = await this.#context.attempt(() =>
        platform.attach(delivery.incoming, attachment, form, send)
      );
      // After an ambiguous failure the attachment may be there, so the line could be wrong.
      if (!sent.failure || sent.failure === "ambiguous") return;
    }
    const last = methods.at(-1)!;
    if (last.live) return;
    const line = words.notSent(attachment.name, sizeWords(attachment.size));
    const send = this.#context.options(`n${n}`, "final", { isWhole: true });
    await this.#context.attempt(() => last.open(() => last.render(line), send));
  }
}

/** The attachments that the last part carries. */
function carriedBy({ carries }: DeliveryMethod, urls: readonly string[]): string[] {
  if (!carries) return [];
  return urls.filter((url) => carries.fits(attachmentOf(url)!)).slice(0, carries.most);
}
