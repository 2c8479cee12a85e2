/**
 * The writer of one answer: it reads the reply's log and shows it on a platform, one edit in
 * flight, always the newest snapshot, and in the end exactly one visible final, whatever dies in
 * between.
 *
 * It goes down the ladder of ways when one fails, closes a place before the platform does and goes
 * on in the next, and splits what is too long. Everything that a restart must know stands in the
 * {@linkcode Delivery}, which is written to the outbox before each step it describes.
 */
import type { Reservation, SendBudget } from "./send_budget.ts";
import { yieldToEventLoop } from "../../core/yield.ts";
import type { Clock } from "../../core/clock.ts";
import type { Ending, Reply } from "../../core/reply.ts";
import { sleep } from "../../core/sleep.ts";
import type { Json } from "../../core/store.ts";
import type { Turn } from "../../core/turn.ts";
import { type Attachment, attachmentOf, formOf, sizeWords } from "./attachment.ts";
import { byteLength, cutAt, openFence, type TextCut } from "./cut.ts";
import { endsSentence, finalWords, lastLine, waitingWords } from "./final_words.ts";
import { type Delivery, type DeliveryPart, type DeliveryStep, methodsFor } from "./delivery.ts";
import { type DeliveryMethod, type Platform, PlatformError, type SendOptions } from "./platform.ts";
import { tableAfter } from "./table.ts";
import type { Words } from "./words.ts";

export interface DeliveryWriterParts {
  readonly clock: Clock;
  readonly budget: SendBudget;
  readonly platform: Platform;
  readonly words: Words;
  readonly delivery: Delivery;
  /** Writes the job to the outbox. */
  readonly save: () => Promise<void>;
  /** Called when a step is done: nothing, or a test's crash. */
  readonly onStep?: (step: DeliveryStep) => void;
  /** Told what went wrong and was answered by another way. */
  readonly onError?: (error: PlatformError) => void;
}

/**
 * Milliseconds until something must stand in the chat: with a call of a second it is there within
 * three.
 */
const SIGN_AFTER = 1000;

/** Milliseconds between edits up to which a change of the place in line is worth one. */
const EDITS_ARE_FREE = 3000;

/**
 * Milliseconds before its end at which a place is closed and continued: edits that wait for a
 * permit must not be late.
 */
const ROLL_AHEAD = 60_000;

/** Units of an answer that are cut into parts without a pause. */
const AT_ONCE = 64_000;

/**
 * Units that are rendered to see whether they fit, as a multiple of the bytes that may be there:
 * marks take up most of a text at times.
 */
const WINDOW = 4;

export class DeliveryWriter {
  readonly #p: DeliveryWriterParts;
  #ways: readonly DeliveryMethod[] = [];
  #rung = 0;
  #n = 0;
  #places = 0;
  #edits = 0;
  #lastAt = 0;
  #editing = true;
  #shown: string | undefined;
  /** Whether it was shown that the question waits in line. */
  #shownInLine = false;
  /** Units written, and the place in line, when there was nothing new to show. */
  #dullAt: string | undefined;
  /**
   * Units written when the words were last rendered to see whether they fit, and from which on that
   * is worth while again.
   */
  #measuredAt = 0;
  #measureAt = 0;
  #reservation: Reservation | undefined;

  constructor(parts: DeliveryWriterParts) {
    this.#p = parts;
  }

  /**
   * Shows the turn until it has ended, then its final. Rejects with a `PlatformError` when no way
   * led there.
   */
  async run(turn: Turn): Promise<void> {
    const { delivery } = this.#p;
    await this.#begin();
    const ended = new AbortController();
    const stop = turn.reply.watch(() => turn.reply.ending && ended.abort());
    if (turn.reply.ending) ended.abort();
    try {
      if (delivery.piece) await this.#sendPiece(this.#way, true);
      if (!delivery.final) await this.#show(turn, ended.signal);
    } finally {
      stop();
    }
    const ending = await turn.reply.ended();
    await this.finish(turn.reply.text, ending, turn.reply.images);
  }

  /**
   * Waits for what must be known before the bot can be asked, such as a picture that is fetched.
   * Where that takes longer than a moment the chat shows that somebody is at work.
   */
  async meanwhile<T>(work: Promise<T>): Promise<T> {
    const { delivery, clock, words } = this.#p;
    const done = new AbortController();
    void work.then(() => done.abort(), () => done.abort());
    await sleep(clock, delivery.at + SIGN_AFTER - clock.now(), done.signal);
    if (done.signal.aborted || delivery.place !== undefined || delivery.final !== undefined) {
      return await work;
    }
    await this.#begin();
    const way = this.#way;
    if (way.live) await this.#open(() => words.reading, false);
    else if (this.#isSilent(way)) {
      await sleep(clock, delivery.at + way.placeholderAfter - clock.now(), done.signal);
      if (!done.signal.aborted) await this.#placeholder(words.reading, way, done.signal);
    }
    return await work;
  }

  /**
   * Shows a text that is final from the start: a command's answer, an apology, a push with its
   * images.
   */
  async say(text: string, images: readonly string[] = []): Promise<void> {
    const { delivery } = this.#p;
    if (this.#ways.length === 0 && delivery.place === undefined && delivery.way === undefined) {
      delivery.notice = true;
    }
    await this.#begin();
    await this.finish(text, { status: "done" }, images);
  }

  /** Sends what is left of a final that was written down before. */
  async resume(): Promise<void> {
    await this.#begin();
    // The part that comes next may have been sent: that it was is written down only afterwards.
    await this.#send(true);
  }

  async #begin() {
    const { platform, delivery, budget } = this.#p;
    if (this.#ways.length > 0) return;
    // The same place again, by the same id.
    if (delivery.opening && delivery.opened > 0) delivery.opened--;
    this.#ways = await methodsFor(platform, delivery);
    if (this.#ways.length === 0) {
      throw new PlatformError("refused", "no_way", "the app cannot speak first");
    }
    const known = this.#ways.findIndex((way) => way.name === delivery.way);
    this.#rung = Math.max(0, known);
    // A place of a way that is no longer on the ladder cannot be written any more.
    if (known < 0) delivery.place = undefined;
    this.#places = delivery.opened;
    if (
      !delivery.push &&
      (delivery.final === undefined || delivery.final.sent < delivery.final.parts.length)
    ) {
      this.#reservation = await budget.reserve(this.#way.finalPath);
    }
  }

  get #way(): DeliveryMethod {
    return this.#ways[this.#rung]!;
  }

  async #show(turn: Turn, ended: AbortSignal) {
    const { delivery, clock } = this.#p;
    const { reply } = turn;
    while (!reply.ending) {
      const way = this.#way;
      if (!way.live) return await this.#wait(turn, way, ended);
      if (!delivery.place) {
        if (this.#places >= way.maxMessages) {
          // Nothing below takes what is still to come: it waits for the end.
          if (!this.#down()) return void await reply.ended();
          continue;
        }
        await this.#open(() => this.#frame(turn, way), false);
        continue;
      }
      await this.#due(turn, way, delivery.place.at, ended);
      if (reply.ending) return;
      const rest = this.#rest(reply);
      if (clock.now() - delivery.place.at >= way.lifetime - ROLL_AHEAD) {
        await this.#roll(rest, cutAt(rest, way.maxBytes));
      } else if (!this.#fits(way, rest)) await this.#roll(rest, this.#cut(way, rest));
      else if (this.#editing) await this.#edit(turn, way, ended);
    }
  }

  /**
   * A way that cannot edit: says once that the bot is at work, where that takes longer, and each
   * piece of the answer when it is whole.
   */
  async #wait(turn: Turn, way: DeliveryMethod, ended: AbortSignal) {
    const { delivery } = this.#p;
    const { reply } = turn;
    const late = new AbortController();
    const silent = this.#isSilent(way);
    const left = delivery.at + way.placeholderAfter - this.#p.clock.now();
    const patience = silent
      ? sleep(this.#p.clock, left, ended).then(() => late.abort())
      : undefined;
    const most = way.pieceBytes ?? way.maxBytes;
    for (let waiting = silent; !reply.ending;) {
      const rest = this.#overflow(reply, way, most);
      if (rest === undefined) {
        if (waiting && late.signal.aborted) {
          waiting = false;
          await this.#placeholder(waitingWords(turn, this.#p.words), way, ended);
        } else await this.#next(turn, Infinity, late.signal);
        continue;
      }
      waiting = false;
      if (way.maxMessages !== Infinity) return void await reply.ended();
      const { at, closing, opening } = this.#cut(way, rest, most);
      const shown = delivery.shown + rest.slice(delivery.prefix.length, at);
      delivery.piece = {
        text: rest.slice(0, at) + closing,
        id: `p${delivery.opened++}`,
        shown,
        prefix: opening,
      };
      await this.#p.save();
      // What does not get through now comes with the final.
      if (!await this.#sendPiece(way, false)) await reply.ended();
    }
    await patience;
  }

  /**
   * The words of this place once they no longer fit into `most` bytes. They are rendered only when
   * they may have grown enough: rendering them for each chunk would take the square of their
   * length.
   */
  #overflow(reply: Reply, way: DeliveryMethod, most: number): string | undefined {
    const { written } = reply;
    // Another bot started over.
    if (written < this.#measuredAt) this.#measureAt = 0;
    if (written < this.#measureAt) return undefined;
    const rest = this.#rest(reply);
    const room = most - this.#size(way, rest, most);
    this.#measuredAt = written;
    this.#measureAt = room < 0 ? 0 : written + Math.max(16, Math.floor(room / 6));
    return room < 0 ? rest : undefined;
  }

  /**
   * Whether a way that cannot edit has still to say that somebody is at work, once and in the first
   * process only.
   */
  #isSilent(way: DeliveryMethod): boolean {
    const { opened, tries } = this.#p.delivery;
    return opened === 0 && tries === 0 && way.placeholderAfter !== Infinity;
  }

  async #placeholder(text: string, way: DeliveryMethod, needless: AbortSignal) {
    const { delivery, save } = this.#p;
    delivery.opened++;
    await save();
    const how = this.#how("wait", "first", needless);
    if (!way.showWorking) return void await this.#try(() => way.open(() => text, how));
    const shown = await this.#try(() => way.showWorking!(text, how));
    if (shown.trouble) return;
    delivery.waiting = { way: way.name, json: shown.value };
    await save();
  }

  /** The answer is there: the button beside "thinking" would do nothing any more. */
  async #endWait() {
    const { delivery, words, save } = this.#p;
    const waiting = delivery.waiting;
    const way = this.#ways.find(({ name }) => name === waiting?.way);
    if (!waiting || !way?.endWorking) return;
    await this.#try(() => way.endWorking!(waiting.json, words.ended, this.#how("unwait", "first")));
    delivery.waiting = undefined;
    await save();
  }

  /** Sends the piece that was written down. `again`: it may have been sent before. */
  async #sendPiece(way: DeliveryMethod, again: boolean): Promise<boolean> {
    const { delivery, save, words, onStep } = this.#p;
    const { text, id, shown, prefix } = delivery.piece!;
    const send = async (again: boolean) => {
      const mark = again && !way.repeatable ? `${words.maybeAgain}\n\n` : "";
      return await this.#try(() =>
        way.open(() => mark + way.render(text), this.#how(id, "first", undefined, true))
      );
    };
    let sent = await send(again);
    if (sent.trouble === "ambiguous" && !again) sent = await send(true);
    onStep?.("piece_sent");
    delivery.piece = undefined;
    if (!sent.trouble) Object.assign(delivery, { shown, prefix });
    await save();
    return !sent.trouble;
  }

  async #open(text: () => string, final: boolean): Promise<void> {
    const { delivery, save, onStep, clock } = this.#p;
    const way = this.#way;
    delivery.way = way.name;
    delivery.opening = true;
    const id = `p${delivery.opened++}`;
    this.#places++;
    await save();
    onStep?.("opening");
    const opened = await this.#try(() =>
      way.open(() => way.render(text()), this.#how(id, "first", undefined, final))
    );
    delivery.opening = false;
    delivery.half = undefined;
    if (opened.trouble) {
      // `exhausted` is the month's quota: no live way is worth it now, the final's own part is
      // kept.
      this.#down();
      return await save();
    }
    delivery.place = { json: opened.value, at: clock.now() };
    this.#edits = 0;
    this.#lastAt = clock.now();
    onStep?.("opened");
    await save();
  }

  async #edit(turn: Turn, way: DeliveryMethod, ended: AbortSignal) {
    const { delivery, clock, onStep, save } = this.#p;
    const text = () => way.render(this.#frame(turn, way));
    const done = await this.#try(() =>
      way.edit(
        delivery.place!.json,
        text,
        this.#how(`e${delivery.opened}.${delivery.tries}.${this.#edits}`, "edit", ended),
      )
    );
    this.#edits++;
    this.#lastAt = clock.now();
    if (!done.trouble) return onStep?.("edited");
    this.#shown = undefined;
    if (done.trouble === "gone" || done.trouble === "refused") {
      // What stands there stays; everything since then is said again in a new place.
      const { json } = delivery.place!;
      delivery.place = undefined;
      if (done.trouble === "refused") {
        await this.#leave(way, json);
        this.#down();
      }
      await save();
    } else if (done.trouble === "exhausted") this.#editing = false;
    // A throttled or failed edit is no loss: the next one is newer.
  }

  /** Closes the place with what comes before the cut and goes on with the rest in a new one. */
  async #roll(rest: string, cut: { at: number; closing: string; opening: string }) {
    const { delivery, save, onStep } = this.#p;
    const place = delivery.place!;
    // A life that ends: cut behind the last whole line, not at the size.
    const at = cut.at < rest.length ? cut.at : lastLine(rest);
    const open = cut.at < rest.length ? cut : openFence(rest.slice(0, at));
    const text = rest.slice(0, at) + open.closing;
    const way = this.#way;
    const closed = await this.#try(() =>
      way.close(
        place.json,
        way.render(text || this.#p.words.thinking),
        this.#how(`c${delivery.opened}`, "first"),
      )
    );
    delivery.place = undefined;
    // What was certainly not shown there comes in the next place.
    if (closed.trouble !== "gone" && closed.trouble !== "refused") {
      delivery.shown += rest.slice(delivery.prefix.length, at);
      delivery.prefix = open.opening;
    }
    this.#shown = this.#dullAt = undefined;
    onStep?.("rolled");
    if (this.#places >= way.maxMessages) this.#down();
    await save();
  }

  /** Waits until there is something to show and the time to show it. */
  async #due(turn: Turn, way: DeliveryMethod, openedAt: number, ended: AbortSignal) {
    const { clock } = this.#p;
    const end = openedAt + way.lifetime - ROLL_AHEAD;
    const pause = this.#editing ? way.editInterval(this.#edits) : Infinity;
    const at = Math.min(end, this.#lastAt + pause);
    await sleep(clock, at - clock.now(), ended);
    if (turn.reply.ending) return;
    while (!turn.reply.ending && clock.now() < end && !this.#news(turn)) {
      await this.#next(turn, end - clock.now());
    }
    if (pause > 0 && pause !== Infinity && !endsSentence(turn.reply)) {
      const enough = new AbortController();
      const leave = turn.reply.watch(() => {
        if (turn.reply.ending || endsSentence(turn.reply)) enough.abort();
      });
      await sleep(
        clock,
        Math.max(0, Math.min(end, this.#lastAt + pause * 1.5) - clock.now()),
        enough.signal,
      );
      leave();
    }
  }

  #news(turn: Turn): boolean {
    const state = `${turn.reply.written} ${turn.queuePosition}`;
    if (state === this.#dullAt) return false;
    const words = this.#snapshot(turn);
    const news = words === "" ? this.#isOtherWait(turn) : words !== this.#shown;
    this.#dullAt = news ? undefined : state;
    return news;
  }

  /** Whether what stands in the chat of a question without an answer is no longer true. */
  #isOtherWait(turn: Turn): boolean {
    if (this.#p.delivery.shown !== "" || waitingWords(turn, this.#p.words) === this.#shown) {
      return false;
    }
    const isInLine = turn.queuePosition !== undefined;
    return isInLine !== this.#shownInLine || this.#way.editInterval(this.#edits) <= EDITS_ARE_FREE;
  }

  /**
   * What a place is to show now: the answer so far, as much of it as fits, else why there is none.
   */
  #frame(turn: Turn, way: DeliveryMethod): string {
    const words = this.#snapshot(turn) || waitingWords(turn, this.#p.words);
    const frame = this.#fitting(way, words);
    this.#shownInLine = turn.queuePosition !== undefined;
    // What does not fit is news, even where the bot says nothing more.
    this.#shown = frame.length < words.length ? undefined : words;
    return frame;
  }

  async #next(turn: Turn, most: number, also?: AbortSignal) {
    const woken = new AbortController();
    const wake = () => woken.abort();
    const leave = turn.reply.watch(wake);
    also?.addEventListener("abort", wake, { once: true });
    await sleep(this.#p.clock, most, woken.signal);
    also?.removeEventListener("abort", wake);
    leave();
  }

  /** The words of this place: what earlier places have shown is not said again. */
  #rest(reply: Reply): string {
    return this.#restOf(reply.text);
  }

  #restOf(text: string): string {
    const { shown, prefix } = this.#p.delivery;
    // Another bot started over: nothing that was shown counts any more.
    return text.startsWith(shown) ? prefix + text.slice(shown.length) : text;
  }

  #snapshot(turn: Turn): string {
    return this.#rest(turn.reply);
  }

  #fits(way: DeliveryMethod, text: string): boolean {
    return this.#size(way, text, way.maxBytes) <= way.maxBytes &&
      this.#tableTooMany(way, text) === undefined;
  }

  /** Where the first table begins that a place of this way does not take any more. */
  #tableTooMany(way: DeliveryMethod, text: string): number | undefined {
    return way.maxTables === undefined ? undefined : tableAfter(text, way.maxTables);
  }

  /** As much of a text as this way shows in one place. */
  #fitting(way: DeliveryMethod, text: string): string {
    return this.#fits(way, text) ? text : text.slice(0, this.#cut(way, text).at);
  }

  /**
   * The bytes of a text as it will be sent; more than `most` where it is longer than anything that
   * could fit.
   */
  #size(way: DeliveryMethod, text: string, most: number): number {
    if (text.length * 3 <= most / 2) return text.length * 3;
    return text.length > WINDOW * most ? Infinity : byteLength(way.render(text));
  }

  /** A cut that fits also after rendering, which may add some. */
  #cut(way: DeliveryMethod, text: string, most = way.maxBytes): TextCut {
    const window = text.slice(
      0,
      Math.min(most, this.#tableTooMany(way, text.slice(0, most)) ?? most),
    );
    for (let bytes = most;; bytes = Math.floor(bytes * 0.8)) {
      const cut = cutAt(window, bytes);
      if (bytes < 256 || byteLength(way.render(text.slice(0, cut.at) + cut.closing)) <= most) {
        return cut;
      }
    }
  }

  /** The last words of a turn. Written down before anything is sent. */
  async finish(text: string, ending: Ending, images: readonly string[]): Promise<void> {
    const { delivery, save, onStep } = this.#p;
    if (!delivery.final) {
      const { taken, lines } = this.#sorted(images);
      const whole = [text.trimEnd(), ...lines].filter(Boolean).join("\n\n");
      const words = finalWords(whole, ending, taken.length > 0, this.#p.words);
      const noted = [words, ...delivery.notes ?? []].join("\n\n");
      const parts = this.#clipped(
        await this.#parts(this.#restOf(noted), delivery.place?.json, "f"),
      );
      delivery.final = { parts, sent: 0, images: taken, imagesSent: 0 };
      await save();
    }
    onStep?.("final_written");
    await this.#send(false);
  }

  /** The attachments that can be shown here, and a line for each that cannot. */
  #sorted(urls: readonly string[]): { taken: string[]; lines: string[] } {
    const { platform, words } = this.#p;
    const carries = this.#way.carries;
    const taken: string[] = [], lines: string[] = [];
    let room = carries?.most ?? 0;
    for (const url of urls) {
      const attachment = attachmentOf(url);
      if (!attachment) continue;
      if (carries?.fits(attachment) && room-- > 0) taken.push(url);
      else if (formOf(attachment, platform.accepts)) taken.push(url);
      else lines.push(words.notSent(attachment.name, sizeWords(attachment.size)));
    }
    return { taken, lines };
  }

  /**
   * The final in pieces that fit the rung we stand on; the first goes where the answer stands
   * already.
   */
  async #parts(text: string, place: Json | undefined, prefix: string): Promise<DeliveryPart[]> {
    const parts: DeliveryPart[] = [];
    const add = (piece: string) => {
      const first = parts.length === 0;
      // A way of few places has one for the answer it has begun, and no more: the next rung takes
      // the rest.
      const rung = first && place !== undefined ? this.#rung : this.#rungFor(parts.length);
      parts.push({
        text: piece,
        way: this.#ways[rung]!.name,
        place: first ? place : undefined,
        id: `${prefix}${parts.length}`,
      });
    };
    for (let from = 0, opening = "", rested = 0;;) {
      if (from - rested > AT_ONCE) {
        await yieldToEventLoop();
        rested = from;
      }
      const way = this.#ways[
        parts.length === 0 && place !== undefined ? this.#rung : this.#rungFor(parts.length)
      ]!;
      // One unit more than is looked at tells that there is more.
      const rest = opening + text.slice(from, from + WINDOW * way.maxBytes + 1);
      if (this.#fits(way, rest)) {
        add(rest);
        return parts;
      }
      const cut = this.#cut(way, rest);
      add(rest.slice(0, cut.at) + cut.closing);
      from += cut.at - opening.length;
      opening = cut.opening;
    }
  }

  /**
   * Where the last rung has a bound and the answer is longer, it ends there, and says so: a part
   * that has nowhere to go would be lost in silence.
   */
  #clipped(parts: DeliveryPart[]): DeliveryPart[] {
    const way = this.#ways.at(-1)!;
    const own = parts.filter((part) => part.way === way.name);
    if (own.length <= way.maxMessages) return parts;
    const last = own[way.maxMessages - 1]!;
    const note = `\n\n${this.#p.words.tooLong}`;
    const { at, closing } = this.#cut(way, last.text, way.maxBytes - byteLength(note));
    const end = this.#fits(way, last.text + note) ? last.text : last.text.slice(0, at) + closing;
    return [...parts.slice(0, parts.indexOf(last)), { ...last, text: end + note }];
  }

  /**
   * A place that the platform turned away and the answer leaves must not look as if it still grew.
   */
  async #leave(way: DeliveryMethod, place: Json) {
    const how = this.#how(`l${this.#p.delivery.opened}`, "first");
    await this.#try(() => way.close(place, way.render(this.#p.words.moved), how));
  }

  #rungFor(count: number): number {
    const way = this.#way;
    if (this.#places + count < way.maxMessages || this.#rung + 1 >= this.#ways.length) {
      return this.#rung;
    }
    return this.#rung + 1;
  }

  /** `again`: the next part may have been sent before. */
  async #send(again: boolean) {
    const { delivery, save, onStep } = this.#p;
    const final = delivery.final!;
    while (final.sent < final.parts.length) {
      const part = final.parts[final.sent]!;
      const rung = Math.max(0, this.#ways.findIndex((way) => way.name === part.way));
      const way = this.#ways[rung]!;
      const mark = again && !way.repeatable && part.place === undefined
        ? `${this.#p.words.maybeAgain}\n\n`
        : "";
      const text = mark + way.render(part.text);
      const last = final.sent === final.parts.length - 1;
      const carried = last ? carriedBy(way, final.images) : [];
      const images = carried.map((url) => attachmentOf(url)!);
      const how = { ...this.#how(part.id, "final", undefined, true), images };
      const sent = await this.#try(() =>
        part.place === undefined ? way.open(() => text, how) : way.close(part.place, text, how)
      );
      if (sent.trouble === "ambiguous" && !again) {
        again = true;
        continue;
      }
      again = false;
      if (sent.trouble) {
        if (sent.trouble === "unavailable" || sent.trouble === "dropped") throw sent.error;
        if (rung + 1 >= this.#ways.length) throw sent.error;
        // What stood in this place goes into a new one, a rung down, with everything that comes
        // after it.
        this.#rung = rung + 1;
        this.#places = 0;
        const fresh = await this.#parts(part.text, undefined, `${part.id}.`);
        if (part.place !== undefined && sent.trouble === "refused") {
          await this.#leave(way, part.place);
        }
        final.parts.splice(final.sent, 1, ...fresh);
        final.parts = this.#clipped(final.parts);
        await save();
        continue;
      }
      onStep?.("part_sent");
      final.sent++;
      final.images = final.images.filter((url) => !carried.includes(url));
      await save();
      onStep?.("part_recorded");
    }
    while (final.imagesSent < final.images.length) {
      await this.#attach(attachmentOf(final.images[final.imagesSent]!)!, final.imagesSent);
      delivery.half = undefined;
      final.imagesSent++;
      await save();
      onStep?.("images_sent");
    }
    this.#reservation?.release();
    await this.#endWait();
  }

  /**
   * An attachment that the platform turns away must not hold up the answer that is there already; a
   * line says so in its place.
   */
  async #attach(attachment: Attachment, n: number) {
    const { platform, delivery, words } = this.#p;
    const form = formOf(attachment, platform.accepts);
    if (form) {
      const how = this.#how(`i${n}`, "final", undefined, true);
      const sent = await this.#try(() => platform.attach(delivery.incoming, attachment, form, how));
      // It may be there: a line that says it is not would be a lie.
      if (!sent.trouble || sent.trouble === "ambiguous") return;
    }
    const still = this.#ways.at(-1)!;
    if (still.live) return;
    const line = words.notSent(attachment.name, sizeWords(attachment.size));
    await this.#try(() =>
      still.open(() => still.render(line), this.#how(`n${n}`, "final", undefined, true))
    );
  }

  /** One rung down the ladder. `false`: the last one has nothing below it. */
  #down(): boolean {
    const isLast = this.#rung + 1 >= this.#ways.length;
    if (isLast) this.#editing = false;
    else {
      this.#rung++;
      this.#places = 0;
    }
    this.#p.delivery.way = this.#way.name;
    return !isLast;
  }

  #how(
    id: string,
    wanted: SendOptions["priority"],
    signal?: AbortSignal,
    isWhole = false,
  ): SendOptions {
    const { delivery } = this.#p;
    const priority = delivery.push ? "push" : wanted;
    return {
      id: `${delivery.incoming.id}:${id}`,
      priority,
      chat: delivery.incoming.chat.id,
      signal,
      reservation: priority === "final" ? this.#reservation : undefined,
      isWhole,
      // A process that died may have used numbers that were not written down: each try has a range
      // of its own.
      nextSequence: () => delivery.tries * 100_000 + ++this.#n,
      checkpoint: delivery.half,
      saveCheckpoint: async (half) => {
        delivery.half = half;
        await this.#p.save();
      },
      onCall: () => void delivery.calls++,
    };
  }

  async #try<T>(
    act: () => Promise<T>,
  ): Promise<
    { value: T; trouble?: undefined } | { trouble: PlatformError["kind"]; error: PlatformError }
  > {
    try {
      return { value: await act() };
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      if (error.kind !== "dropped") this.#p.onError?.(error);
      return { trouble: error.kind, error };
    }
  }
}

/** Which of an answer's attachments its last words take along. */
function carriedBy(way: DeliveryMethod, urls: readonly string[]): string[] {
  const { most = 0, fits } = way.carries ?? {};
  return urls.filter((url) => fits?.(attachmentOf(url)!)).slice(0, most);
}
