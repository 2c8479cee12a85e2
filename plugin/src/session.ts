/**
 * The OpenClaw session of a person's messages: one for each bot and person, and one more for each
 * further conversation.
 */

import { createHash } from "node:crypto";

/** The part of OpenClaw's configuration that decides how direct messages share sessions. */
export interface SessionSettings {
  readonly session?: { readonly dmScope?: string };
}

/** The only scope that keeps two people, and two bots, apart. */
export const OWN_SCOPE = "per-account-channel-peer";

/**
 * The configuration with a scope that gives each person a session of their own. Nexus stands
 * between a bot and many people; OpenClaw's default (`main`) would show each of them what the
 * others said. `per-peer` is left alone: who sets it has linked identities on purpose.
 */
export function withOwnScope<T extends SessionSettings>(settings: T): T {
  const scope = settings.session?.dmScope;
  if (scope === OWN_SCOPE || scope === "per-peer") return settings;
  return { ...settings, session: { ...settings.session, dmScope: OWN_SCOPE } };
}

/**
 * Whether people who are not behind Nexus still share one session, which is worth a word in the
 * status.
 */
export function sharesMain(settings: SessionSettings): boolean {
  const scope = settings.session?.dmScope;
  return scope === undefined || scope === "main";
}

/**
 * A person's id as part of a session key. OpenClaw makes keys lower case and cuts them at colons,
 * so ids that would come out as somebody else's get a hash of what was lost.
 */
export function peerKey(id: string): string {
  const plain = id.toLowerCase().replace(/[^\p{L}\p{N}._@-]+/gu, "_");
  return plain === id ? id : `${plain}-${hash(id)}`;
}

/**
 * The key of one conversation's session. Without an id (version-1 gateways have none) it is the
 * person's own session.
 */
export function sessionKey(base: string, conversationId: string | undefined): string {
  return conversationId ? `${base}:thread:${peerKey(conversationId)}` : base;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
