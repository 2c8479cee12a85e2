/**
 * A delivery as it stands in the outbox: all that a restart must know of it, as plain JSON. It is
 * stored before each step that it describes.
 */
import type { Json } from "../../core/store.ts";
import type { DeliveryMethod, Incoming, MessageRef, Platform } from "./platform.ts";
import type { Language } from "./words.ts";

export interface Delivery {
  readonly incoming: Incoming;
  /** When the message was accepted, milliseconds since the epoch. */
  readonly at: number;
  purpose: DeliveryPurpose;
  /** How many processes, or retries of one, have had the delivery before. */
  tries: number;
  language: Language;
  /** The turn that answers, once the bot was asked. */
  turn?: { readonly id: string; readonly personId: string };
  /** The method in use, by name: the platform's list may differ after a restart. */
  method?: string;
  progress: DeliveryProgress;
  /** How many messages were begun. The ids of sends are made from it. */
  opened: number;
  /** The part of the answer that closed messages show. */
  shown: string;
  /** Opens the fence again that the last closed message had to close; begins the next message. */
  prefix: string;
  /** The message that shows that the bot is working, where its button must be removed. */
  working?: { readonly method: string; readonly message: MessageRef };
  /** Lines below the answer about parts of the question that did not reach the bot. */
  notes?: readonly string[];
  /** Calls to the platform so far. */
  calls: number;
}

/**
 * `answer`: of a bot. `notice`: of the gateway itself, which goes by {@linkcode
 * Platform.noticeMethods}. `push`: nobody asked for it, so it has the lowest priority and reserves
 * no final.
 */
export type DeliveryPurpose =
  | { readonly kind: "answer" | "notice" }
  | { readonly kind: "push"; readonly text: string; readonly images: readonly string[] };

export type DeliveryProgress =
  /** No message can be edited: none was begun, or all are closed. */
  | { readonly phase: "idle" }
  /**
   * The call that opens a message was begun; whether it arrived is not known. `checkpoint`: the
   * result of the first of several calls.
   */
  | { readonly phase: "opening"; checkpoint?: Json }
  /** This message is open, `since` milliseconds since the epoch. */
  | { readonly phase: "live"; readonly message: MessageRef; readonly since: number }
  /**
   * A piece of an unfinished answer is being sent as a message of its own. `shown` and `prefix` are
   * the delivery's after it.
   */
  | {
    readonly phase: "piece";
    readonly text: string;
    readonly id: string;
    readonly shown: string;
    readonly prefix: string;
  }
  | FinalProgress;

/** The answer is complete: its parts, then its attachments, are being sent. */
export interface FinalProgress {
  readonly phase: "final";
  parts: readonly FinalPart[];
  /** How many parts were sent. */
  sent: number;
  /** Attachments that no part carried, as data URLs. */
  images: readonly string[];
  imagesSent: number;
  /** The result of the first of several calls that send one attachment. */
  checkpoint?: Json;
}

export interface FinalPart {
  readonly text: string;
  readonly method: string;
  /** The open message that the part replaces; absent: the part is a new message. */
  readonly message?: MessageRef;
  readonly id: string;
}

/** The steps of a delivery, in order. A test kills the process at each. */
export type DeliveryStep =
  | "accepted"
  | "asked"
  | "opening"
  | "opened"
  | "edited"
  | "continued"
  | "piece_sent"
  | "final_written"
  | "part_sent"
  | "part_recorded"
  | "images_sent"
  | "done";

export function newDelivery(
  incoming: Incoming,
  at: number,
  language: Language,
  purpose: DeliveryPurpose = { kind: "answer" },
): Delivery {
  const progress = { phase: "idle" } as const;
  return {
    incoming,
    at,
    purpose,
    tries: 0,
    language,
    progress,
    opened: 0,
    shown: "",
    prefix: "",
    calls: 0,
  };
}

/** Returns the methods that suit what is to be shown, best first. */
export function methodsFor(
  platform: Platform,
  { purpose: { kind }, incoming }: Delivery,
): Promise<readonly DeliveryMethod[]> {
  if (kind === "push") return platform.pushMethods(incoming);
  return kind === "notice" && platform.noticeMethods
    ? platform.noticeMethods(incoming)
    : platform.methods(incoming);
}
