/**
 * The answers of an AI bot in webhook mode: WeCom polls for the newest text until it is finished,
 * for six minutes at most.
 *
 * Source: WeCom 智能机器人 (2025-07…2026-03).
 */
import type { Json, Store } from "../../core/store.ts";
import type { Clock } from "../../core/clock.ts";
import type { Attachment } from "../im/attachment.ts";
import {
  type DeliveryMethod,
  type Incoming,
  PlatformError,
  type SendOptions,
} from "../im/platform.ts";
import {
  botMarkdown,
  MAX_TEXT_BYTES,
  questionIdOf,
  STREAM_IMAGES,
  STREAM_TTL_MS,
  streamIdOf,
  streamLifetime,
  streamMessage,
} from "./bot_stream.ts";

interface PolledStream {
  text: string;
  finished: boolean;
  images: readonly Attachment[];
  /** Called when WeCom has polled the finished text. */
  onFetched?: () => void;
}

export interface PolledStreamsParts {
  readonly clock: Clock;
  readonly store: Store;
  /** The app's name in the configuration, for its keys in the store. */
  readonly name: string;
  /** Whether the delivery of an answer is still open, by the question's id. */
  readonly isOpen: (questionId: string) => Promise<boolean>;
}

export class PolledStreams {
  readonly #streams = new Map<string, PolledStream>();
  readonly #timers = new Set<() => void>();

  constructor(private readonly parts: PolledStreamsParts) {}

  stop(): void {
    for (const stop of this.#timers) stop();
    this.#timers.clear();
  }

  /** Opens the stream of a question, unless it is open. */
  open(id: string, text: string): void {
    if (!this.#streams.has(id)) this.#add(id, text);
  }

  /** The newest text; `undefined`: the stream is not known to this process. */
  textOf(id: string): string | undefined {
    return this.#streams.get(id)?.text;
  }

  /**
   * The response to a poll. A stream that this process does not know is still being resumed, or
   * was finished by an earlier process.
   */
  async poll(id: string): Promise<Json> {
    const stream = this.#streams.get(id);
    if (stream) {
      if (stream.finished) queueMicrotask(() => stream.onFetched?.());
      const images = stream.finished ? stream.images : [];
      return streamMessage(id, stream.text, stream.finished, images);
    }
    const done = await this.parts.store.get(this.#doneKey(id));
    // A delivery that is being resumed finishes the stream itself, with its pictures.
    const finish = done !== undefined && !await this.parts.isOpen(questionIdOf(id));
    return streamMessage(id, done?.text ?? "…", finish);
  }

  /** Delivers an answer by the polls of WeCom. */
  method(incoming: Incoming): DeliveryMethod {
    const id = streamIdOf(incoming);
    const stream = () => this.#streams.get(id) ?? this.#add(id, "");
    return {
      name: "poll",
      maxBytes: MAX_TEXT_BYTES,
      live: true,
      carries: STREAM_IMAGES,
      repeatable: true,
      lifetime: streamLifetime(incoming, this.parts.clock.now()),
      maxMessages: 1,
      // Nothing is sent: WeCom polls when it likes, and gets the newest text.
      editInterval: () => 200,
      finalPath: [],
      render: botMarkdown,
      open: async (text, send) => {
        if (send.isWhole) await this.#finish(incoming, text(), send);
        else stream().text = text();
        return { id };
      },
      edit(_message, text) {
        stream().text = text();
        return Promise.resolve();
      },
      close: (_message, text, send) => this.#finish(incoming, text, send),
    };
  }

  /** Resolves when WeCom has polled the whole text. Throws `gone` when the six minutes are over. */
  async #finish(incoming: Incoming, text: string, send: SendOptions): Promise<void> {
    const { clock, store } = this.parts;
    const id = streamIdOf(incoming);
    const left = incoming.at + STREAM_TTL_MS - clock.now();
    if (left <= 0) throw new PlatformError("gone", "846608", "the six minutes are over");
    // Stored before it is returned to a poll: WeCom asks the next process, should this one die.
    await store.set(this.#doneKey(id), { text }, { ttl: STREAM_TTL_MS * 2, durable: true });
    const fetched = Promise.withResolvers<boolean>();
    Object.assign(this.#streams.get(id) ?? this.#add(id, ""), {
      text,
      finished: true,
      images: send.images ?? [],
      onFetched: () => fetched.resolve(true),
    });
    const stop = clock.after(left, () => fetched.resolve(false));
    const isFetched = await fetched.promise;
    stop();
    if (!isFetched) throw new PlatformError("gone", "unpolled", "WeCom does not poll any more");
  }

  #add(id: string, text: string): PolledStream {
    const stream: PolledStream = { text, finished: false, images: [] };
    this.#streams.set(id, stream);
    // WeCom polls for six minutes; one more is for clocks that differ.
    const stop = this.parts.clock.after(STREAM_TTL_MS + 60_000, () => {
      this.#timers.delete(stop);
      if (this.#streams.get(id) === stream) this.#streams.delete(id);
    });
    this.#timers.add(stop);
    return stream;
  }

  #doneKey(id: string): string {
    return `im:stream:${this.parts.name}:${id}`;
  }
}
