/**
 * Random tokens, their hashes, and comparison in constant time.
 *
 * Tokens are long and random, so they are stored as SHA-256 in the form `sha256:<hex>`. Passwords
 * are not: see `password_hash.ts`.
 */

const encoder = new TextEncoder();

/** `bytes` random bytes in hex. */
export function randomToken(bytes = 32): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}

/**
 * A password that a person can read aloud: four groups of five letters and digits without
 * look-alikes, 99 bits.
 */
export function randomPassword(): string {
  const letters = "abcdefghjkmnpqrstuvwxyz23456789";
  const groups: string[] = [];
  while (groups.length < 4) {
    let group = "";
    while (group.length < 5) {
      const [byte] = crypto.getRandomValues(new Uint8Array(1));
      // 248 = 8 × 31: what lies above would make the first letters likelier.
      if (byte! < 248) group += letters[byte! % letters.length];
    }
    groups.push(group);
  }
  return groups.join("-");
}

/** `sha256:<hex>` of a token. */
export async function hashToken(token: string): Promise<string> {
  return `sha256:${
    new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(token))).toHex()
  }`;
}

/** HMAC-SHA-256 of a text under a key that is itself a text; in hex. */
export async function hmacOf(key: string, text: string): Promise<string> {
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", encoder.encode(key), hmac, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, encoder.encode(text))).toHex();
}

/** Compares without telling by time where the texts differ; only their length shows. */
export function timingSafeEqual(a: string, b: string): boolean {
  let different = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) {
    different |= a.charCodeAt(i) ^ b.charCodeAt(i % (b.length || 1));
  }
  return different === 0;
}
