import assert from "node:assert/strict";
import { timedId } from "../../src/core/id.ts";

Deno.test("an id is a UUID of version 7, and later ones sort behind earlier ones", () => {
  const first = timedId(1_700_000_000_000), second = timedId(1_700_000_000_001);
  for (const id of [first, second]) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
  assert.ok(first < second);
  assert.equal(parseInt(first.replace("-", "").slice(0, 12), 16), 1_700_000_000_000);
});

Deno.test("ids of the same moment differ", () => {
  const ids = new Set(Array.from({ length: 1000 }, () => timedId(1_700_000_000_000)));
  assert.equal(ids.size, 1000);
});
