/**
 * Who is calling: the person behind a session's Bearer token, an API key or a browser's cookie.
 */
import type { Accounts } from "../core/account.ts";
import { type ApiKey, type ApiKeys, KEY_PREFIX, type Scope } from "../core/api_key.ts";
import { NexusError } from "../core/error.ts";
import type { Person } from "../core/message.ts";
import type { Session, Sessions } from "../core/session.ts";
import { DEVICE_DAYS } from "../core/sign_in_limits.ts";
import type { Reader } from "./pulse.ts";

export const COOKIE = "nexus_session";

export interface Caller {
  readonly person: Person;
  readonly session: Session;
  readonly token: string;
  /** What was shown, where it is a key. `session` then only says until when it is good. */
  readonly key?: ApiKey;
}

/** What a caller is asked to show: a key with this scope or a session; any key or a session (`any`); a session only (`person`). */
export type Need = Scope | "any" | "person";

export interface DoorParts {
  readonly accounts: Pick<Accounts, "person">;
  readonly sessions: Sessions;
  readonly keys?: ApiKeys;
  /** Origins besides our own whose pages may use a cookie or read answers. */
  readonly allowedOrigins: () => readonly string[];
}

export class Door {
  readonly #parts: DoorParts;

  constructor(parts: DoorParts) {
    this.#parts = parts;
  }

  /** Who is calling to chat, from memory: no waiting. `undefined` says only that {@linkcode caller} must be asked. */
  recall(request: Request): Caller | undefined {
    const bearer = request.headers.get("authorization");
    if (!bearer?.startsWith("Bearer ")) return undefined;
    const token = bearer.slice(7);
    if (token.startsWith(KEY_PREFIX)) {
      const key = this.#parts.keys?.recall(token);
      return key?.scopes.includes("chat") ? this.#byKey(key, token) : undefined;
    }
    const session = this.#parts.sessions.recall(token);
    const person = session && this.#parts.accounts.person(session.personId);
    return person && { person, session, token };
  }

  /**
   * Who is calling. Throws `unauthenticated`, `session_expired`, or `forbidden` when another site's page uses the cookie or a key
   * lacks the scope.
   */
  async caller(request: Request, need: Need = "chat"): Promise<Caller> {
    const bearer = bearerOf(request);
    const cookie = bearer === undefined ? cookieOf(request) : undefined;
    const token = bearer ?? cookie;
    if (!token) throw new NexusError("unauthenticated");
    if (cookie !== undefined) this.#checkOrigin(request);
    if (token.startsWith(KEY_PREFIX)) return await this.#keyHolder(token, need);
    const session = await this.#parts.sessions.find(token);
    const person = session && this.#parts.accounts.person(session.personId);
    if (!person) throw new NexusError("session_expired");
    return { person, session, token };
  }

  /** Who a caller is by now: what they may use can change while a stream is open. */
  personNow({ person, key }: Caller): Person | undefined {
    const owner = this.#parts.accounts.person(person.id);
    return owner && asCaller(owner, key);
  }

  /** A caller as the reader of a stream. */
  reader(caller: Caller): Reader {
    const { person, key } = caller;
    return {
      person: person.id,
      refusal: key ? "unauthenticated" : "session_expired",
      holds: () => this.holds(caller),
    };
  }

  /** Whether somebody who was let in a while ago still would be. Does not count as a use of the session. */
  async holds({ person, token, key }: Caller): Promise<boolean> {
    if (!this.#parts.accounts.person(person.id)) return false;
    return key ? await this.#parts.keys?.find(token) !== undefined : await this.#parts.sessions.holds(token);
  }

  /** An admin. To everybody else admin routes do not exist. */
  async admin(request: Request): Promise<Caller> {
    const caller = await this.caller(request, "admin");
    if (caller.person.role !== "admin") throw new NexusError("not_found");
    return caller;
  }

  /** Signing in needs no cookie, so the check on cookies does not help there: a page of another site must not sign its visitor in. */
  refuseForeign(request: Request): void {
    const origin = request.headers.get("origin");
    const foreign = origin !== null
      ? !this.mayUse(request, origin)
      : request.headers.get("sec-fetch-site") === "cross-site";
    if (foreign) throw new NexusError("forbidden", "this request comes from another site");
  }

  async #keyHolder(token: string, need: Need): Promise<Caller> {
    const key = await this.#parts.keys?.find(token);
    const caller = key && this.#byKey(key, token);
    if (!caller) throw new NexusError("unauthenticated");
    if (need === "person") throw new NexusError("forbidden", "this needs a sign-in, a key is not enough");
    if (need !== "any" && !key.scopes.includes(need)) {
      throw new NexusError("forbidden", `the key lacks the scope ${need}`);
    }
    return caller;
  }

  #byKey(key: ApiKey, token: string): Caller | undefined {
    const owner = this.#parts.accounts.person(key.personId);
    if (!owner) return undefined;
    const person = asCaller(owner, key);
    const { id, personId, createdAt, expiresAt = FAR, lastUsedAt: lastSeenAt = createdAt } = key;
    return { person, token, key, session: { id, personId, createdAt, expiresAt, lastSeenAt } };
  }

  /** Whether a page of this origin may use the gateway as a browser's user. */
  mayUse(request: Request, origin: string): boolean {
    if (this.#parts.allowedOrigins().includes(origin)) return true;
    try {
      // The scheme is not compared: behind a proxy that ends TLS the gateway sees http.
      return new URL(origin).host === (request.headers.get("host") ?? new URL(request.url).host);
    } catch {
      return false;
    }
  }

  /**
   * A cookie travels by itself, so a page of another site could make its visitor's browser act here (cross-site request forgery). Browsers
   * say where a request comes from; one that changes something must come from us.
   */
  #checkOrigin(request: Request): void {
    if (request.method === "GET" || request.method === "HEAD") return;
    const origin = request.headers.get("origin");
    const site = request.headers.get("sec-fetch-site");
    if (origin !== null ? this.mayUse(request, origin) : site === "same-origin") return;
    throw new NexusError("forbidden", "this request comes from another site");
  }
}

/** The end of a key that has none: the last day that JavaScript's dates know. */
const FAR = 8_640_000_000_000_000;

/** The person as a key, where one was shown, lets them in: what both the owner and the key may use. Pools count by their name on both sides. */
function asCaller(owner: Person, key: ApiKey | undefined): Person {
  if (!key?.bots) return owner;
  const { bots: own } = owner;
  return { ...owner, bots: own ? key.bots.filter((bot) => own.includes(bot)) : key.bots };
}

/** The Bearer token. Another scheme is the business of a proxy in front, and does not hide the cookie. */
function bearerOf(request: Request): string | undefined {
  const header = request.headers.get("authorization");
  return header === null ? undefined : /^bearer +(\S+)\s*$/i.exec(header)?.[1];
}

function cookieOf(request: Request): string | undefined {
  return cookieNamed(request, COOKIE);
}

/** The value of a cookie; `undefined` where it is empty or absent. */
export function cookieNamed(request: Request, wanted: string): string | undefined {
  const header = request.headers.get("cookie");
  if (!header) return undefined;
  for (const part of header.split(";")) {
    const [name, value] = part.trim().split("=", 2);
    if (name === wanted) return value || undefined;
  }
  return undefined;
}

/** What a browser shows that has signed in before: its tries are counted apart. Only the sign-in sees it. */
export const DEVICE_COOKIE = "nexus_device";

/** `Set-Cookie` for a browser that has signed in. */
export function deviceCookie(device: string, secure: boolean): [string, string] {
  const parts = [
    `${DEVICE_COOKIE}=${device}`,
    "Path=/api/login",
    "HttpOnly",
    "SameSite=Strict",
    `Max-Age=${DEVICE_DAYS * 86_400}`,
  ];
  if (secure) parts.push("Secure");
  return ["set-cookie", parts.join("; ")];
}

/** `Set-Cookie` for a session that begins, or for one that ends (no token). */
export function sessionCookie(token: string | undefined, seconds: number, secure: boolean): [string, string] {
  const parts = [
    `${COOKIE}=${token ?? ""}`,
    "Path=/",
    "HttpOnly",
    "SameSite=Lax",
    `Max-Age=${token === undefined ? 0 : seconds}`,
  ];
  if (secure) parts.push("Secure");
  return ["set-cookie", parts.join("; ")];
}
