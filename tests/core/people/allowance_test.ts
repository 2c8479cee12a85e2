import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { type Allowance, Allowances } from "../../../src/core/people/allowance.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import { NexusError } from "../../../src/core/error.ts";
import type { Message } from "../../../src/core/message.ts";
import { silentObserver } from "../../../src/core/observer.ts";

/** Noon of a day, UTC. */
const NOON = Date.UTC(2026, 10, 23, 12, 0, 0);

function rig(limits: Allowance) {
  const clock = new ManualClock(NOON);
  const store = new MemoryStore({ now: () => clock.now() });
  const open = () =>
    new Allowances({
      store,
      clock,
      observer: silentObserver,
      of: (id) => (id === "free" ? {} : limits),
    });
  return { clock, store, open, allowances: open() };
}

function message(id: string, images: string[] = []): Message {
  return { person: { id, name: id, role: "member" }, text: "hello", images, channel: "web" };
}

async function refusal(promise: () => Promise<void> | void): Promise<NexusError> {
  try {
    await promise();
  } catch (error) {
    assert.ok(error instanceof NexusError);
    return error;
  }
  throw new Error("it was let in");
}

Deno.test("messages per minute: one too many is told what and until when, and the next minute is open", async () => {
  const { allowances, clock } = rig({ messagesPerMinute: 2 });
  await allowances.admit(message("alice"));
  await allowances.admit(message("alice"));
  await allowances.admit(message("bob"));
  clock.pass(20_000);
  const error = await refusal(() => allowances.admit(message("alice")));
  assert.equal(error.code, "limited");
  assert.equal(error.retryAfter, 40);
  assert.equal(error.detail, "2 messages per minute; again at 2026-11-23T12:01:00.000Z");
  clock.pass(40_000);
  await allowances.admit(message("alice"));
  await allowances.close();
});

Deno.test("messages per day count over restarts and nodes, and a refusal costs nothing", async () => {
  const { allowances, open, clock } = rig({ messagesPerDay: 3, messagesPerMinute: 100 });
  const other = open();
  await allowances.admit(message("alice"));
  await other.admit(message("alice"));
  await allowances.admit(message("alice"));
  for (let i = 0; i < 5; i++) {
    const error = await refusal(() => other.admit(message("alice")));
    assert.equal(error.retryAfter, 12 * 3600);
  }
  assert.equal((await other.usage("alice"))[0]!.messages, 3);
  clock.pass(12 * 3_600_000);
  await allowances.admit(message("alice"));
  await allowances.close();
  await other.close();
});

Deno.test("images count by their bytes, not by their base64", async () => {
  const { allowances } = rig({ imageBytesPerDay: 3000 });
  const image = `data:image/png;base64,${"A".repeat(2000)}`;
  await allowances.admit(message("alice", [image]));
  const error = await refusal(() => allowances.admit(message("alice", [image, image])));
  assert.match(error.detail!, /3000 bytes of images per day/);
  await allowances.admit(message("alice", [image]));
  assert.deepEqual((await allowances.usage("alice"))[0], {
    day: "2026-11-23",
    messages: 2,
    imageBytes: 3000,
    turns: 0,
    units: 0,
  });
  await allowances.close();
});

Deno.test("turns at once are those that run", async () => {
  const { allowances } = rig({ turnsAtOnce: 1 });
  const ended = {
    type: "turn_ended",
    turn: "t",
    conversation: "c",
    person: "alice",
    channel: "web",
    status: "done",
    took: 1,
    units: 7,
    inputTokens: 3,
    outputTokens: 5,
  } as const;
  await allowances.admit(message("alice"));
  assert.match(
    (await refusal(() => allowances.admit(message("alice")))).detail!,
    /1 answers at once/,
  );
  await allowances.admit(message("bob"));
  allowances.tell(ended);
  await allowances.admit(message("alice"));
  assert.deepEqual(await allowances.usage("alice"), [{
    day: "2026-11-23",
    messages: 2,
    imageBytes: 0,
    turns: 1,
    units: 7,
    inputTokens: 3,
    outputTokens: 5,
  }]);
  await allowances.close();
});

Deno.test("without a limit nothing is waited for, and usage is handed over in a few seconds", async () => {
  const { allowances, clock, store } = rig({});
  for (let i = 0; i < 1000; i++) assert.equal(allowances.admit(message("free")), undefined);
  assert.deepEqual(await store.list("use:"), []);
  clock.pass(5000);
  await Promise.resolve();
  assert.deepEqual(await store.list("use:"), [["use:free:day:2026-11-23:messages", 1000]]);
  assert.deepEqual(await allowances.usage("fre"), []);
  await allowances.forget("free");
  assert.deepEqual(await allowances.usage("free"), []);
  await allowances.close();
  assert.equal(clock.waiting, 0);
});
