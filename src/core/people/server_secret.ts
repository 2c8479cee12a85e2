/**
 * The gateway's own secret: one random key in the store, from which every key for cookies and
 * proofs is derived, each with a label of its own. Who has the store alone cannot use it to find a
 * password: what it signs is either public or bound to a token.
 */
import { randomToken, timingSafeEqual } from "./secret.ts";
import type { Store } from "../store.ts";

const KEY = "secret:server";

const encoder = new TextEncoder(), decoder = new TextDecoder();

export class ServerSecret {
  readonly #root: string;
  readonly #keys = new Map<string, Promise<CryptoKey>>();

  /** @param root 32 random bytes in hex; default: a new one, which ends with the process */
  constructor(root = randomToken()) {
    this.#root = root;
  }

  /** Reads the store's secret, or makes it at the first start. */
  static async open(store: Store): Promise<ServerSecret> {
    const known = await store.get(KEY);
    if (typeof known === "string") return new ServerSecret(known);
    const root = randomToken();
    // Not sure: a start need not wait for the disk, and a crash in its first moments costs nothing
    // but these cookies.
    await store.set(KEY, root);
    return new ServerSecret(root);
  }

  /** HMAC-SHA-256 in hex, under the key of this label. */
  async mac(label: string, text: string): Promise<string> {
    const key = await this.#key(`mac ${label}`, { name: "HMAC", hash: "SHA-256" }, ["sign"]);
    return new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text))).toHex();
  }

  /** Whether this is the {@linkcode mac} of the text; compares in constant time. */
  async verify(label: string, text: string, mac: string): Promise<boolean> {
    return timingSafeEqual(mac, await this.mac(label, text));
  }

  /** Encrypts plain JSON (AES-256-GCM) into base64url: nobody else can read or make it. */
  async seal(label: string, value: unknown): Promise<string> {
    const key = await this.#key(`seal ${label}`, { name: "AES-GCM" }, ["encrypt", "decrypt"]);
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const sealed = new Uint8Array(
      await crypto.subtle.encrypt(
        { name: "AES-GCM", iv },
        key,
        encoder.encode(JSON.stringify(value)),
      ),
    );
    const whole = new Uint8Array(iv.length + sealed.length);
    whole.set(iv);
    whole.set(sealed, iv.length);
    return whole.toBase64({ alphabet: "base64url", omitPadding: true });
  }

  /** What was sealed with this label, or `undefined` for anything else. */
  async unseal(label: string, text: string): Promise<unknown> {
    try {
      const whole = Uint8Array.fromBase64(text, { alphabet: "base64url" });
      const key = await this.#key(`seal ${label}`, { name: "AES-GCM" }, ["encrypt", "decrypt"]);
      const plain = await crypto.subtle.decrypt(
        { name: "AES-GCM", iv: whole.slice(0, 12) },
        key,
        whole.slice(12),
      );
      return JSON.parse(decoder.decode(plain));
    } catch {
      // A stranger's text: no base64, too short, changed, or made under another key.
      return undefined;
    }
  }

  #key(
    label: string,
    algorithm: HmacImportParams | { name: "AES-GCM" },
    uses: KeyUsage[],
  ): Promise<CryptoKey> {
    let key = this.#keys.get(label);
    if (!key) this.#keys.set(label, key = this.#derive(label, algorithm, uses));
    return key;
  }

  async #derive(
    label: string,
    algorithm: HmacImportParams | { name: "AES-GCM" },
    uses: KeyUsage[],
  ): Promise<CryptoKey> {
    const root = await crypto.subtle.importKey(
      "raw",
      Uint8Array.fromHex(this.#root),
      "HKDF",
      false,
      ["deriveBits"],
    );
    const info = encoder.encode(`nexus ${label}`);
    const bits = await crypto.subtle.deriveBits(
      { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info },
      root,
      256,
    );
    return await crypto.subtle.importKey("raw", bits, algorithm, false, uses);
  }
}
