/**
 * The protection of Feishu's callbacks: AES-256-CBC with key = SHA-256(Encrypt Key) and the IV in
 * front of the ciphertext, and a SHA-256 over timestamp, nonce, key and the raw body.
 *
 * Sources: Feishu 将事件发送至开发者服务器, 接收事件. Known answers: `tests/vectors/im_crypto.json`.
 */
import { createDecipheriv, createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { same } from "../im/envelope.ts";

/** The plaintext of `{"encrypt": …}`; `undefined` where it cannot be one. */
export function decrypt(encryptKey: string, encrypted: string): string | undefined {
  const sealed = Buffer.from(encrypted, "base64");
  if (sealed.length < 32 || sealed.length % 16 !== 0) return undefined;
  const key = createHash("sha256").update(encryptKey).digest();
  const decipher = createDecipheriv("aes-256-cbc", key, sealed.subarray(0, 16));
  try {
    const plain = Buffer.concat([decipher.update(sealed.subarray(16)), decipher.final()]);
    return new TextDecoder("utf-8", { fatal: true }).decode(plain);
  } catch (_wrongPaddingOrText) {
    return undefined;
  }
}

/**
 * Whether a callback is signed with our Encrypt Key. `body`: the bytes as they came; a body that
 * was parsed and written again does not do.
 */
export function signed(encryptKey: string, headers: Headers, body: Uint8Array): boolean {
  const hash = createHash("sha256")
    .update(
      (headers.get("x-lark-request-timestamp") ?? "") +
        (headers.get("x-lark-request-nonce") ?? "") + encryptKey,
    )
    .update(body).digest("hex");
  return same(hash, headers.get("x-lark-signature") ?? "");
}
