import assert from "node:assert/strict";
import { MemoryStore } from "../../src/backends/memory.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { Drafts } from "../../src/core/draft.ts";
import { Reply } from "../../src/core/reply.ts";
import type { Turn } from "../../src/core/turn.ts";

Deno.test("drafts that could not be saved once are saved the next time", async () => {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  Object.defineProperty(store, "volatile", { value: false });
  const faults: string[] = [];
  const observer = {
    tell: (one: { type: string; error?: unknown }) => void faults.push(`${one.type}: ${one.error}`),
    chunk() {},
  };
  const drafts = new Drafts({ store, clock, observer });
  let isBroken = true;
  const reply = new Reply();
  reply.append("text", "half an answer");
  drafts.begin({ id: "t1", reply } as Turn, () => {
    if (!isBroken) return [];
    isBroken = false;
    throw new Error("no room");
  });
  clock.pass(100);
  assert.deepEqual(faults, ["fault: Error: no room"]);
  clock.pass(100);
  drafts.close();
  assert.equal(clock.waiting, 0);
  const left = await new Drafts({ store, clock, observer }).unfinished();
  assert.equal(left.get("t1")?.[0]?.content, "half an answer");
});
