/**
 * The way out for messages that answer no question: those that the agent sends by itself, those of
 * the command line, and requests for approval.
 */
import { type Bot, NotSent } from "../../src/bots/client.ts";
import type { AccountLinks } from "./account_link.ts";
import { type Media, writeMedia } from "./media.ts";
import { type PushTarget, readTarget, writeTarget } from "./target.ts";

export interface OutgoingMessage {
  readonly accountId: string;
  readonly to: string;
  readonly text: string;
  readonly media?: Media;
  /** The conversation it belongs to, where OpenClaw knows one. */
  readonly threadId?: string | number | null;
  /** A repeat with the same id is dropped by the gateway. */
  readonly id?: string;
  readonly signal?: AbortSignal;
  /** Called right before it goes: from there on it may have arrived. */
  readonly onDispatch?: () => Promise<void>;
  /**
   * A message of its own in any case: what is told inside an open turn has no id by which a repeat
   * is dropped.
   */
  readonly apart?: boolean;
}

export interface SendResult {
  readonly messageId: string;
  readonly to: string;
}

/**
 * Milliseconds that a message waits for a line that is being dialled; then the sender may try
 * again.
 */
const DIALLING = 5000;

/** It surely was not delivered. `again`: another try may do better. */
export class NotDelivered extends Error {
  override readonly name = "NotDelivered";

  constructor(message: string, readonly again: boolean, cause?: unknown) {
    super(message, { cause });
  }
}

/**
 * Sends. A person whose turn is open and belongs to the same conversation sees it right there;
 * everyone else gets a message of its own, with the gateway's receipt. Throws with words for
 * whoever sent it when it did not arrive: a {@linkcode NotDelivered} where that is sure.
 */
export async function sendMessage(
  lines: AccountLinks,
  outgoing: OutgoingMessage,
): Promise<SendResult> {
  const { accountId, media, threadId, id = crypto.randomUUID(), signal } = outgoing;
  const target = readTarget(outgoing.to);
  if (!target) {
    const got = `got "${outgoing.to}"`;
    throw new NotDelivered(
      `Cannot send: the target must be user:<id> or conversation:<id>, ${got}`,
      false,
    );
  }
  if (outgoing.text.trim() === "" && !media) {
    throw new NotDelivered("Cannot send: there is neither a text nor an image", false);
  }
  const line = lines.get(accountId);
  if (!line) {
    throw new NotDelivered(`Cannot send: the Nexus account "${accountId}" is not running`, true);
  }
  signal?.throwIfAborted();
  await there(line.bot);
  const { url, words } = media ? writeMedia(media, line.protocol) : {};
  const text = words === undefined ? outgoing.text : `${outgoing.text}\n\n${words}`.trim();
  const images = url === undefined ? [] : [url];
  const place: PushTarget = threadId ? { kind: "conversation", id: String(threadId) } : target;
  const { state } = line.bot;
  const old = state.phase === "ready" && state.gateway.protocol === 1;
  await outgoing.onDispatch?.();
  // Of a version-1 gateway a person is only there while a turn is open; of ours, a turn is
  // somewhere else's business unless it is the very conversation.
  const turn = line.present.find(place) ?? (old ? line.present.find(target) : undefined);
  if (turn && !outgoing.apart && (old || place.kind === "conversation")) {
    turn.answer.beside(text);
    for (const image of images) turn.answer.image(image);
    return { messageId: id, to: writeTarget(target) };
  }
  if (old) {
    const who = writeTarget(target);
    throw new NotDelivered(
      `Cannot send: ${who} has no open question, and this gateway takes nothing else`,
      false,
    );
  }
  const receipt = await line.bot.push({ to: writeTarget(place), content: text, images, id }).catch(
    (cause) => {
      throw cause instanceof NotSent
        ? new NotDelivered(`Cannot send: ${cause.message}`, true, cause)
        : cause;
    },
  );
  if (!receipt.success) {
    const why = receipt.error ?? "no reason given";
    // A person who is not there, or may not use this bot, will not be there a minute later.
    throw new NotDelivered(`The gateway did not take it: ${why}`, !why.startsWith("not_found"));
  }
  return { messageId: receipt.id, to: writeTarget(target) };
}

/**
 * Waits a moment for a line that is down. A sender that waits longer holds up everything behind it.
 */
async function there(bot: Bot): Promise<void> {
  if (bot.state.phase === "ready") return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error("there is no line to the gateway just now")),
      DIALLING,
    );
  });
  try {
    await Promise.race([bot.ready(), late]);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new NotDelivered(`Cannot send: ${why}`, true, cause);
  } finally {
    clearTimeout(timer);
  }
}
