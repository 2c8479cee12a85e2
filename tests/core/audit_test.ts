import assert from "node:assert/strict";
import { MemoryStore } from "../../src/backends/memory.ts";
import { Audit, type AuditLine, verifyAudit } from "../../src/core/audit.ts";
import { ManualClock } from "../../src/core/clock.ts";

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
  audit.tell({ type: "sign_in_refused", name: "bob", address: "10.0.0.2", why: "wrong_credentials" });
  audit.tell({ type: "warning", what: "not of its kind" });
  const lines = await audit.lines(undefined, 10);
  assert.deepEqual(lines.map(({ n, who, did, whom }) => [n, who, did, whom]), [
    [2, "-", "sign_in_refused", "bob"],
    [1, "alice", "key_made", "alice"],
    [0, "alice", "sign_in", undefined],
  ]);
  assert.deepEqual((await audit.lines(2, 1)).map(({ n }) => n), [1]);
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
  const tamper: Record<string, (lines: AuditLine[]) => unknown> = {
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

Deno.test("who is not let in cannot fill the disk, and that something was left out is said", async () => {
  const { clock, store, audit } = rig();
  for (let i = 0; i < 5000; i++) audit.tell({ type: "sign_in_refused", name: `n${i}`, why: "wrong_credentials" });
  audit.write({ who: "admin", did: "person_changed" });
  await audit.settled();
  const lines: AuditLine[] = await store.read("audit:1");
  assert.ok(lines.length <= 1002, `${lines.length}`);
  assert.ok(lines.some(({ did }) => did === "person_changed"));
  assert.ok(lines.some(({ did, detail }) => did === "flood" && detail!.startsWith("4000 ")));
  assert.equal((await verifyAudit(store))["1"]!.broken, undefined);
  assert.equal(clock.waiting, 0);
});
