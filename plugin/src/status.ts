/**
 * The status of an account for `openclaw channels status`: the result of a probe, and advice for
 * its owner.
 */
import { probe as dial } from "../../src/bots/client.ts";
import { type Account, CHANNEL, DEFAULT_ACCOUNT, whatIsMissing } from "./account.ts";
import { messageOf } from "./account_link.ts";

export interface Probe {
  readonly ok: boolean;
  /** Milliseconds that the dial took. */
  readonly elapsedMs?: number;
  readonly error?: string;
}

/** Dials the gateway as a stranger, so that the running line is not disturbed. */
export async function probeAccount(account: Account, timeoutMs: number): Promise<Probe> {
  const missing = whatIsMissing(account);
  if (missing) return { ok: false, error: missing };
  try {
    return {
      ok: true,
      elapsedMs: Math.round(await dial({ url: account.serverUrl, timeout: timeoutMs })),
    };
  } catch (cause) {
    return { ok: false, error: messageOf(cause) };
  }
}

export interface Snapshot {
  readonly accountId: string;
  readonly enabled?: boolean;
  readonly configured?: boolean;
  readonly lifecycle?: string;
  readonly lastError?: string | null;
  readonly dmPolicy?: string;
  /**
   * Whether OpenClaw keeps all direct messages of other channels in one session; ours are apart in
   * any case.
   */
  readonly sharesMain?: boolean;
}

export interface Issue {
  readonly channel: string;
  readonly accountId: string;
  readonly kind: "config" | "auth" | "runtime";
  readonly message: string;
  readonly fix?: string;
}

export function issuesOf(accounts: readonly Snapshot[]): Issue[] {
  const issues: Issue[] = [];
  for (const account of accounts) {
    const { accountId } = account;
    const say = (kind: Issue["kind"], message: string, fix?: string) =>
      issues.push({ channel: CHANNEL, accountId, kind, message, fix });
    if (account.enabled === false) continue;
    if (account.configured === false) {
      say(
        "config",
        "serverUrl and botId are not both set.",
        "openclaw channels add --channel nexus --server-url … --bot-id …",
      );
      continue;
    }
    if (account.lifecycle === "blocked") {
      say(
        "auth",
        account.lastError ?? "The gateway refused this bot.",
        "Check botId and token, then restart the channel.",
      );
    } else if (account.lifecycle === "recovering") {
      say(
        "runtime",
        `No line to the gateway: ${account.lastError ?? "unknown reason"}.`,
        "Is Nexus running at serverUrl?",
      );
    }
    if (account.dmPolicy === "open") {
      say(
        "config",
        "Everyone on the gateway may talk to this bot (dmPolicy is open).",
        "Set dmPolicy to pairing or allowlist.",
      );
    }
  }
  const first = accounts.find((account) =>
    account.sharesMain && account.enabled !== false && account.configured
  );
  if (first) {
    issues.push({
      channel: CHANNEL,
      accountId: first.accountId ?? DEFAULT_ACCOUNT,
      kind: "config",
      message:
        "session.dmScope is main: Nexus keeps its people apart, but scheduled and proactive runs may mix them.",
      fix: "openclaw config set session.dmScope per-account-channel-peer",
    });
  }
  return issues;
}
