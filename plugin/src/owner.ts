/**
 * The people who may approve what a tool wants to do. OpenClaw lets everyone approve who may give
 * commands in the conversation; at a gateway with many people that is too many.
 */
import { CHANNEL, normalizeEntry, readAccount, type Settings } from "./account.ts";

export interface OwnerSettings extends Settings {
  readonly commands?: { readonly ownerAllowFrom?: readonly (string | number)[] };
}

/** OpenClaw's owners as far as they are people of this channel; `*` for everyone. */
export function owners(settings: OwnerSettings): string[] {
  return (settings.commands?.ownerAllowFrom ?? []).map((entry) => String(entry).trim())
    // `telegram:7` is somebody elsewhere. A bare id is one of every channel.
    .filter((entry) => entry.startsWith(`${CHANNEL}:`) || !entry.includes(":"))
    .map(normalizeEntry)
    .filter((id) => id !== "");
}

/**
 * Where owners are named, they alone. Where nobody is, whoever was let in by name or by code;
 * nobody where everyone is let in.
 */
export function mayApprove(
  settings: OwnerSettings,
  accountId: string | null | undefined,
  personId: string | null | undefined,
): { authorized: boolean; reason?: string } {
  const known = owners(settings);
  if (known.includes("*") || (personId && known.includes(personId))) return { authorized: true };
  if (known.length === 0 && readAccount(settings, accountId).dmPolicy !== "open") {
    return { authorized: true };
  }
  const how = known.length > 0
    ? ""
    : ` (none is named: openclaw config set commands.ownerAllowFrom '["nexus:<personId>"]')`;
  return { authorized: false, reason: `❌ Only the owner of this agent may approve${how}.` };
}
