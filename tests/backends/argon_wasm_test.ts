import assert from "node:assert/strict";
import { argon2idInWasm } from "../../src/backends/argon_wasm.ts";
import { PasswordHasher } from "../../src/core/people/password_hash.ts";

Deno.test("where Web Crypto does not know argon2id another one stands in, with the same hashes", async () => {
  const phc = await new PasswordHasher().hash("correct horse");
  const { importKey } = crypto.subtle;
  crypto.subtle.importKey = () =>
    Promise.reject(new DOMException("Unrecognized algorithm name", "NotSupportedError"));
  try {
    assert.equal(await new PasswordHasher(argon2idInWasm).matches("correct horse", phc), true);
    assert.equal(await new PasswordHasher(argon2idInWasm).matches("wrong horse", phc), false);
    await assert.rejects(new PasswordHasher().matches("correct horse", phc), /Unrecognized/);
  } finally {
    crypto.subtle.importKey = importKey;
  }
});
