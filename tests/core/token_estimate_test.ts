import assert from "node:assert/strict";
import { TokenEstimate } from "../../src/core/token_estimate.ts";

/** One token a unit for `b`, none for anything else; counts what it was given. */
function counter() {
  const seen = { units: 0 };
  const count = (text: string) => {
    seen.units += text.length;
    return text.split("b").length - 1;
  };
  return { seen, count };
}

Deno.test("short texts are counted whole, a long one by pieces from its beginning to its end", () => {
  const { seen, count } = counter();
  const estimate = new TokenEstimate(count);
  assert.equal(estimate.of("abab"), 2);
  assert.equal(estimate.of("b".repeat(4000)), 4000);
  assert.equal(estimate.of("b".repeat(1_000_000)), 1_000_000);
  const half = new TokenEstimate(count).of("a".repeat(500_000) + "b".repeat(500_000));
  assert.ok(half > 400_000 && half < 600_000, `${half}`);
  assert.ok(seen.units < 20_000);
});

Deno.test("however many texts there are, no more than a bounded number of letters is looked at", () => {
  const { seen, count } = counter();
  const estimate = new TokenEstimate(count);
  let tokens = 0;
  for (let n = 0; n < 10_000; n++) tokens += estimate.of("ab".repeat(1000));
  assert.ok(seen.units <= 64_000, `${seen.units}`);
  assert.ok(Math.abs(tokens / 10_000_000 - 1) < 0.05, `${tokens}`);
  assert.equal(new TokenEstimate(count).of(""), 0);
});
