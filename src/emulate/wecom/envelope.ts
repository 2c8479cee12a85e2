/**
 * WeCom's sealed envelope, the platform's end. Written apart from the connectors' own, so that one
 * checks the other.
 *
 * Source: WeCom 加解密方案说明.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { Buffer } from "node:buffer";

export interface EnvelopeKeys {
  readonly token: string;
  readonly aesKey: string;
  readonly receiver: string;
}

export function seal(keys: EnvelopeKeys, message: string): string {
  const key = Buffer.from(keys.aesKey + "=", "base64");
  const words = Buffer.from(message);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(words.length);
  const plain = Buffer.concat([randomBytes(16), length, words, Buffer.from(keys.receiver)]);
  const pad = 32 - plain.length % 32;
  const cipher = createCipheriv("aes-256-cbc", key, key.subarray(0, 16)).setAutoPadding(false);
  return Buffer.concat([
    cipher.update(Buffer.concat([plain, Buffer.alloc(pad, pad)])),
    cipher.final(),
  ]).toString(
    "base64",
  );
}

export function unseal(keys: EnvelopeKeys, sealed: string): string {
  const key = Buffer.from(keys.aesKey + "=", "base64");
  const decipher = createDecipheriv("aes-256-cbc", key, key.subarray(0, 16)).setAutoPadding(false);
  const plain = Buffer.concat([decipher.update(sealed, "base64"), decipher.final()]);
  return plain.subarray(20, 20 + plain.readUInt32BE(16)).toString();
}

export function sign(keys: EnvelopeKeys, timestamp: string, nonce: string, sealed: string): string {
  return createHash("sha1").update([keys.token, timestamp, nonce, sealed].sort().join("")).digest(
    "hex",
  );
}

/** A media file as the AI bot gets it. */
export function sealFile(bytes: Uint8Array, aesKey: string): Uint8Array<ArrayBuffer> {
  const key = Buffer.from(aesKey, "base64");
  const pad = 32 - bytes.length % 32;
  const cipher = createCipheriv("aes-256-cbc", key, key.subarray(0, 16)).setAutoPadding(false);
  return new Uint8Array(
    Buffer.concat([cipher.update(bytes), cipher.update(Buffer.alloc(pad, pad)), cipher.final()]),
  );
}
