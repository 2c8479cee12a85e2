/**
 * A megabyte of the worst input holds the event loop for no more than {@linkcode MOST} milliseconds
 * of CPU, whatever reads it. `deno task worst` prints the table.
 */
import assert from "node:assert/strict";
import { slowness } from "./worst.ts";
import { COMMON, READERS, SIZE } from "./worst_cases.ts";
import { longestOf, MOST } from "./worst_table.ts";

const bound = MOST * slowness();

for (const reader of READERS) {
  Deno.test(`${reader.name}: no megabyte holds the event loop for more than ${MOST} ms`, () => {
    for (const row of longestOf(reader, bound)) {
      assert.ok(row.ms <= bound, `${row.input}: ${row.ms.toFixed(1)} ms`);
    }
  });
}

Deno.test("the inputs are as large as they say, and a reader that takes the square of their length is found out", () => {
  for (const [name, text] of Object.entries(COMMON)) assert.ok(text.length >= SIZE, name);
  const quadratic = (text: string) => /\s+$/.test(text.slice(0, 20_001));
  const [worst] = longestOf({
    name: "",
    read: quadratic,
    inputs: { spaces: `${" ".repeat(20_000)}x` },
  }, bound);
  assert.equal(worst!.input, "spaces");
  assert.ok(worst!.ms > bound, `${worst!.ms}`);
});
