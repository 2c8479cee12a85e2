import assert from "node:assert/strict";
import { MemoryStore } from "../../src/backends/memory.ts";
import { Accounts } from "../../src/core/account.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { Code } from "../../src/core/error.ts";
import { NexusError } from "../../src/core/error.ts";
import { type Happening, silent } from "../../src/core/observer.ts";
import { totpCode } from "../../src/core/totp.ts";

async function rig(test: (rig: Rig) => Promise<void>): Promise<void> {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  const told: Happening[] = [];
  const observer = { ...silent, tell: (happening: Happening) => void told.push(happening) };
  const opened: Accounts[] = [];
  const open = async () => {
    const accounts = new Accounts({ clock, observer, store });
    opened.push(accounts);
    await accounts.load();
    return accounts;
  };
  const accounts = await open();
  await accounts.replace({ admin: { password: "from the file" } });
  try {
    await test({ clock, store, told, accounts, open });
  } finally {
    for (const each of opened) each.close();
  }
  assert.equal(clock.waiting, 0);
}

interface Rig {
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  readonly told: Happening[];
  readonly accounts: Accounts;
  open(): Promise<Accounts>;
}

async function refuses(code: Code, promise: Promise<unknown>): Promise<NexusError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof NexusError, String(error));
    assert.equal(error.code, code);
    return error;
  }
  throw new Error(`expected ${code}`);
}

const HERE = "127.0.0.1";

Deno.test("a person who was added signs in, also after a restart, and the password is kept as a hash", () =>
  rig(async ({ accounts, store, open }) => {
    await accounts.add("alice", { password: "correct horse", displayName: "Alice", role: "member", bots: ["bot"] });
    assert.deepEqual(await accounts.signIn("alice", "correct horse", HERE), {
      id: "alice",
      name: "Alice",
      role: "member",
      bots: ["bot"],
    });
    assert.ok(!JSON.stringify(await store.list("person:")).includes("correct horse"));
    const again = await open();
    assert.equal((await again.signIn("alice", "correct horse", HERE)).name, "Alice");
    await refuses("wrong_credentials", again.signIn("alice", "wrong horse", HERE));
  }));

Deno.test("what is wrong with a new person is said", () =>
  rig(async ({ accounts }) => {
    await refuses("conflict", accounts.add("admin", { password: "long enough" }));
    for (const id of ["", "a b", "tab\tbed", "x".repeat(101)]) {
      await refuses("invalid", accounts.add(id, { password: "long enough" }));
    }
    await refuses("invalid", accounts.add("short", { password: "1234567" }));
    await accounts.add("alice", { password: "long enough" });
    await refuses("conflict", accounts.add("alice", { password: "long enough" }));
  }));

Deno.test("a disabled person is nobody until they are enabled, and a removed one stays nobody", () =>
  rig(async ({ accounts }) => {
    await accounts.add("alice", { password: "correct horse" });
    await accounts.change("alice", { disabled: true });
    assert.equal(accounts.person("alice"), undefined);
    await refuses("wrong_credentials", accounts.signIn("alice", "correct horse", HERE));
    assert.equal(accounts.view("alice")!.disabled, true);
    await accounts.change("alice", { disabled: false, role: "admin", password: "another horse" });
    assert.equal((await accounts.signIn("alice", "another horse", HERE)).role, "admin");
    await accounts.remove("alice");
    await refuses("wrong_credentials", accounts.signIn("alice", "another horse", HERE));
    await refuses("not_found", accounts.change("alice", { disabled: true }));
  }));

Deno.test("a person of the configuration counts before one of the store, and is changed only there", () =>
  rig(async ({ accounts }) => {
    await accounts.add("bob", { password: "of the store" });
    await accounts.replace({ bob: { password: "of the file" }, admin: { password: "from the file" } });
    await accounts.signIn("bob", "of the file", HERE);
    await refuses("wrong_credentials", accounts.signIn("bob", "of the store", HERE));
    await refuses("conflict", accounts.change("bob", { role: "admin" }));
    await refuses("conflict", accounts.remove("admin"));
    assert.deepEqual(accounts.list().map(({ id, source }) => [id, source]), [["bob", "config"], ["admin", "config"]]);
  }));

Deno.test("what another process changed is known within seconds", () =>
  rig(async ({ accounts, open, clock }) => {
    const other = await open();
    await other.add("alice", { password: "correct horse" });
    assert.equal(accounts.person("alice"), undefined);
    clock.pass(5000);
    await Promise.resolve().then(() => new Promise((resolve) => setTimeout(resolve, 0)));
    assert.equal(accounts.person("alice")?.id, "alice");
  }));

Deno.test("with a second factor the password alone opens nothing, and each code opens once", () =>
  rig(async ({ accounts, clock, store }) => {
    await accounts.add("alice", { password: "correct horse" });
    const secret = await accounts.newFactor("alice");
    const code = () => totpCode(secret, Math.floor(clock.now() / 30_000));
    await accounts.signIn("alice", "correct horse", HERE);
    await refuses("second_factor", accounts.confirmFactor("alice", "000000"));
    const recovery = await accounts.confirmFactor("alice", await code());
    assert.equal(recovery.length, 10);
    await refuses("second_factor", accounts.signIn("alice", "correct horse", HERE));
    await refuses("second_factor", accounts.signIn("alice", "correct horse", HERE, await code()));
    clock.pass(60_000);
    await refuses("wrong_credentials", accounts.signIn("alice", "wrong horse", HERE, await code()));
    const now = await code();
    const both = await Promise.allSettled([
      accounts.signIn("alice", "correct horse", HERE, now),
      accounts.signIn("alice", "correct horse", HERE, now),
    ]);
    assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    clock.pass(600_000);
    await accounts.signIn("alice", "correct horse", HERE, recovery[0]!.toUpperCase());
    await refuses("second_factor", accounts.signIn("alice", "correct horse", HERE, recovery[0]));
    assert.ok(!JSON.stringify(await store.list("totp:")).includes(recovery[1]!));
    await accounts.dropFactor("alice");
    await accounts.signIn("alice", "correct horse", HERE);
  }));

Deno.test("codes cannot be guessed: after five wrong ones a minute passes for each", () =>
  rig(async ({ accounts, clock }) => {
    await accounts.add("alice", { password: "correct horse" });
    const secret = await accounts.newFactor("alice");
    await accounts.confirmFactor("alice", await totpCode(secret, Math.floor(clock.now() / 30_000)));
    for (let i = 0; i < 4; i++) {
      await refuses("second_factor", accounts.signIn("alice", "correct horse", `10.0.0.${i}`, "000000"));
    }
    const error = await refuses("limited", accounts.signIn("alice", "correct horse", HERE, "000000"));
    assert.ok(error.retryAfter! > 0);
  }));

Deno.test("whoever has a network of IPv6 addresses has the tries of one address", () =>
  rig(async ({ accounts }) => {
    const codes = new Set<string>();
    for (let i = 0; i < 60; i++) {
      await accounts.signIn(`name${i}`, "wrong", `2001:db8:1:2::${i.toString(16)}`).catch(({ code }) =>
        codes.add(code)
      );
      if (codes.has("limited")) break;
    }
    assert.ok(codes.has("limited"));
    await refuses("wrong_credentials", accounts.signIn("other", "wrong", "2001:db8:1:3::1"));
  }));

Deno.test("sign-in takes the same time and gives the same answer whether the name exists or not", () =>
  rig(async ({ accounts }) => {
    await accounts.add("alice", { password: "correct horse" });
    const time = async (name: string, address: string) => {
      const from = performance.now();
      const error = await refuses("wrong_credentials", accounts.signIn(name, "wrong horse", address));
      return { took: performance.now() - from, text: error.message };
    };
    await time("nobody", "10.1.0.0");
    const known: number[] = [], unknown: number[] = [];
    for (let i = 0; i < 5; i++) {
      const a = await time("alice", `10.1.1.${i}`), b = await time(`nobody${i}`, `10.1.2.${i}`);
      assert.equal(a.text, b.text);
      known.push(a.took);
      unknown.push(b.took);
    }
    const median = (times: number[]) => times.sort((a, b) => a - b)[2]!;
    // Both cost one argon2id, tens of milliseconds; without the decoy the ratio would be above a thousand.
    const ratio = median(known) / median(unknown);
    assert.ok(ratio > 0.2 && ratio < 5, `${ratio}`);
  }));
