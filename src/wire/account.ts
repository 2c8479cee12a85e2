/**
 * The JSON of a person's own account: who is signed in, sessions, API keys, linked chat apps. There
 * is no code here. Times are milliseconds since 1970.
 */

/** The person who is signed in, as `GET /api/me` and `POST /api/login` return it. */
export interface UserJson {
  /** Unique for ever, unlike the name. A gateway of version 1 does not send it. */
  readonly id?: string;
  readonly username: string;
  readonly displayName: string;
  readonly role?: "admin" | "member";
  /** The language of the account, also used in chat apps. */
  readonly language?: "en" | "zh";
}

/** A session, as `GET /api/sessions` lists it. */
export interface SessionJson {
  readonly id: string;
  readonly current?: boolean;
  /** The browser's User-Agent. */
  readonly agent?: string;
  readonly address?: string;
  readonly createdAt?: number;
  readonly lastSeenAt?: number;
}

/** An API key, without the key itself. */
export interface ApiKeyJson {
  readonly id: string;
  readonly name: string;
  /** Its first characters. */
  readonly begins: string;
  readonly scopes: readonly string[];
  /** The bots and pools it is limited to. */
  readonly bots?: readonly string[];
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly lastUsedAt?: number;
}

/** A provider of sign-ins, as `GET /api/sign-in` lists it. */
export interface SignInProviderJson {
  readonly id: string;
  readonly name: string;
  readonly url: string;
}

/** A person on a chat platform. */
export interface IdentityJson {
  readonly channel: string;
  readonly app: string;
  readonly id: string;
  readonly name?: string;
}

/** An identity that is linked to the account. */
export interface LinkedIdentityJson extends IdentityJson {
  readonly at: number;
  /** The platform itself vouches for the owner, so it cannot be unlinked. */
  readonly vouched?: boolean;
}
