/** QR codes, as text becomes squares and another program reads them back. */
import assert from "node:assert/strict";
import jsqr from "jsqr";
import { qrCode } from "../../src/web/account/qr.ts";

const URI = "otpauth://totp/Nexus:%E5%BC%A0%E4%B8%89?secret=JBSWY3DPEHPK3PXP&issuer=Nexus";

/**
 * What a reader makes of a picture of these squares: four pixels each, and the white edge that the
 * standard asks for.
 */
function read(rows: readonly (readonly boolean[])[]): string | undefined {
  const pixels = 4, edge = 4;
  const width = (rows.length + 2 * edge) * pixels;
  const picture = new Uint8ClampedArray(width * width * 4).fill(255);
  for (const [y, row] of rows.entries()) {
    for (const [x, dark] of row.entries()) {
      if (!dark) continue;
      for (let line = 0; line < pixels; line++) {
        const at = (((y + edge) * pixels + line) * width + (x + edge) * pixels) * 4;
        for (let pixel = 0; pixel < pixels; pixel++) {
          picture.fill(0, at + pixel * 4, at + pixel * 4 + 3);
        }
      }
    }
  }
  return jsqr.default(picture, width, width, { inversionAttempts: "dontInvert" })?.data;
}

for (
  const [text, size] of [
    ["NEXUS", 21],
    [URI, 33],
    ["张三 🔑", 21],
    [URI.repeat(3), 53],
    [URI.repeat(8).slice(0, 586), 81],
  ] as const
) {
  const bytes = new TextEncoder().encode(text).length;
  Deno.test(`${bytes} bytes make a code of ${size} squares that a reader reads`, () => {
    const rows = qrCode(text);
    assert.equal(rows.length, size);
    assert.equal(read(rows), text);
  });
}

Deno.test("a text of any length up to the longest is read back", () => {
  for (let length = 1; length <= 586; length += 13) {
    const text = URI.repeat(8).slice(0, length);
    assert.equal(read(qrCode(text)), text, `${length} bytes`);
  }
});

Deno.test("a text that is too long for a code is refused, not cut", () => {
  assert.throws(() => qrCode("x".repeat(587)), RangeError);
});
