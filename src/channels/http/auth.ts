/**
 * Authentication: resolves a session token, an API key or a browser's cookie to a caller, and
 * checks whether the caller may use a route.
 */
import type { Accounts } from "../../core/people/accounts.ts";
import { type ApiKey, type ApiKeys, KEY_PREFIX } from "../../core/people/api_key.ts";
import { NexusError } from "../../core/error.ts";
import type { Person } from "../../core/message.ts";
import type { Session, Sessions } from "../../core/people/session.ts";
import { cookieOf, SESSION_COOKIE } from "./cookie.ts";
import type { StreamReader } from "./stream_registry.ts";
import type { Access } from "./route.ts";

export interface Caller {
  readonly person: Person;
  readonly session: Session;
  readonly token: string;
  /** The API key, if the caller used one. `session` then only holds the key's lifetime. */
  readonly key?: ApiKey;
}

export interface AuthParts {
  readonly accounts: Pick<Accounts, "person">;
  readonly sessions: Sessions;
  readonly keys?: ApiKeys;
  /** Origins besides our own whose pages may use a cookie or read answers. */
  readonly allowedOrigins: () => readonly string[];
}

export class Auth {
  readonly #parts: AuthParts;

  constructor(parts: AuthParts) {
    this.#parts = parts;
  }

  /**
   * Authenticates from memory, without waiting. `undefined`: ask {@linkcode authenticate}.
   *
   * @param access what the route says of who may take it
   */
  authenticateFromMemory(request: Request, access: Access): Caller | undefined {
    const bearer = request.headers.get("authorization");
    if (!bearer?.startsWith("Bearer ")) return undefined;
    const token = bearer.slice(7);
    let caller: Caller | undefined;
    if (token.startsWith(KEY_PREFIX)) {
      const key = this.#parts.keys?.peek(token);
      caller = key && this.#byKey(key, token);
    } else {
      const session = this.#parts.sessions.peek(token);
      const person = session && this.#parts.accounts.person(session.personId);
      caller = person && { person, session, token };
    }
    return caller && refusalOf(caller, access) === undefined ? caller : undefined;
  }

  /**
   * Authenticates a request. Throws `unauthenticated`; `session_expired`; `forbidden` if a page of
   * another site uses the cookie, or if the key does not open the route; `not_found` if the route
   * exists for admins only.
   *
   * @param access what the route says of who may take it
   */
  async authenticate(request: Request, access: Access): Promise<Caller> {
    const caller = await this.#identified(request);
    const refusal = refusalOf(caller, access);
    if (refusal) throw refusal;
    return caller;
  }

  async #identified(request: Request): Promise<Caller> {
    const bearer = bearerOf(request) ?? keyHeaderOf(request);
    const cookie = bearer === undefined ? cookieOf(request, SESSION_COOKIE) : undefined;
    const token = bearer ?? cookie;
    if (!token) throw new NexusError("unauthenticated");
    if (cookie !== undefined) this.#checkOrigin(request);
    if (token.startsWith(KEY_PREFIX)) {
      const key = await this.#parts.keys?.find(token);
      const caller = key && this.#byKey(key, token);
      if (!caller) throw new NexusError("unauthenticated");
      return caller;
    }
    const session = await this.#parts.sessions.find(token);
    const person = session && this.#parts.accounts.person(session.personId);
    if (!person) throw new NexusError("session_expired");
    return { person, session, token };
  }

  /** The caller's person as of now: their rights can change while a stream is open. */
  currentPerson({ person, key }: Caller): Person | undefined {
    const owner = this.#parts.accounts.person(person.id);
    return owner && asCaller(owner, key);
  }

  /** A caller as the reader of a stream. */
  streamReader(caller: Caller): StreamReader {
    const { person, key } = caller;
    return {
      person: person.id,
      refusal: key ? "unauthenticated" : "session_expired",
      reach: person.keyScope,
      isStillValid: () => this.isStillValid(caller),
    };
  }

  /**
   * Whether a caller who was authenticated earlier still would be. Does not extend the session.
   */
  async isStillValid({ person, token, key }: Caller): Promise<boolean> {
    if (!this.#parts.accounts.person(person.id)) return false;
    return key
      ? await this.#parts.keys?.find(token) !== undefined
      : await this.#parts.sessions.isValid(token);
  }

  /**
   * Rejects a sign-in from a page of another site, which must not sign its visitor in. The check on
   * cookies does not help here, because a sign-in needs no cookie. Throws `forbidden`.
   */
  refuseCrossSite(request: Request): void {
    const origin = request.headers.get("origin");
    const foreign = origin !== null
      ? !this.allowsOrigin(request, origin)
      : request.headers.get("sec-fetch-site") === "cross-site";
    if (foreign) throw new NexusError("forbidden", "this request comes from another site");
  }

  #byKey(key: ApiKey, token: string): Caller | undefined {
    const owner = this.#parts.accounts.person(key.personId);
    if (!owner) return undefined;
    const person = asCaller(owner, key);
    const { id, personId, createdAt, expiresAt = FAR, lastUsedAt: lastSeenAt = createdAt } = key;
    return { person, token, key, session: { id, personId, createdAt, expiresAt, lastSeenAt } };
  }

  /** Whether a page of this origin may use the gateway as a browser's user. */
  allowsOrigin(request: Request, origin: string): boolean {
    if (this.#parts.allowedOrigins().includes(origin)) return true;
    try {
      // The scheme is not compared: behind a proxy that ends TLS the gateway sees http.
      return new URL(origin).host === (request.headers.get("host") ?? new URL(request.url).host);
    } catch {
      return false;
    }
  }

  /**
   * A cookie travels by itself, so a page of another site could make its visitor's browser act here
   * (cross-site request forgery). Browsers say where a request comes from; one that changes
   * something must come from us.
   */
  #checkOrigin(request: Request): void {
    if (request.method === "GET" || request.method === "HEAD") return;
    const origin = request.headers.get("origin");
    const site = request.headers.get("sec-fetch-site");
    if (origin !== null ? this.allowsOrigin(request, origin) : site === "same-origin") return;
    throw new NexusError("forbidden", "this request comes from another site");
  }
}

/** Why an authenticated caller may not use a route; `undefined`: they may. */
function refusalOf({ person, key }: Caller, access: Access): NexusError | undefined {
  if (access.who !== "member" && access.who !== "admin") return undefined;
  if (access.who === "admin" && person.role !== "admin") return new NexusError("not_found");
  if (!key) return undefined;
  if (access.keys.length === 0) {
    return new NexusError("forbidden", "this needs a sign-in, a key is not enough");
  }
  if (!access.keys.some((scope) => key.scopes.includes(scope))) {
    return new NexusError("forbidden", `the key lacks the scope ${access.keys.join(" or ")}`);
  }
  if (key.bots && "bots" in access && access.bots === "closed") {
    return new NexusError(
      "forbidden",
      "the key is bound to some bots, and this is not about one of them",
    );
  }
  return undefined;
}

/** The end of a key that has none: the last day that JavaScript's dates know. */
const FAR = 8_640_000_000_000_000;

/**
 * The person as a key, where one was shown, lets them in: they use what both the owner and the key
 * may use (pools count by their name on both sides), and read what the key reads. Without the scope
 * `admin` an admin's key is a member's.
 */
function asCaller(owner: Person, key: ApiKey | undefined): Person {
  if (!key) return owner;
  const role = key.scopes.includes("admin") ? owner.role : "member";
  const { bots: own } = owner;
  const bots = key.bots && own ? key.bots.filter((bot) => own.includes(bot)) : key.bots ?? own;
  const isOwn = !key.scopes.includes("read");
  const reach = key.bots || isOwn ? { key: key.id, bots: key.bots, own: isOwn } : undefined;
  return { ...owner, role, bots, keyScope: reach };
}

/**
 * The Bearer token. Another scheme is the business of a proxy in front, and does not hide the
 * cookie.
 */
function bearerOf(request: Request): string | undefined {
  const header = request.headers.get("authorization");
  return header === null ? undefined : /^bearer +(\S+)\s*$/i.exec(header)?.[1];
}

/**
 * A key in a header of its own, as clients of Azure and Anthropic send it. No page of another site
 * can do that.
 */
function keyHeaderOf(request: Request): string | undefined {
  return request.headers.get("x-api-key") || request.headers.get("api-key") || undefined;
}
