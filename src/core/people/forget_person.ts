/**
 * Forgetting a person: the one place that knows everything that is stored about somebody, used by
 * HTTP, by the command line and by a gateway that notices that another process removed somebody. It
 * can be called again and does no harm.
 *
 * What stays: the tombstone (their name and id were used), the audit log, hashes of their platform
 * identities, and what they said in a group that shares one conversation, which stands there
 * without their name.
 */
import type { Accounts } from "./accounts.ts";
import type { Allowances } from "./allowance.ts";
import type { ApiKeys } from "./api_key.ts";
import type { BotTokens } from "./bot_token.ts";
import type { Clock } from "../clock.ts";
import type { Sessions } from "./session.ts";
import { entries, keyPart, type Store } from "../store.ts";

export interface PersonalData {
  readonly store: Store;
  readonly clock: Pick<Clock, "now">;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly keys: ApiKeys;
  readonly allowances: Allowances;
  readonly botTokens: BotTokens;
  /** Conversations and turns; of a running gateway also what runs and what waits for pages. */
  readonly history: { removePerson(personId: string): Promise<void> };
  /** What the ids of people begin with who have no account and talk by an app: `lark:main:`. */
  readonly chatPrefixes: () => readonly string[];
}

/**
 * Milliseconds for which a message of somebody who is nobody any more stays in the outbox: they are
 * told so, and it goes by itself.
 */
const REJECTION_DELIVERY_MS = 5_000;

/** Deletes everything of an account that was retired (`Accounts.remove`). */
export async function forgetPerson(data: PersonalData, id: string): Promise<void> {
  const { store, accounts, sessions, keys, allowances, botTokens, history } = data;
  const senders = accounts.tombstones.sendersOf(id);
  await botTokens.forget(id);
  // Before they had an account, or were linked to it, they may have talked under an id of the
  // platform, or as a guest.
  const aliases = aliasesOf(data.chatPrefixes(), senders).filter((alias) =>
    accounts.isGuest(alias) || !accounts.view(alias)
  );
  for (const one of new Set([id, ...aliases])) {
    if (accounts.isGuest(one)) await accounts.editor.remove(one);
    await Promise.all([sessions.endOf(one, {}), keys.revoke(one), history.removePerson(one)]);
    // Behind the history: turns that were stopped for it have been counted.
    await allowances.forget(one);
    await removeAll(store, `talk:${keyPart(one)}:`);
    await accounts.languages.forget(one);
    await forgetChats(store, one, senders, data.clock.now() - REJECTION_DELIVERY_MS);
  }
  for (const one of [id, ...aliases]) await accounts.forget(one);
}

/** Ids of the form `lark:main:ou_1` that are made of what a platform calls somebody. */
function aliasesOf(prefixes: readonly string[], senders: readonly string[]): string[] {
  return senders.flatMap((sender) => {
    const [platform, value] = split(sender);
    return prefixes.filter((prefix) => prefix.startsWith(`${platform}:`)).map((prefix) =>
      prefix + value
    );
  });
}

/**
 * What is stored for chats with apps: where to write to somebody, what they chose, codes, and what
 * is on its way to them.
 */
async function forgetChats(
  store: Store,
  id: string,
  senders: readonly string[],
  before: number,
): Promise<void> {
  const isTheirs = (platform: string, sender: unknown) => senders.includes(`${platform}:${sender}`);
  for await (const [key, value] of entries(store, "im:")) {
    const [, what, platform = ""] = key.split(":");
    const isGone = what === "reach" || what === "home"
      ? isTheirs(platform, value.sender?.id) || key.endsWith(`:${id}`)
      : what === "use" || what === "union"
      ? senders.some((sender) =>
        split(sender)[0] === platform && key.endsWith(`:${split(sender)[1]}`)
      )
      : what === "conv" && key.endsWith(`:${id}`);
    if (isGone) await store.delete(key);
  }
  for await (const [key, { who }] of entries(store, "pair:code:")) {
    if (isTheirs(who.channel, who.id)) await store.delete(key);
  }
  for await (const [key, { who, account }] of entries(store, "pair:asked:")) {
    if (account === id || isTheirs(who.channel, who.id)) await store.delete(key);
  }
  for await (const [key] of entries(store, "pair:mine:")) {
    const [, , platform = "", , ...id] = key.split(":");
    if (isTheirs(platform, id.join(":"))) await store.delete(key);
  }
  for await (const [key, job] of entries(store, "outbox:")) {
    const platform = key.split(":")[1] ?? "";
    const isSettled = job.push !== undefined || job.at < before;
    const isGone = job.personId === id ||
      (isSettled && isTheirs(platform, job.incoming?.sender?.id));
    if (isGone) await store.delete(key);
  }
}

async function removeAll(store: Store, prefix: string): Promise<void> {
  for await (const [key] of entries(store, prefix)) await store.delete(key);
}

/** `lark:ou_1` in its two parts; the second may hold colons. */
function split(sender: string): [platform: string, value: string] {
  const at = sender.indexOf(":");
  return [sender.slice(0, at), sender.slice(at + 1)];
}
