import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { Audit, type AuditEntry, verifyAudit } from "../../../src/core/people/audit.ts";
import {
  ANONYMOUS_AUDIT_RATE,
  NETWORK_AUDIT_RATE,
  PERSON_AUDIT_RATE,
} from "../../../src/core/people/audit_limiter.ts";
import { ManualClock } from "../../../src/core/clock.ts";

function rig() {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  return { clock, store, audit: new Audit({ store, clock }) };
}

Deno.test("what happened is written down in order, each line bound to the one before", async () => {
  const { clock, store, audit } = rig();
  audit.tell({ type: "signed_in", person: "alice", address: "10.0.0.1" });
  clock.pass(5);
  audit.write({ who: "alice", did: "key_made", whom: "alice", from: "10.0.0.1", detail: "laptop" });
  audit.tell({
    type: "sign_in_refused",
    name: "bob",
    address: "10.0.0.2",
    why: "wrong_credentials",
  });
  audit.tell({ type: "warning", what: "not of its kind" });
  const lines = await audit.entries(undefined, 10);
  assert.deepEqual(lines.map(({ n, who, did, whom }) => [n, who, did, whom]), [
    [2, "-", "sign_in_refused", "bob"],
    [1, "alice", "key_made", "alice"],
    [0, "alice", "sign_in", undefined],
  ]);
  assert.deepEqual((await audit.entries(2, 1)).map(({ n }) => n), [1]);
  assert.deepEqual(await verifyAudit(store), { "1": { lines: 3, head: lines[0]!.hash } });
});

Deno.test("the chain goes on after a restart, and each node has its own", async () => {
  const { clock, store, audit } = rig();
  audit.write({ who: "a", did: "x" });
  await audit.settled();
  const again = new Audit({ store, clock }), other = new Audit({ store, clock, node: "two:2" });
  again.write({ who: "b", did: "y" });
  other.write({ who: "c", did: "z" });
  await Promise.all([again.settled(), other.settled()]);
  const verdicts = await verifyAudit(store);
  assert.equal(verdicts["1"]!.lines, 2);
  assert.equal(Object.values(verdicts).length, 2);
  assert.ok(Object.values(verdicts).every(({ broken }) => !broken));
});

Deno.test("a line that was changed, taken out, put in or moved shows, at its place", async () => {
  const tamper: Record<string, (lines: AuditEntry[]) => unknown> = {
    changed: (lines) => lines[3] = { ...lines[3]!, who: "eve" },
    "a field added": (lines) => lines[3] = { ...lines[3]!, detail: "harmless" },
    "taken out": (lines) => lines.splice(3, 1),
    "put in": (lines) => lines.splice(3, 0, lines[2]!),
    moved: (lines) => lines.splice(3, 2, lines[4]!, lines[3]!),
    "hash redone alone": (lines) => lines[3] = { ...lines[3]!, at: 0, hash: "0".repeat(64) },
  };
  for (const [name, change] of Object.entries(tamper)) {
    const { store, audit } = rig();
    for (let i = 0; i < 8; i++) audit.write({ who: "alice", did: `did ${i}` });
    await audit.settled();
    const lines = await store.read("audit:1");
    change(lines);
    await store.delete("audit:1");
    await store.append("audit:1", lines);
    assert.equal((await verifyAudit(store))["1"]!.broken?.n, 3, name);
  }
});

/** The lines of a log by what was done. */
async function written(store: MemoryStore, audit: Audit): Promise<Map<string, AuditEntry[]>> {
  await audit.settled();
  assert.equal((await verifyAudit(store))["1"]!.broken, undefined);
  return Map.groupBy(await store.read("audit:1") as AuditEntry[], ({ did }) => did);
}

Deno.test("one network that is not let in leaves a bounded number of lines, by whatever it tries, and hides no other", async () => {
  const { clock, store, audit } = rig();
  const address = "10.0.0.1", more = { channel: "lark", app: "main" };
  for (let i = 0; i < 4000; i++) {
    audit.tell({ type: "sign_in_refused", name: `n${i}`, address, why: "wrong_credentials" });
    audit.tell({ type: "bot_refused", bot: `made-up-${i}`, address, why: "Invalid token" });
    audit.tell({ type: "callback_refused", address, why: "signature", ...more });
  }
  audit.tell({ type: "bot_refused", bot: "real", address: "10.0.0.2", why: "Invalid token" });
  audit.write({ who: "admin", did: "person_changed" });
  const lines = await written(store, audit);
  const ofNetwork = [...lines.values()].flat().filter(({ from }) => from === address);
  assert.equal(ofNetwork.length, NETWORK_AUDIT_RATE.burst);
  assert.deepEqual(lines.get("bot_refused")!.at(-1)!.whom, "real");
  assert.equal(lines.get("person_changed")!.length, 1);
  assert.match(
    lines.get("flood")![0]!.detail!,
    new RegExp(`^${12_000 - NETWORK_AUDIT_RATE.burst} lines`),
  );
  clock.pass(2 * NETWORK_AUDIT_RATE.every);
  for (let i = 0; i < 10; i++) {
    audit.tell({ type: "sign_in_refused", name: "late", address, why: "limited" });
  }
  assert.equal(
    (await written(store, audit)).get("sign_in_refused")!.filter(({ whom }) => whom === "late")
      .length,
    2,
  );
  assert.equal(clock.waiting, 0);
});

Deno.test("many networks together cannot fill the disk either", async () => {
  const { clock, store, audit } = rig();
  const refused = (i: number) =>
    audit.tell({
      type: "bot_refused",
      bot: `b${i}`,
      address: `10.${i >> 8}.${i & 255}.1`,
      why: "Invalid token",
    });
  for (let i = 0; i < 5000; i++) refused(i);
  assert.equal(
    (await written(store, audit)).get("bot_refused")!.length,
    ANONYMOUS_AUDIT_RATE.burst,
  );
  clock.pass(86_400_000);
  for (let i = 5000; i < 25_000; i++) refused(i);
  const day = (await written(store, audit)).get("bot_refused")!.length - ANONYMOUS_AUDIT_RATE.burst;
  assert.ok(day <= ANONYMOUS_AUDIT_RATE.burst, `${day}`);
});

Deno.test("a member who reaches for what is not theirs leaves lines, and a bounded number of them", async () => {
  const { store, audit } = rig();
  for (let i = 0; i < 1000; i++) {
    audit.write({ who: "eve", did: "reached_for_another", whom: "alice", detail: `turn ${i}` });
    audit.write({ who: "eve", did: "key_made", whom: "eve" });
  }
  const lines = await written(store, audit);
  assert.equal(lines.get("reached_for_another")!.length, PERSON_AUDIT_RATE.burst);
  assert.equal(lines.get("key_made")!.length, 1000);
});
