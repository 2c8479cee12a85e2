/**
 * The target of a message that answers no question: a person (`user:bob`) or a conversation
 * (`conversation:c-1`).
 */

export interface PushTarget {
  readonly kind: "user" | "conversation";
  readonly id: string;
}

/**
 * Reads what people write: `user:bob`, `nexus:user:bob`, `conversation:c-1`, plugin 1.x's
 * `conv:c-1`, or a bare `bob`.
 */
export function readTarget(raw: string): PushTarget | undefined {
  const text = raw.trim().replace(/^nexus:/i, "");
  const match = /^(user|conversation|conv):(.*)$/is.exec(text);
  const kind = match && match[1]!.toLowerCase() !== "user" ? "conversation" : "user";
  const id = (match ? match[2]! : text).trim();
  return id === "" || id.length > 200 ? undefined : { kind, id };
}

export function writeTarget({ kind, id }: PushTarget): string {
  return `${kind}:${id}`;
}

/** `user:bob` of whatever was written, or nothing where it names nobody. */
export function normalizeTarget(raw: string): string | undefined {
  const target = readTarget(raw);
  return target && writeTarget(target);
}
