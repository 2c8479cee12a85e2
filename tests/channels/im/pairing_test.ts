import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { CODE_LIFETIME, Pairing } from "../../../src/channels/im/pairing.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import { NexusError } from "../../../src/core/error.ts";

const WHO = { channel: "lark", app: "main", id: "ou_1" };

function rig() {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  return { clock, pairing: new Pairing({ store, clock }) };
}

async function isRefused(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await promise.then(() => undefined, (error) => error);
  assert.ok(error instanceof NexusError && error.code === code, String(error));
}

Deno.test("a code holds for five minutes, and so does the question that follows it", async () => {
  assert.equal(CODE_LIFETIME, 300_000);
  const { clock, pairing } = rig();
  const code = (await pairing.code(WHO))!;
  clock.pass(CODE_LIFETIME - 1);
  assert.equal(await pairing.code(WHO), code, "the same one while it holds");
  clock.pass(1);
  await isRefused(pairing.claim(code, "alice"), "not_found");
  const next = (await pairing.code(WHO))!;
  assert.notEqual(next, code);
  await pairing.claim(next, "alice");
  clock.pass(CODE_LIFETIME - 1);
  assert.equal((await pairing.asked(WHO))?.account, "alice");
  clock.pass(1);
  assert.equal(await pairing.asked(WHO), undefined);
});

Deno.test("of many who enter a code together one has it, and an admin's word uses it up as well", async () => {
  const { pairing } = rig();
  const code = (await pairing.code(WHO))!;
  const tries = await Promise.allSettled(
    ["a", "b", "c", "d"].map((account) => pairing.claim(code, account)),
  );
  assert.equal(tries.filter(({ status }) => status === "fulfilled").length, 1);
  const { pairing: other } = rig();
  const second = (await other.code(WHO))!;
  await other.confirm(second, "alice");
  await isRefused(other.claim(second, "bob"), "not_found");
  assert.equal(await other.account(WHO), "alice");
});

Deno.test("while a chat is asked about one account nobody else can change the question", async () => {
  const { pairing } = rig();
  await pairing.claim((await pairing.code(WHO))!, "alice");
  await isRefused(pairing.claim((await pairing.code(WHO))!, "mallory"), "conflict");
  assert.equal((await pairing.asked(WHO))?.account, "alice");
  await pairing.answer((await pairing.asked(WHO))!, false);
  assert.equal(await pairing.account(WHO), undefined);
  await pairing.claim((await pairing.code(WHO))!, "mallory");
  assert.equal((await pairing.asked(WHO))?.account, "mallory");
});
