/**
 * The keys under which core stores conversations and turns. Their form is part of every stored
 * database and must not change.
 */
import { keyPart } from "./store.ts";

/** Every conversation begins with this. */
export const CONVERSATIONS = "conv:";

/** Every turn begins with this; the ids begin with the time. */
export const TURNS = "turn:";

/** Present while a process uses the store; a process that finds it follows a crash. */
export const ARCHIVE_OPEN = "archive:open";

/** The time of the last full check after a start, milliseconds since the epoch. */
export const LAST_FULL_CHECK = "checkup:full";

/** The conversations of a person begin with this. */
export function conversationsOf(personId: string): string {
  return `${CONVERSATIONS}${keyPart(personId)}:`;
}

export function conversationKey(personId: string, conversationId: string): string {
  return conversationsOf(personId) + keyPart(conversationId);
}

/** Whose a conversation is. */
export function ownerKey(conversationId: string): string {
  return `owner:${keyPart(conversationId)}`;
}

export function turnKey(turnId: string): string {
  return TURNS + keyPart(turnId);
}

/** The places of a conversation's turns begin with this; each holds the id of a turn. */
export function turnsOf(conversationId: string): string {
  return `turns:${keyPart(conversationId)}:`;
}

/** The place of a turn in its conversation. */
export function placeKey(conversationId: string, order: string | undefined): string {
  return `${turnsOf(conversationId)}${order}`;
}

/** A person's default conversations. */
export function defaultsKey(personId: string): string {
  return `default:${keyPart(personId)}`;
}

/** The language that an account is addressed in. */
export function languageKey(accountId: string): string {
  return `language:${keyPart(accountId)}`;
}
