/**
 * One-time codes of an authenticator app: TOTP as in RFC 6238 with what every app assumes, SHA-1,
 * six digits, 30 seconds.
 */

/** Seconds that a code is for. */
const STEP = 30;

/**
 * Steps before and after now that count too: a clock may be off by half a minute, and typing takes
 * time.
 */
const DRIFT = 1;

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A new secret in base32, 160 bits as RFC 4226 recommends. */
export function newTotpSecret(): string {
  return toBase32(crypto.getRandomValues(new Uint8Array(20)));
}

/** What the app reads from a QR code (Google's key URI format, which all of them took over). */
export function totpUri(secret: string, issuer: string, account: string): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(account)}`;
  return `otpauth://totp/${label}?secret=${secret}&issuer=${
    encodeURIComponent(issuer)
  }&digits=6&period=${STEP}`;
}

/** The code of one step. */
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
 * The step that a code is for, or `undefined` where it is wrong. A code counts once: only steps
 * behind `lastStep` are looked at, so that who looks over a shoulder cannot use it again.
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
  const current = Math.floor(now / 1000 / STEP);
  let found: number | undefined;
  for (let step = current - DRIFT; step <= current + DRIFT; step++) {
    if (step > lastStep && await totpCode(secret, step) === code) found = step;
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
    value = value << 5 | BASE32.indexOf(letter);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = value >>> bits & 255;
      value &= (1 << bits) - 1;
    }
  }
  return bytes;
}
