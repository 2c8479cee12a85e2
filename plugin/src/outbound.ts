/**
 * This is the way out for what nobody is waiting for: a message the agent sends by itself, one from the command line, a
 * question for approval.
 */
import type { Lines } from "./line.ts";
import { type Media, writeMedia } from "./media.ts";
import { readTarget, type Target, writeTarget } from "./target.ts";

export interface Outgoing {
  readonly accountId: string;
  readonly to: string;
  readonly text: string;
  readonly media?: Media;
  /** The conversation it belongs to, where OpenClaw knows one. */
  readonly threadId?: string | number | null;
  /** A repeat with the same id is dropped by the gateway. */
  readonly id?: string;
  readonly signal?: AbortSignal;
}

export interface Sent {
  readonly messageId: string;
  readonly to: string;
}

/**
 * Sends. A person whose turn is open and belongs to the same conversation sees it right there; everyone else gets a message of
 * its own, with the gateway's receipt. Throws with words for whoever sent it when it did not arrive.
 */
export async function send(lines: Lines, outgoing: Outgoing): Promise<Sent> {
  const { accountId, media, threadId, id = crypto.randomUUID(), signal } = outgoing;
  const target = readTarget(outgoing.to);
  if (!target) throw new Error(`Cannot send: the target must be user:<id> or conversation:<id>, got "${outgoing.to}"`);
  if (outgoing.text.trim() === "" && !media) throw new Error("Cannot send: there is neither a text nor an image");
  const line = lines.get(accountId);
  if (!line) throw new Error(`Cannot send: the Nexus account "${accountId}" is not running`);
  signal?.throwIfAborted();
  const { url, words } = media ? writeMedia(media, line.protocol) : {};
  const text = words === undefined ? outgoing.text : `${outgoing.text}\n\n${words}`.trim();
  const images = url === undefined ? [] : [url];
  const place: Target = threadId ? { kind: "conversation", id: String(threadId) } : target;
  const { state } = line.bot;
  const old = state.phase === "ready" && state.gateway.protocol === 1;
  // Of a version-1 gateway a person is only there while a turn is open; of ours, a turn is somewhere else's business unless
  // it is the very conversation.
  const turn = line.present.find(place) ?? (old ? line.present.find(target) : undefined);
  if (turn && (old || place.kind === "conversation")) {
    turn.answer.beside(text);
    for (const image of images) turn.answer.image(image);
    return { messageId: id, to: writeTarget(target) };
  }
  if (old) {
    throw new Error(`Cannot send: ${writeTarget(target)} has no open question, and this gateway takes nothing else`);
  }
  const receipt = await line.bot.push({ to: writeTarget(place), content: text, images, id });
  if (!receipt.success) throw new Error(`The gateway did not take it: ${receipt.error ?? "no reason given"}`);
  return { messageId: receipt.id, to: writeTarget(target) };
}
