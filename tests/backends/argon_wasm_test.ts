import assert from "node:assert/strict";
import { argon2idInWasm } from "../../src/backends/argon_wasm.ts";
import { Passwords } from "../../src/core/people/secret.ts";

Deno.test("where Web Crypto does not know argon2id another one stands in, with the same hashes", async () => {
  const phc = await new Passwords().hash("correct horse");
  const { importKey } = crypto.subtle;
  crypto.subtle.importKey = () =>
    Promise.reject(new DOMException("Unrecognized algorithm name", "NotSupportedError"));
  try {
    assert.equal(await new Passwords(argon2idInWasm).matches("correct horse", phc), true);
    assert.equal(await new Passwords(argon2idInWasm).matches("wrong horse", phc), false);
    await assert.rejects(new Passwords().matches("correct horse", phc), /Unrecognized/);
  } finally {
    crypto.subtle.importKey = importKey;
  }
});
