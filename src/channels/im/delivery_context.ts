/**
 * What the parts of a delivery's writer share: the delivery, the method in use with its fallbacks,
 * the reservation of the final, and how a call to the platform is made.
 */
import type { Clock } from "../../core/clock.ts";
import { type Delivery, type DeliveryStep, methodsFor } from "./delivery.ts";
import {
  type DeliveryMethod,
  type LiveMethod,
  type MessageRef,
  type Platform,
  PlatformError,
  type SendOptions,
} from "./platform.ts";
import type { Reservation, SendBudget } from "./send_budget.ts";
import type { Words } from "./words.ts";

export interface DeliveryWriterParts {
  readonly clock: Clock;
  readonly budget: SendBudget;
  readonly platform: Platform;
  readonly words: Words;
  readonly delivery: Delivery;
  /** Stores the delivery in the outbox. */
  readonly save: () => Promise<void>;
  /** Called after each step; a test may kill the process there. */
  readonly onStep?: (step: DeliveryStep) => void;
  /** Called with each failure that another method made good. */
  readonly onError?: (error: PlatformError) => void;
}

/** What came of a call: its value, or the kind of its failure. */
export type CallOutcome<T> =
  | { readonly value: T; readonly failure?: undefined }
  | { readonly failure: PlatformError["kind"]; readonly error: PlatformError };

/** Sequence numbers that each try of a delivery has for itself. */
const NUMBERS_PER_TRY = 100_000;

export class DeliveryContext {
  methods: readonly DeliveryMethod[] = [];
  /** Index of the method in use. */
  current = 0;
  /** Messages that the method in use has opened. */
  messages = 0;
  #sequence = 0;
  #reservation: Reservation | undefined;

  constructor(readonly parts: DeliveryWriterParts) {}

  get delivery(): Delivery {
    return this.parts.delivery;
  }

  get method(): DeliveryMethod {
    return this.methods[this.current]!;
  }

  /** Finds the methods and reserves the final, once. Throws a `PlatformError`. */
  async begin(): Promise<void> {
    const { platform, delivery, budget } = this.parts;
    if (this.methods.length > 0) return;
    // The same message is opened again with the same id.
    if (delivery.progress.phase === "opening" && delivery.opened > 0) delivery.opened--;
    this.methods = await methodsFor(platform, delivery);
    if (this.methods.length === 0) {
      throw new PlatformError("refused", "no_way", "the app cannot speak first");
    }
    const known = this.methods.findIndex(({ name }) => name === delivery.method);
    this.current = Math.max(0, known);
    // A message of a method that is no longer available cannot be edited any more.
    if (known < 0 && delivery.progress.phase === "live") delivery.progress = { phase: "idle" };
    this.messages = delivery.opened;
    if (delivery.purpose.kind !== "push" && hasUnsentParts(delivery)) {
      this.#reservation = await budget.reserve(this.method.finalPath);
    }
  }

  /** Goes on with the next method. Returns `false` where the method in use is the last. */
  fallBack(): boolean {
    const isLast = this.current + 1 >= this.methods.length;
    if (!isLast) this.use(this.current + 1);
    this.delivery.method = this.method.name;
    return !isLast;
  }

  /** Goes on with the method at this index. */
  use(index: number): void {
    this.current = index;
    this.messages = 0;
  }

  /** Returns the part of an answer that closed messages do not show. */
  unshown(text: string): string {
    const { shown, prefix } = this.delivery;
    // Another bot began anew: what earlier messages show does not count any more.
    return text.startsWith(shown) ? prefix + text.slice(shown.length) : text;
  }

  options(
    id: string,
    wanted: SendOptions["priority"],
    { signal, isWhole = false }: Partial<Pick<SendOptions, "signal" | "isWhole">> = {},
  ): SendOptions {
    const { delivery, save } = this.parts;
    const priority = delivery.purpose.kind === "push" ? "push" : wanted;
    return {
      id: `${delivery.incoming.id}:${id}`,
      priority,
      chat: delivery.incoming.chat.id,
      signal,
      reservation: priority === "final" ? this.#reservation : undefined,
      isWhole,
      // A process that died may have used numbers that were not stored: each try has its own range.
      nextSequence: () => delivery.tries * NUMBERS_PER_TRY + ++this.#sequence,
      checkpoint: "checkpoint" in delivery.progress ? delivery.progress.checkpoint : undefined,
      saveCheckpoint: async (checkpoint) => {
        const { progress } = delivery;
        if (progress.phase !== "opening" && progress.phase !== "final") return;
        progress.checkpoint = checkpoint;
        await save();
      },
      onCall: () => void delivery.calls++,
    };
  }

  /** Makes a call and returns what came of it. Throws only what is not a `PlatformError`. */
  async attempt<T>(act: () => Promise<T>): Promise<CallOutcome<T>> {
    try {
      return { value: await act() };
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      if (error.kind !== "dropped") this.parts.onError?.(error);
      return { failure: error.kind, error };
    }
  }

  /**
   * Closes a message that the platform refused to edit, and that the answer leaves: it must not
   * look as if it still grew.
   */
  async abandon(method: LiveMethod, message: MessageRef): Promise<void> {
    const send = this.options(`l${this.delivery.opened}`, "first");
    await this.attempt(() => method.close(message, method.render(this.parts.words.moved), send));
  }

  releaseReservation(): void {
    this.#reservation?.release();
  }
}

function hasUnsentParts({ progress }: Delivery): boolean {
  return progress.phase !== "final" || progress.sent < progress.parts.length;
}
