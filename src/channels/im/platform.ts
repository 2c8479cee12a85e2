/**
 * The outbound side of an app on a chat platform: the messages that it answers ({@linkcode
 * Incoming}), its methods of showing an answer ({@linkcode DeliveryMethod}), and how a call can
 * fail ({@linkcode PlatformError}). The inbound side is a `Channel` (`channel.ts`).
 */
import type { BudgetScope, Priority, Reservation } from "./send_budget.ts";
import type { Json } from "../../core/store.ts";
import type { ExternalUser } from "../../core/people/provisioning.ts";
import type { AcceptedAttachments, Attachment } from "./attachment.ts";

/** The identities of a member of the company, as the platform confirms them. */
export type Voucher = Pick<ExternalUser, "identities" | "ids">;

/** A kind of message, or of a part of one, that is not forwarded to bots. */
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

/** The content of a message, or of one that it quotes. */
export interface Content {
  /** Without the mention of the bot. */
  readonly text: string;
  /** References for {@linkcode Platform.fetchImage}. */
  readonly images: readonly Json[];
  /** `name` is absent where only the download has it. */
  readonly files: readonly { readonly ref: Json; readonly name?: string }[];
  /** The parts that are not forwarded to bots. */
  readonly unsupported?: readonly UnsupportedPart[];
}

/**
 * A message from a platform, in a common form. Plain JSON: the outbox stores it until it is
 * answered.
 */
export interface Incoming extends Content {
  /** The platform's id of the message, by which repeats are recognised. */
  readonly id: string;
  readonly chat: { readonly id: string; readonly type: "direct" | "group" };
  readonly sender: {
    readonly id: string;
    readonly name?: string;
    readonly departments?: readonly string[];
    /** Set where the message itself identifies the sender as a member of the company. */
    readonly voucher?: Voucher;
  };
  /** The message that it replies to, where the platform includes it. */
  readonly quote?: Content;
  /** When it was sent, milliseconds since the epoch. */
  readonly at: number;
  /** What the platform needs for an answer: a message id, a session webhook, a request id. */
  readonly address: Json;
}

export interface FetchedFile {
  readonly bytes: Uint8Array;
  readonly name?: string;
}

/** One app on one platform. */
export interface Platform {
  /** Returns the methods of answering a message, best first: at least one, which sends finals. */
  methods(incoming: Incoming): Promise<readonly DeliveryMethod[]>;
  /** Returns an image as a data URL. Throws a `PlatformError`. */
  fetchImage(incoming: Incoming, ref: Json): Promise<string>;
  /**
   * Returns a file, with its name where the download has one. Throws a `PlatformError`, with the
   * code `too_large` for more than `max` bytes.
   */
  fetchFile(incoming: Incoming, ref: Json, max: number): Promise<FetchedFile>;
  /** Fetches the message that this one replies to. Throws a `PlatformError`. */
  quoted?(incoming: Incoming): Promise<Content | undefined>;
  /** The attachments that can be shown here. */
  readonly accepts: AcceptedAttachments;
  /** Sends an attachment as a message, in a form that {@linkcode Platform.accepts} allows. */
  attach(
    incoming: Incoming,
    attachment: Attachment,
    form: "image" | "file",
    send: SendOptions,
  ): Promise<void>;
  /**
   * Returns the methods for texts of the gateway itself, such as a command's answer; {@linkcode
   * Platform.methods} unless set.
   */
  noticeMethods?(incoming: Incoming): Promise<readonly DeliveryMethod[]>;
  /** Fetches the sender's identities in the company. Throws a `PlatformError`. */
  vouch?(incoming: Incoming): Promise<Voucher | undefined>;
  /** Fetches the sender's name, which the message does not have. Throws a `PlatformError`. */
  nameOf?(incoming: Incoming): Promise<string | undefined>;
  /** Fetches the ids of the sender's departments. Throws a `PlatformError`. */
  departments?(incoming: Incoming): Promise<readonly string[]>;
  /** Returns the part of a message's address that is valid for later pushes; none unless set. */
  lastingAddress?(incoming: Incoming): Json;
  /** Returns the methods for pushes, best first; none where the app cannot write first. */
  pushMethods(incoming: Incoming): Promise<readonly DeliveryMethod[]>;
}

/** The options of every call of one delivery. */
export interface SendOptions {
  /** Unique to what is sent, and the same when it is repeated: idempotency ids are made from it. */
  readonly id: string;
  readonly priority: Priority;
  readonly chat: string;
  readonly signal?: AbortSignal;
  readonly reservation?: Reservation;
  /**
   * Milliseconds for which the send is tried again; as long as an answer may be late unless set.
   */
  readonly deadlineMs?: number;
  /** Whether the text is final: it will not be edited. */
  readonly isWhole: boolean;
  /** Attachments that the text carries, by a method that has {@linkcode AnyMethod.carries}. */
  readonly images?: readonly Attachment[];
  /** Returns a larger number with each call, also across restarts. */
  readonly nextSequence: () => number;
  /** The last checkpoint of this send, where a process died during it. */
  readonly checkpoint?: Json;
  /** Stores the result of the first of several calls, so that a repeat continues from there. */
  readonly saveCheckpoint: (checkpoint: Json) => Promise<void>;
  /** Called for each call to the platform: what the answer costs. */
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
 * `gone`: the message can no longer be edited (expired, recalled). `refused`: the call will never
 * succeed. `unavailable`: no answer, or a failing one, until the deadline. `ambiguous`: the text
 * may have been shown, and a repeat might show it twice. `throttled`, `dropped`: an edit that was
 * not worth waiting for. `exhausted`: the quota of the day or month has nothing left.
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
