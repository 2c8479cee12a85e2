/**
 * What a chat platform is to the rest of this folder: where messages come from ({@linkcode
 * Incoming}), the ways in which an answer can be shown there ({@linkcode DeliveryMethod}, best first), and how
 * a call to it can fail ({@linkcode PlatformError}).
 */
import type { BudgetScope, Priority, Reservation } from "./send_budget.ts";
import type { Json } from "../../core/store.ts";
import type { ExternalUser } from "../../core/people/provisioning.ts";
import type { AcceptedAttachments, Attachment } from "./attachment.ts";

/** Whom the platform vouches for: people of the company. */
export type Voucher = Pick<ExternalUser, "identities" | "ids">;

/** A kind of message, or of a part of one, that no bot gets. */
export type UnsupportedPart =
  | "voice"
  | "video"
  | "sticker"
  | "forward"
  | "card"
  | "location"
  | "chat_card"
  | "name_card"
  | "calendar"
  | "call"
  | "task"
  | "vote"
  | "red_packet"
  | "folder"
  | "unknown";

/** What a message, or one that it quotes, holds. */
export interface Content {
  /** Without the mention of the bot. */
  readonly text: string;
  /** References by which {@linkcode Platform.fetchImage} gets them. */
  readonly images: readonly Json[];
  /** Without a name where only the download tells it. */
  readonly files: readonly { readonly ref: Json; readonly name?: string }[];
  /** What of it no bot gets. */
  readonly unsupported?: readonly UnsupportedPart[];
}

/**
 * A message as it came from a platform, in our words. Plain JSON: the outbox holds it until it is
 * answered.
 */
export interface Incoming extends Content {
  /** The platform's id of the message: what repeats are known by. */
  readonly id: string;
  readonly chat: { readonly id: string; readonly type: "direct" | "group" };
  readonly sender: {
    readonly id: string;
    readonly name?: string;
    readonly departments?: readonly string[];
    /** Set where the message itself says enough for the platform to vouch for them. */
    readonly voucher?: Voucher;
  };
  /** The message that it replies to, where the platform sends it along. */
  readonly quote?: Content;
  /** When it was sent, milliseconds since the epoch. */
  readonly at: number;
  /** What this platform needs to answer it: a message id, a session webhook, a request id. */
  readonly address: Json;
}

export interface FetchedFile {
  readonly bytes: Uint8Array;
  readonly name?: string;
}

/** One app on one platform. */
export interface Platform {
  /** The ladder for one message, best way first. Never empty: the last one sends plain finals. */
  methods(incoming: Incoming): Promise<readonly DeliveryMethod[]>;
  /** As a data URL; throws a `PlatformError`. */
  fetchImage(incoming: Incoming, ref: Json): Promise<string>;
  /**
   * A file, with the name where the download tells one. Throws a `PlatformError`, with the code
   * `too_large` where it has more than `max` bytes.
   */
  fetchFile(incoming: Incoming, ref: Json, max: number): Promise<FetchedFile>;
  /**
   * The message that this one replies to, where the platform only names it. Throws a
   * `PlatformError`.
   */
  quoted?(incoming: Incoming): Promise<Content | undefined>;
  /** What of an answer's attachments can be shown here. */
  readonly accepts: AcceptedAttachments;
  /**
   * Shows an attachment as a message of its own, in a form that {@linkcode Platform.accepts} allows.
   */
  attach(
    incoming: Incoming,
    attachment: Attachment,
    form: "image" | "file",
    send: SendOptions,
  ): Promise<void>;
  /**
   * The ladder for what the gateway itself says, such as a command's answer; {@linkcode
   * Platform.ways} unless set.
   */
  noticeMethods?(incoming: Incoming): Promise<readonly DeliveryMethod[]>;
  /** Whom the platform vouches for, where that takes a call. Throws a `PlatformError`. */
  vouch?(incoming: Incoming): Promise<Voucher | undefined>;
  /**
   * What the sender is called, where a call tells what the message does not. Throws a
   * `PlatformError`.
   */
  nameOf?(incoming: Incoming): Promise<string | undefined>;
  /** Names of the sender's departments, where the platform tells. */
  departments?(incoming: Incoming): Promise<readonly string[]>;
  /**
   * What of a message's address still holds when somebody is written to later; nothing unless it
   * says otherwise.
   */
  lastingAddress?(incoming: Incoming): Json;
  /**
   * The ladder for what a bot says by itself, best way first; empty where the app cannot speak
   * first.
   */
  pushMethods(incoming: Incoming): Promise<readonly DeliveryMethod[]>;
}

/** What every call of one delivery carries. */
export interface SendOptions {
  /**
   * Unique for what is sent, and the same when it is sent again: idempotency ids are made from it.
   */
  readonly id: string;
  readonly priority: Priority;
  readonly chat: string;
  readonly signal?: AbortSignal;
  readonly reservation?: Reservation;
  /** Milliseconds for which the send is tried again; as long as an answer may be late unless set. */
  readonly deadlineMs?: number;
  /** The whole of the answer or of its part: there will be no edit. */
  readonly isWhole: boolean;
  /** Set on the last words of a way that carries images with them. */
  readonly images?: readonly Attachment[];
  /** Strictly growing numbers, also over restarts. */
  readonly nextSequence: () => number;
  /** What {@linkcode SendOptions.saveCheckpoint} kept when a process died inside this very send. */
  readonly checkpoint?: Json;
  /** Writes down what the first of several calls gave, so that a repeat goes on from there. */
  readonly saveCheckpoint: (half: Json) => Promise<void>;
  /** Called once per call to the platform: what the answer cost. */
  readonly onCall: () => void;
}

/** What all methods of showing an answer have in common. */
interface AnyMethod {
  readonly name: string;
  /** UTF-8 bytes of one message; a longer answer is split over several. */
  readonly maxBytes: number;
  /** Tables that one message takes; any number unless set. */
  readonly maxTables?: number;
  /** Attachments that the final text carries; any other attachment is a message of its own. */
  readonly carries?: { readonly most: number; readonly fits: (attachment: Attachment) => boolean };
  /** Whether a send that is repeated with the same id shows once. */
  readonly repeatable: boolean;
  /** How many messages it may open for one answer. */
  readonly maxMessages: number;
  /** The path whose quota pays for the final in advance. */
  readonly finalPath: readonly BudgetScope[];
  /** Converts the bot's Markdown to what this method can show. */
  render(markdown: string): string;
  /**
   * Shows a new message. `text` is called once the permit is there, so that it is the newest.
   */
  open(text: () => string, send: SendOptions): Promise<MessageRef>;
}

/** A method whose messages can be edited and closed: the answer grows before the reader's eyes. */
export interface LiveMethod extends AnyMethod {
  readonly live: true;
  /**
   * Milliseconds for which a message can be edited; before that it is closed, and the answer
   * continues in a new one.
   */
  readonly lifetime: number;
  /** Milliseconds to wait after the `n`th edit (0: after opening); Infinity: no further edits. */
  editInterval(n: number): number;
  edit(message: MessageRef, text: () => string, send: SendOptions): Promise<void>;
  /** Shows the final text and allows no more edits. A repeat with the same text does no harm. */
  close(message: MessageRef, text: string, send: SendOptions): Promise<void>;
}

/** A method whose messages are final when they are sent. */
export interface StaticMethod extends AnyMethod {
  readonly live: false;
  /**
   * UTF-8 bytes after which a piece of an unfinished answer is sent; {@linkcode AnyMethod.maxBytes}
   * unless set.
   */
  readonly pieceBytes?: number;
  /** Milliseconds after which the chat is shown that the bot is working; Infinity: never. */
  readonly placeholderAfter: number;
  /**
   * Shows that the bot is working, where the platform has more for it than a plain message: one
   * with a button that stops the bot.
   */
  showWorking?(text: string, send: SendOptions): Promise<MessageRef>;
  /** Removes that button after the answer; `message` is what `showWorking` returned. */
  endWorking?(message: MessageRef, label: string, send: SendOptions): Promise<void>;
}

/** One method of showing an answer. */
export type DeliveryMethod = LiveMethod | StaticMethod;

/** A platform's handle of a message that was sent, as plain JSON. */
export type MessageRef = Json;

/**
 * `gone`: this place can no longer be written (expired, recalled). `refused`: this call will never
 * go through. `unavailable`: no answer, or a failing one, for longer than patience lasts.
 * `ambiguous`: it may have been shown, and a repeat might show twice. `throttled`, `dropped`: an
 * edit that was not worth waiting for. `exhausted`: the month's quota has nothing left.
 */
export type PlatformErrorKind =
  | "gone"
  | "refused"
  | "unavailable"
  | "ambiguous"
  | "throttled"
  | "dropped"
  | "exhausted";

export class PlatformError extends Error {
  override readonly name = "PlatformError";
  constructor(
    readonly kind: PlatformErrorKind,
    /** The platform's code, as text. */
    readonly code: string,
    message: string,
  ) {
    super(`${kind} (${code}): ${message}`);
  }
}
