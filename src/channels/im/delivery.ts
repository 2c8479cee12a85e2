/** A delivery as it stands in the outbox: everything that a restart must know of it. Plain JSON. */
import type { Json } from "../../core/store.ts";
import type { DeliveryMethod, Incoming, Platform } from "./platform.ts";
import type { Language } from "./words.ts";

/** What is kept of a delivery in the outbox. */
export interface Delivery {
  readonly incoming: Incoming;
  /** When it was accepted, milliseconds since the epoch. */
  readonly at: number;
  /** How many processes have had it. */
  tries: number;
  language: Language;
  turnId?: string;
  personId?: string;
  /** The rung of the ladder, by name: the ladder may look different after a restart. */
  way?: string;
  /**
   * What is open and not closed. `opening`: the call was begun, whether it arrived is not known.
   */
  place?: { readonly json: Json; readonly at: number };
  opening?: boolean;
  /** What an `opening` of several calls has so far. */
  half?: Json;
  /**
   * What closed places have shown, and what opens a fence again that the last of them had to close.
   */
  shown: string;
  prefix: string;
  /**
   * A whole piece of an answer that goes on, on its way as a message of its own; what comes behind
   * it begins with `prefix`.
   */
  piece?: {
    readonly text: string;
    readonly id: string;
    readonly shown: string;
    readonly prefix: string;
  };
  /** How many places have been opened: makes ids. */
  opened: number;
  /** The answer as it must be seen, and how many parts of it have been. */
  final?: { parts: DeliveryPart[]; sent: number; images: readonly string[]; imagesSent: number };
  /** Calls to the platform so far. */
  calls: number;
  /** The sign that somebody is at work, where it has a button that must not outlive the answer. */
  waiting?: { readonly way: string; readonly json: Json };
  /** Lines below the answer: what of the question did not reach the bot. */
  notes?: readonly string[];
  /** Set for a notice of the gateway's own, which goes by {@linkcode Platform.noticeMethods}. */
  notice?: boolean;
  /**
   * Set where nobody asked: what a bot says by itself. It goes behind everything else and pays for
   * nothing ahead.
   */
  readonly push?: { readonly text: string; readonly images: readonly string[] };
}

/** One piece of the final. */
export interface DeliveryPart {
  readonly text: string;
  readonly way: string;
  /** Where it is to be written; absent: something new is opened. */
  readonly place?: Json;
  readonly id: string;
}

/** The steps of a delivery, by name, in order; a crash at each is tested. */
export type DeliveryStep =
  | "accepted"
  | "asked"
  | "opening"
  | "opened"
  | "edited"
  | "rolled"
  | "piece_sent"
  | "final_written"
  | "part_sent"
  | "part_recorded"
  | "images_sent"
  | "done";

/** The ways that suit what is to be shown. */
export function methodsFor(
  platform: Platform,
  { push, notice, incoming }: Delivery,
): Promise<readonly DeliveryMethod[]> {
  if (push) return platform.pushMethods(incoming);
  return notice && platform.noticeMethods
    ? platform.noticeMethods(incoming)
    : platform.methods(incoming);
}
