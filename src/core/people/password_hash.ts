/**
 * Password hashes: argon2id in the PHC form `$argon2id$v=19$m=…,t=…,p=…$salt$hash` (RFC 9106).
 */
import { timingSafeEqual } from "./secret.ts";

/**
 * What OWASP's password storage cheat sheet names as a minimum: 19 MiB, two passes, one lane. 58 ms
 * here.
 */
const ARGON = { memory: 19_456, passes: 2, lanes: 1 } as const;

/**
 * The dearest hash that is computed at all: KiB of memory, passes, lanes. What is beyond matches
 * nothing.
 */
export const HASH_BOUNDS = { memory: 65_536, passes: 10, lanes: 4 } as const;

/** Hashes at once: each takes 19 MiB and a core. */
export const MAX_CONCURRENT_HASHES = 2;

/** Those who wait for one, at most; past it sign-in says "later". */
export const MAX_QUEUED_HASHES = 100;

const encoder = new TextEncoder();

/**
 * Argon2id as a function: what stands in where Web Crypto does not know it. Returns `length` bytes.
 */
export type Argon2id = (
  password: Uint8Array<ArrayBuffer>,
  salt: Uint8Array<ArrayBuffer>,
  memory: number,
  passes: number,
  lanes: number,
  length: number,
) => Promise<Uint8Array>;

/** Hashes passwords, few at once. */
export class PasswordHasher {
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #fallback: Argon2id | undefined;

  constructor(fallback?: Argon2id) {
    this.#fallback = fallback;
  }

  /** A PHC string. Throws `RangeError` when too many wait already. */
  async hash(password: string): Promise<string> {
    const salt = crypto.getRandomValues(new Uint8Array(16));
    const { memory, passes, lanes } = ARGON;
    const hash = await this.#derive(password, salt, memory, passes, lanes, 32);
    return `$argon2id$v=19$m=${memory},t=${passes},p=${lanes}$${unpadded(salt)}$${unpadded(hash)}`;
  }

  /** Whether this is the password. A PHC string that cannot be read matches nothing. */
  async matches(password: string, phc: string): Promise<boolean> {
    const parts = readPhc(phc);
    if (!parts) return false;
    const hash = await this.#derive(
      password,
      parts.salt,
      parts.memory,
      parts.passes,
      parts.lanes,
      parts.hash.length,
    );
    return timingSafeEqual(unpadded(hash), unpadded(parts.hash));
  }

  async #derive(
    password: string,
    salt: Uint8Array<ArrayBuffer>,
    memory: number,
    passes: number,
    lanes: number,
    length: number,
  ): Promise<Uint8Array> {
    if (this.#waiting.length >= MAX_QUEUED_HASHES) {
      throw new RangeError("too many passwords wait to be hashed");
    }
    if (this.#running >= MAX_CONCURRENT_HASHES) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running++;
    try {
      return await argon2id(
        encoder.encode(password.normalize("NFC")),
        salt,
        memory,
        passes,
        lanes,
        length,
      );
    } catch (error) {
      // An older runtime. Everything else is a failure.
      const unknown = error instanceof DOMException &&
        (error.name === "NotSupportedError" || error.name === "SyntaxError");
      if (!unknown || !this.#fallback) throw error;
      return await this.#fallback(
        encoder.encode(password.normalize("NFC")),
        salt,
        memory,
        passes,
        lanes,
        length,
      );
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}

/** Whether a text is a hash that {@linkcode PasswordHasher.matches} can check. */
export function isPasswordHash(text: string): boolean {
  return readPhc(text) !== undefined;
}

/**
 * Whether a text begins like a password hash, ours or another program's: `$argon2id$…`, `$2b$…`.
 */
export function looksLikeHash(text: string): boolean {
  return /^\$(?:argon2(?:id|i|d)?|scrypt|bcrypt|pbkdf2(?:-[a-z0-9]+)?|2[abxy])\$/i.test(text);
}

/**
 * Why a text that looks like a hash is not taken as one, in words; `undefined` where it is, or
 * looks like none.
 */
export function hashProblem(text: string): string | undefined {
  if (!looksLikeHash(text) || isPasswordHash(text)) return undefined;
  const { memory, passes, lanes } = HASH_BOUNDS;
  return `must be a password or a whole argon2id hash with m up to ${memory}, t up to ${passes} and p up to ${lanes}`;
}

/** Argon2id by Web Crypto (a modern addition, hence the casts: the types do not know it yet). */
async function argon2id(
  password: Uint8Array<ArrayBuffer>,
  nonce: Uint8Array<ArrayBuffer>,
  memory: number,
  passes: number,
  parallelism: number,
  length: number,
): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey("raw-secret" as "raw", password, "Argon2id", false, [
    "deriveBits",
  ]);
  const algorithm = { name: "Argon2id", nonce, memory, passes, parallelism };
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, length * 8));
}

function readPhc(phc: string) {
  if (phc.length > 300) return undefined;
  const match =
    /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/
      .exec(phc);
  if (!match) return undefined;
  const [, , , , salt, hash] = match;
  const [memory, passes, lanes] = match.slice(1, 4).map(Number) as [number, number, number];
  const isWithin = memory <= HASH_BOUNDS.memory && passes <= HASH_BOUNDS.passes &&
    lanes <= HASH_BOUNDS.lanes;
  // Below these argon2id is not defined (RFC 9106, 3.1).
  if (!isWithin || passes < 1 || lanes < 1 || memory < 8 * lanes) return undefined;
  try {
    return {
      memory,
      passes,
      lanes,
      salt: Uint8Array.fromBase64(salt!),
      hash: Uint8Array.fromBase64(hash!),
    };
  } catch {
    // Cut when it was copied: a length that base64 does not have.
    return undefined;
  }
}

/** Base64 without padding, as the PHC form wants it. */
function unpadded(bytes: Uint8Array): string {
  return bytes.toBase64({ omitPadding: true });
}
