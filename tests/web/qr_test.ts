/** The QR codes of the page, decoded by another program. */
import assert from "node:assert/strict";
import jsqr from "jsqr";
import { qrModules } from "../../src/web/account/qr_code.tsx";

const URI = "otpauth://totp/Nexus:%E5%BC%A0%E4%B8%89?secret=JBSWY3DPEHPK3PXP&issuer=Nexus";

/** Decodes a picture of these modules, four pixels each. */
function read(rows: readonly (readonly boolean[])[]): string | undefined {
  const pixels = 4;
  const width = rows.length * pixels;
  const picture = new Uint8ClampedArray(width * width * 4).fill(255);
  for (const [y, row] of rows.entries()) {
    for (const [x, dark] of row.entries()) {
      if (!dark) continue;
      for (let line = 0; line < pixels; line++) {
        const at = ((y * pixels + line) * width + x * pixels) * 4;
        for (let pixel = 0; pixel < pixels; pixel++) {
          picture.fill(0, at + pixel * 4, at + pixel * 4 + 3);
        }
      }
    }
  }
  return jsqr.default(picture, width, width, { inversionAttempts: "dontInvert" })?.data;
}

for (const text of ["NEXUS", URI, "张三 🔑", URI.repeat(3), URI.repeat(8).slice(0, 586)]) {
  Deno.test(`a reader decodes a code of ${new TextEncoder().encode(text).length} bytes`, () => {
    assert.equal(read(qrModules(text)), text);
  });
}

Deno.test("a code has the quiet zone that readers need", () => {
  const rows = qrModules(URI);
  const edges = [...rows.slice(0, 4), ...rows.slice(-4)].flat();
  for (const row of rows) edges.push(...row.slice(0, 4), ...row.slice(-4));
  assert.ok(!edges.includes(true));
});

Deno.test("a text that is too long for a code is rejected, not cut", () => {
  assert.throws(() => qrModules("x".repeat(3000)), RangeError);
});
