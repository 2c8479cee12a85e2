/** QR codes, as text becomes squares. */
import assert from "node:assert/strict";
import { qrCode } from "../../src/web/account/qr.ts";

const URI = "otpauth://totp/Nexus:%E5%BC%A0%E4%B8%89?secret=JBSWY3DPEHPK3PXP&issuer=Nexus";

// What stands here was read back by another program (jsqr 1.4.0), as were texts of every size from 1 to 586 bytes.
for (
  const [text, size, digest] of [
    ["NEXUS", 21, "209efea7dc47affd"],
    [URI, 33, "0e68513adb553d0f"],
    [URI.repeat(3), 53, "e109d7eaf6a4a6bb"],
    [URI.repeat(8).slice(0, 586), 81, "aad8f012b3972ff1"],
  ] as const
) {
  Deno.test(`${text.length} bytes make a code of ${size} squares that a reader has read`, async () => {
    const rows = qrCode(text);
    assert.equal(rows.length, size);
    const squares = rows.map((row) => row.map((dark) => dark ? "1" : "0").join("")).join("\n");
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(squares));
    assert.equal(new Uint8Array(hash).toHex().slice(0, 16), digest);
  });
}

Deno.test("a text that is too long for a code is refused, not cut", () => {
  assert.throws(() => qrCode("x".repeat(587)), RangeError);
});
