import assert from "node:assert/strict";
import {
  newTotpSecret,
  toBase32,
  totpCode,
  totpStep,
  totpUri,
} from "../../../src/core/people/totp.ts";

const SECRET = toBase32(new TextEncoder().encode("12345678901234567890"));

Deno.test("codes are those of RFC 6238, appendix B", async () => {
  const vectors: [seconds: number, code: string][] = [
    [59, "94287082"],
    [1111111109, "07081804"],
    [1111111111, "14050471"],
    [1234567890, "89005924"],
    [2000000000, "69279037"],
    [20000000000, "65353130"],
  ];
  for (const [seconds, code] of vectors) {
    assert.equal(await totpCode(SECRET, Math.floor(seconds / 30), 8), code);
  }
});

Deno.test("base32 is that of RFC 4648, and nothing else is read as base32", async () => {
  const vectors: [string, string][] = [["f", "MY"], ["fo", "MZXQ"], ["foo", "MZXW6"], [
    "foob",
    "MZXW6YQ",
  ], [
    "foobar",
    "MZXW6YTBOI",
  ]];
  for (const [text, base32] of vectors) {
    assert.equal(toBase32(new TextEncoder().encode(text)), base32);
  }
  for (const wrong of ["MZXW6YT1", "mzxw6", "MZXW6===", "MZ XW"]) {
    await assert.rejects(totpCode(wrong, 1), RangeError, wrong);
  }
  assert.match(newTotpSecret(), /^[A-Z2-7]{32}$/);
  assert.notEqual(newTotpSecret(), newTotpSecret());
});

Deno.test("a code counts half a minute before and after its time, and only once", async () => {
  const now = 1_700_000_000_000, step = Math.floor(now / 30_000);
  const code = await totpCode(SECRET, step);
  assert.equal(await totpStep(SECRET, code, now), step);
  assert.equal(await totpStep(SECRET, code, now + 30_000), step);
  assert.equal(await totpStep(SECRET, code, now - 30_000), step);
  assert.equal(await totpStep(SECRET, code, now + 90_000), undefined);
  assert.equal(await totpStep(SECRET, code, now - 90_000), undefined);
  assert.equal(await totpStep(SECRET, code, now, step), undefined);
  for (const wrong of ["", "12345", "1234567", "abcdef", "０00000", code + " "]) {
    assert.equal(await totpStep(SECRET, wrong, now), undefined);
  }
});

Deno.test("the address for the app names the issuer and the account", () => {
  assert.equal(
    totpUri("ABC", "Nexus at work", "alice@example.com"),
    "otpauth://totp/Nexus%20at%20work:alice%40example.com?secret=ABC&issuer=Nexus%20at%20work&digits=6&period=30",
  );
});
