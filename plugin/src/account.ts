/**
 * This is an account: one bot of one Nexus gateway, as `channels.nexus` of `openclaw.json`
 * describes it.
 *
 * The top level of the section is the account `default` and holds what the named ones under
 * `accounts` share, except for who they are (`botId`, `botName`): two lines with one bot id would
 * push each other out.
 */

/** The channel's id in OpenClaw: the key below `channels`, and the prefix of targets. */
export const CHANNEL = "nexus";

/** The account that the top level of the section describes. */
export const DEFAULT_ACCOUNT = "default";

/** Who may talk to the bot: everyone, whoever was paired by code, or whoever is listed. */
export type DmPolicy = "open" | "pairing" | "allowlist";

/** How words travel: each token as it is made, block by block, or whole. */
export type Streaming = "token" | "block" | "off";

export interface Account {
  readonly accountId: string;
  readonly name: string | undefined;
  readonly enabled: boolean;
  /** Whether there is an address and a bot id to dial with. */
  readonly configured: boolean;
  /** `ws://host:port/bot-ws`; empty while it is not configured. */
  readonly serverUrl: string;
  readonly botId: string;
  readonly botName: string;
  /**
   * Absent where there is none, and where it is a secret reference that this process has not
   * resolved.
   */
  readonly token: string | undefined;
  readonly tokenStatus: "available" | "configured_unavailable" | "missing";
  /**
   * Milliseconds. Below 1,000 it is the wait before the first dials after a drop, above 30,000 the
   * longest wait.
   */
  readonly reconnectInterval: number;
  readonly dmPolicy: DmPolicy;
  /** Person ids as the gateway gives them; `*` for everyone. */
  readonly allowFrom: readonly string[];
  /** MiB of one image, in and out. */
  readonly mediaMaxMb: number;
  readonly streaming: Streaming;
  readonly showReasoning: boolean;
  readonly showTools: boolean;
}

/** The part of OpenClaw's configuration that is ours to read. */
export interface Settings {
  readonly channels?: { readonly [channel: string]: unknown };
}

/** What Nexus 1.x waits before it dials again. */
const DEFAULT_RECONNECT = 5000;
/** What the gateway takes in one message is 20 MiB of base64: 15 MiB of image. */
const DEFAULT_MEDIA_MB = 15;
const MAX_MEDIA_MB = 100;

/** Who an account is, which no other may be. */
const NOT_SHARED = { name: undefined, botId: undefined, botName: undefined };

type Fields = Readonly<Record<string, unknown>>;

/** The accounts of the configuration; `default` alone where there is none yet. */
export function listAccounts(settings: Settings): string[] {
  const section = sectionOf(settings);
  const named = Object.keys(fieldsOf(section.accounts)).map(accountKey);
  const ids = new Set(
    section.botId !== undefined || named.length === 0 ? [DEFAULT_ACCOUNT, ...named] : named,
  );
  return [...ids].sort((a, b) =>
    Number(b === DEFAULT_ACCOUNT) - Number(a === DEFAULT_ACCOUNT) || (a < b ? -1 : 1)
  );
}

export function defaultAccount(settings: Settings): string {
  return listAccounts(settings)[0] ?? DEFAULT_ACCOUNT;
}

/**
 * Reads an account. Never throws: what is wrong reads as not configured, and the schema has told
 * the owner before.
 */
export function readAccount(settings: Settings, accountId?: string | null): Account {
  const id = accountKey(accountId ?? defaultAccount(settings));
  const section = sectionOf(settings);
  const own = Object.entries(fieldsOf(section.accounts)).find(([key]) => accountKey(key) === id)
    ?.[1];
  const mine = withoutAbsent(fieldsOf(own));
  const fields: Record<string, unknown> = id === DEFAULT_ACCOUNT
    ? { ...section, ...mine }
    : { ...section, ...NOT_SHARED, ...mine };
  // A policy and its list belong together: whoever pairs strangers here must not inherit "everyone"
  // from there.
  if (mine.dmPolicy !== undefined && mine.allowFrom === undefined) fields.allowFrom = undefined;
  const serverUrl = textOf(fields.serverUrl);
  const botId = textOf(fields.botId);
  const token = typeof fields.token === "string" ? fields.token.trim() : undefined;
  return {
    accountId: id,
    name: textOf(fields.name) || textOf(fields.botName) || undefined,
    // Nexus 1.x needs `enabled: true`; a named account is on unless the section or itself is
    // off.
    enabled: section.enabled !== false && fields.enabled !== false,
    configured: serverUrl !== "" && botId !== "",
    serverUrl,
    botId,
    botName: textOf(fields.botName) || botId,
    token: token || undefined,
    tokenStatus: token
      ? "available"
      : isSecretRef(fields.token)
      ? "configured_unavailable"
      : "missing",
    reconnectInterval: numberOf(fields.reconnectInterval, DEFAULT_RECONNECT, 100, 300_000),
    dmPolicy: fields.dmPolicy === "open" || fields.dmPolicy === "allowlist"
      ? fields.dmPolicy
      : "pairing",
    allowFrom: allowEntries(fields.allowFrom),
    mediaMaxMb: numberOf(fields.mediaMaxMb, DEFAULT_MEDIA_MB, 1, MAX_MEDIA_MB),
    streaming: fields.streaming === "block" || fields.streaming === "off"
      ? fields.streaming
      : "token",
    showReasoning: fields.showReasoning === true,
    showTools: fields.showTools === true,
  };
}

/** What may be shown of an account: everything but the token. */
export function describeAccount(account: Account): Omit<Account, "token"> {
  const { token: _secret, ...open } = account;
  return open;
}

/** Why an account cannot dial, in words for its owner. */
export function whatIsMissing(account: Account): string {
  const missing = [account.serverUrl ? "" : "serverUrl", account.botId ? "" : "botId"].filter(
    Boolean,
  ).join(" and ");
  const at = account.accountId === DEFAULT_ACCOUNT
    ? "channels.nexus"
    : `channels.nexus.accounts.${account.accountId}`;
  return missing ? `set ${missing} in ${at}` : "";
}

/**
 * Whom the policy lets in besides the paired. `open` of Nexus 1.x asks for no list, so it means
 * everyone here too.
 */
export function effectiveAllowFrom(account: Account): string[] {
  return account.dmPolicy === "open" ? ["*"] : [...account.allowFrom];
}

/** An entry as people write it (`bob`, `user:bob`, `nexus:bob`) as the bare person id. */
export function normalizeEntry(entry: string): string {
  return entry.trim().replace(/^(?:nexus:)?(?:user:)?/i, "");
}

/** A patch of one account's own fields, in the place where they belong. */
export function withAccount<T extends Settings>(
  settings: T,
  accountId: string | null | undefined,
  patch: Fields,
): T {
  const id = accountKey(accountId ?? DEFAULT_ACCOUNT);
  const section = sectionOf(settings);
  const accounts = fieldsOf(section.accounts);
  const next = id === DEFAULT_ACCOUNT
    ? { ...section, ...patch }
    : { ...section, accounts: { ...accounts, [id]: { ...fieldsOf(accounts[id]), ...patch } } };
  return { ...settings, channels: { ...settings.channels, [CHANNEL]: next } };
}

function sectionOf(settings: Settings): Fields {
  return fieldsOf(settings.channels?.[CHANNEL]);
}

function accountKey(id: string): string {
  return id.trim().toLowerCase() || DEFAULT_ACCOUNT;
}

function isSecretRef(value: unknown): boolean {
  return typeof value === "object" && value !== null && "source" in value;
}

function allowEntries(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.map((entry) => normalizeEntry(String(entry))).filter((entry) => entry !== "");
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Fields
    : {};
}

function withoutAbsent(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value.trim() : "";
}

function numberOf(value: unknown, otherwise: number, least: number, most: number): number {
  return typeof value === "number" && Number.isFinite(value)
    ? Math.min(Math.max(value, least), most)
    : otherwise;
}
