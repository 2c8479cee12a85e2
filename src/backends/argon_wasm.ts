/**
 * Argon2id by hash-wasm, for runtimes whose Web Crypto does not know it. It computes on the thread
 * of the event loop, 60 ms at a time, and is loaded only when it is needed.
 */
import type { Argon2id } from "../core/people/password_hash.ts";

export const argon2idInWasm: Argon2id = async (
  password,
  salt,
  memorySize,
  iterations,
  parallelism,
  hashLength,
) => {
  const { argon2id } = await import("hash-wasm");
  return await argon2id({
    password,
    salt,
    memorySize,
    iterations,
    parallelism,
    hashLength,
    outputType: "binary",
  });
};
