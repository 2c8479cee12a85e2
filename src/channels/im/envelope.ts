/**
 * The sealed envelope of WeCom's and DingTalk's callbacks: AES-256-CBC, key = base64(43 characters
 * + "="), IV = the key's first 16 bytes, plaintext = 16 random bytes ‖ length (4 bytes, big endian)
 * ‖ message ‖ receiver's id, padded to 32 (PKCS#7 with a block of 32). The signature is SHA-1 over
 * token, timestamp, nonce and ciphertext, sorted and joined.
 *
 * Sources: WeCom 加解密方案说明; DingTalk 回调事件消息体加解密. Known answers: `tests/vectors/im_crypto.json`.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { Buffer } from "node:buffer";

/** What is wrong with an envelope; a word for the audit log, never for the sender. */
export type Forged = "signature" | "ciphertext" | "padding" | "length" | "receiver";

export type Opened = { readonly message: string } | { readonly forged: Forged };

const BLOCK = 32;

export class Envelope {
  readonly #key: Buffer;

  /**
   * `receiver`: the corp id (WeCom app), empty (WeCom AI bot), the app key (DingTalk). Throws where
   * the key is not 43 characters.
   */
  constructor(
    private readonly parts: {
      readonly token: string;
      readonly aesKey: string;
      readonly receiver: string;
    },
  ) {
    this.#key = Buffer.from(parts.aesKey + "=", "base64");
    if (!/^[A-Za-z0-9+/]{43}$/.test(parts.aesKey) || this.#key.length !== 32) {
      throw new TypeError(
        `An EncodingAESKey has 43 letters and digits, got ${parts.aesKey.length}`,
      );
    }
  }

  /** Hex, for what is sent and for comparing. */
  sign(timestamp: string, nonce: string, encrypted: string): string {
    return createHash("sha1").update(
      [this.parts.token, timestamp, nonce, encrypted].sort().join(""),
    ).digest("hex");
  }

  /** Checks the signature, then opens. */
  open(signature: string, timestamp: string, nonce: string, encrypted: string): Opened {
    if (!same(this.sign(timestamp, nonce, encrypted), signature)) return { forged: "signature" };
    return this.decrypt(encrypted);
  }

  /** Opens without a signature; every field that can be wrong is checked, the receiver too. */
  decrypt(encrypted: string): Opened {
    const sealed = Buffer.from(encrypted, "base64");
    if (sealed.length === 0 || sealed.length % 16 !== 0) return { forged: "ciphertext" };
    const decipher = createDecipheriv("aes-256-cbc", this.#key, this.#key.subarray(0, 16));
    decipher.setAutoPadding(false);
    const plain = Buffer.concat([decipher.update(sealed), decipher.final()]);
    const pad = plain[plain.length - 1]!;
    if (pad < 1 || pad > BLOCK || pad > plain.length) return { forged: "padding" };
    for (const byte of plain.subarray(plain.length - pad)) {
      if (byte !== pad) return { forged: "padding" };
    }
    const end = plain.length - pad;
    if (end < 20) return { forged: "length" };
    const length = plain.readUInt32BE(16);
    if (20 + length > end) return { forged: "length" };
    const receiver = plain.subarray(20 + length, end);
    if (!same(receiver.toString("utf8"), this.parts.receiver)) return { forged: "receiver" };
    return { message: plain.subarray(20, 20 + length).toString("utf8") };
  }

  /** Seals an answer. `random`: 16 bytes, for known answers in tests. */
  encrypt(message: string, random: Uint8Array = randomBytes(16)): string {
    const words = Buffer.from(message, "utf8");
    const head = Buffer.alloc(20);
    head.set(random.subarray(0, 16));
    head.writeUInt32BE(words.length, 16);
    const body = Buffer.concat([head, words, Buffer.from(this.parts.receiver, "utf8")]);
    const pad = BLOCK - body.length % BLOCK;
    const cipher = createCipheriv("aes-256-cbc", this.#key, this.#key.subarray(0, 16));
    cipher.setAutoPadding(false);
    return Buffer.concat([
      cipher.update(Buffer.concat([body, Buffer.alloc(pad, pad)])),
      cipher.final(),
    ]).toString(
      "base64",
    );
  }
}

/**
 * A file of WeCom's AI bot: the same cipher, the padding to 32, nothing around the content.
 * `undefined`: not one.
 */
export function openFile(sealed: Uint8Array, aesKey: string): Uint8Array | undefined {
  const key = Buffer.from(aesKey, "base64");
  if (key.length !== 32 || sealed.length === 0 || sealed.length % 16 !== 0) return undefined;
  const decipher = createDecipheriv("aes-256-cbc", key, key.subarray(0, 16));
  decipher.setAutoPadding(false);
  const plain = Buffer.concat([decipher.update(sealed), decipher.final()]);
  const pad = plain[plain.length - 1]!;
  if (pad < 1 || pad > BLOCK || pad > plain.length) return undefined;
  for (const byte of plain.subarray(plain.length - pad)) if (byte !== pad) return undefined;
  return plain.subarray(0, plain.length - pad);
}

/**
 * Equality in a time that tells nothing about where two texts differ; both are hashed first, so
 * lengths tell nothing either.
 */
export function same(a: string, b: string): boolean {
  return timingSafeEqual(
    createHash("sha256").update(a).digest(),
    createHash("sha256").update(b).digest(),
  );
}
