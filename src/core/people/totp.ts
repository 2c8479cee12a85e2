/**
 * One-time codes of authenticator apps: TOTP (RFC 6238) with the parameters that all apps support,
 * SHA-1, six digits and 30 seconds.
 *
 * The library otpauth brings hashes of its own and takes 45 ms to import; Web Crypto computes the
 * HMAC natively. The tests check the vectors of the RFC.
 */
import { timingSafeEqual } from "./secret.ts";

/** Seconds for which a code is valid. */
const STEP_SECONDS = 30;

/**
 * Steps before and after the current one that are accepted too: clocks differ, and typing takes
 * time.
 */
const DRIFT_STEPS = 1;

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A new secret in base32, 160 bits as RFC 4226 recommends. */
export function newTotpSecret(): string {
  return toBase32(crypto.getRandomValues(new Uint8Array(20)));
}

/** The address in the QR code, in the key URI format that all apps read. */
export function totpUri(secret: string, issuer: string, account: string): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(account)}`;
  return `otpauth://totp/${label}?secret=${secret}&issuer=${
    encodeURIComponent(issuer)
  }&digits=6&period=${STEP_SECONDS}`;
}

/** The code of one time step. Throws `RangeError` if the secret is not base32. */
export async function totpCode(secret: string, step: number, digits = 6): Promise<string> {
  const key = await crypto.subtle.importKey(
    "raw",
    fromBase32(secret),
    { name: "HMAC", hash: "SHA-1" },
    false,
    [
      "sign",
    ],
  );
  const counter = new DataView(new ArrayBuffer(8));
  counter.setBigUint64(0, BigInt(step));
  const mac = new DataView(await crypto.subtle.sign("HMAC", key, counter));
  // Dynamic truncation, RFC 4226 section 5.3.
  const number = mac.getUint32(mac.getUint8(19) & 15) & 0x7fffffff;
  return String(number % 10 ** digits).padStart(digits, "0");
}

/**
 * Returns the time step of a code, or `undefined` if the code is wrong. Each code is accepted once:
 * only steps after `lastStep` are tried, so that nobody can reuse a code that they saw.
 *
 * @param now milliseconds since the epoch
 */
export async function totpStep(
  secret: string,
  code: string,
  now: number,
  lastStep = -1,
): Promise<number | undefined> {
  if (!/^\d{6}$/.test(code)) return undefined;
  const current = Math.floor(now / 1000 / STEP_SECONDS);
  let found: number | undefined;
  for (let step = current - DRIFT_STEPS; step <= current + DRIFT_STEPS; step++) {
    if (step > lastStep && timingSafeEqual(await totpCode(secret, step), code)) found = step;
  }
  return found;
}

export function toBase32(bytes: Uint8Array): string {
  let bits = 0, value = 0, text = "";
  for (const byte of bytes) {
    value = value << 8 | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[value >>> bits & 31];
    }
    value &= (1 << bits) - 1;
  }
  return bits > 0 ? text + BASE32[value << 5 - bits & 31] : text;
}

function fromBase32(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.floor(text.length * 5 / 8));
  let bits = 0, value = 0, at = 0;
  for (const letter of text) {
    const digit = BASE32.indexOf(letter);
    if (digit < 0) throw new RangeError("the secret is not base32");
    value = value << 5 | digit;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = value >>> bits & 255;
      value &= (1 << bits) - 1;
    }
  }
  return bytes;
}
