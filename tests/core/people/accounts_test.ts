import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { Accounts } from "../../../src/core/people/accounts.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import type { ErrorCode } from "../../../src/core/error.ts";
import { NexusError } from "../../../src/core/error.ts";
import { type GatewayEvent, silentObserver } from "../../../src/core/observer.ts";
import { HASH_BOUNDS, PasswordHasher } from "../../../src/core/people/password_hash.ts";
import { totpCode } from "../../../src/core/people/totp.ts";
import { until } from "../../world.ts";

async function rig(test: (rig: Rig) => Promise<void>): Promise<void> {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  const told: GatewayEvent[] = [];
  const observer = {
    ...silentObserver,
    tell: (happening: GatewayEvent) => void told.push(happening),
  };
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
  readonly told: GatewayEvent[];
  readonly accounts: Accounts;
  open(): Promise<Accounts>;
}

async function refuses(code: ErrorCode, promise: Promise<unknown>): Promise<NexusError> {
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
    await accounts.editor.add("alice", {
      password: "correct horse",
      displayName: "Alice",
      role: "member",
      bots: ["bot"],
    });
    assert.deepEqual(await accounts.passwords.signIn("alice", "correct horse", HERE), {
      id: "alice",
      name: "Alice",
      role: "member",
      bots: ["bot"],
    });
    assert.ok(!JSON.stringify(await store.list("person:")).includes("correct horse"));
    const again = await open();
    assert.equal((await again.passwords.signIn("alice", "correct horse", HERE)).name, "Alice");
    await refuses("wrong_credentials", again.passwords.signIn("alice", "wrong horse", HERE));
  }));

Deno.test("what is wrong with a new person is said", () =>
  rig(async ({ accounts }) => {
    await refuses("conflict", accounts.editor.add("admin", { password: "long enough" }));
    for (const id of ["", "a b", "tab\tbed", "x".repeat(101)]) {
      await refuses("invalid", accounts.editor.add(id, { password: "long enough" }));
    }
    await refuses("invalid", accounts.editor.add("short", { password: "1234567" }));
    await accounts.editor.add("alice", { password: "long enough" });
    await refuses("conflict", accounts.editor.add("alice", { password: "long enough" }));
  }));

Deno.test("a disabled person is nobody until they are enabled, and a removed one stays nobody", () =>
  rig(async ({ accounts }) => {
    await accounts.editor.add("alice", { password: "correct horse" });
    await accounts.editor.change("alice", { disabled: true });
    assert.equal(accounts.person("alice"), undefined);
    await refuses("wrong_credentials", accounts.passwords.signIn("alice", "correct horse", HERE));
    assert.equal(accounts.view("alice")!.disabled, true);
    await accounts.editor.change("alice", {
      disabled: false,
      role: "admin",
      password: "another horse",
    });
    assert.equal((await accounts.passwords.signIn("alice", "another horse", HERE)).role, "admin");
    await accounts.editor.remove("alice");
    await refuses("wrong_credentials", accounts.passwords.signIn("alice", "another horse", HERE));
    await refuses("not_found", accounts.editor.change("alice", { disabled: true }));
  }));

Deno.test("a person of the configuration counts before one of the store, and is changed only there", () =>
  rig(async ({ accounts }) => {
    await accounts.editor.add("bob", { password: "of the store" });
    await accounts.replace({
      bob: { password: "of the file" },
      admin: { password: "from the file" },
    });
    await accounts.passwords.signIn("bob", "of the file", HERE);
    await refuses("wrong_credentials", accounts.passwords.signIn("bob", "of the store", HERE));
    await refuses("conflict", accounts.editor.change("bob", { role: "admin" }));
    await refuses("conflict", accounts.editor.remove("admin"));
    assert.deepEqual(accounts.list().map(({ id, source }) => [id, source]), [["bob", "config"], [
      "admin",
      "config",
    ]]);
  }));

Deno.test("what another process changed is known within seconds", () =>
  rig(async ({ accounts, open, clock }) => {
    const other = await open();
    await other.editor.add("alice", { password: "correct horse" });
    assert.equal(accounts.person("alice"), undefined);
    clock.pass(5000);
    await until(() => accounts.person("alice")?.id === "alice", "alice");
  }));

Deno.test("with a second factor the password alone opens nothing, and each code opens once", () =>
  rig(async ({ accounts, clock, store }) => {
    await accounts.editor.add("alice", { password: "correct horse" });
    const secret = await accounts.secondFactors.begin("alice");
    const code = () => totpCode(secret, Math.floor(clock.now() / 30_000));
    await accounts.passwords.signIn("alice", "correct horse", HERE);
    await refuses("second_factor", accounts.secondFactors.confirm("alice", "000000"));
    const recovery = await accounts.secondFactors.confirm("alice", await code());
    assert.equal(recovery.length, 10);
    await refuses("second_factor", accounts.passwords.signIn("alice", "correct horse", HERE));
    await refuses(
      "second_factor",
      accounts.passwords.signIn("alice", "correct horse", HERE, await code()),
    );
    clock.pass(60_000);
    await refuses(
      "wrong_credentials",
      accounts.passwords.signIn("alice", "wrong horse", HERE, await code()),
    );
    const now = await code();
    const both = await Promise.allSettled([
      accounts.passwords.signIn("alice", "correct horse", HERE, now),
      accounts.passwords.signIn("alice", "correct horse", HERE, now),
    ]);
    assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    clock.pass(600_000);
    await accounts.passwords.signIn("alice", "correct horse", HERE, recovery[0]!.toUpperCase());
    await refuses(
      "second_factor",
      accounts.passwords.signIn("alice", "correct horse", HERE, recovery[0]),
    );
    assert.ok(!JSON.stringify(await store.list("totp:")).includes(recovery[1]!));
    await accounts.secondFactors.remove("alice");
    await accounts.passwords.signIn("alice", "correct horse", HERE);
  }));

Deno.test("codes cannot be guessed: after five wrong ones a minute passes for each", () =>
  rig(async ({ accounts, clock }) => {
    await accounts.editor.add("alice", { password: "correct horse" });
    const secret = await accounts.secondFactors.begin("alice");
    await accounts.secondFactors.confirm(
      "alice",
      await totpCode(secret, Math.floor(clock.now() / 30_000)),
    );
    for (let i = 0; i < 4; i++) {
      await refuses(
        "second_factor",
        accounts.passwords.signIn("alice", "correct horse", `10.0.0.${i}`, "000000"),
      );
    }
    const error = await refuses(
      "limited",
      accounts.passwords.signIn("alice", "correct horse", HERE, "000000"),
    );
    assert.ok(error.retryAfter! > 0);
  }));

Deno.test("whoever has a network of IPv6 addresses has the tries of one address", () =>
  rig(async ({ accounts }) => {
    const codes = new Set<string>();
    for (let i = 0; i < 60; i++) {
      await accounts.passwords.signIn(`name${i}`, "wrong", `2001:db8:1:2::${i.toString(16)}`).catch(
        (
          { code },
        ) => codes.add(code),
      );
      if (codes.has("limited")) break;
    }
    assert.ok(codes.has("limited"));
    await refuses(
      "wrong_credentials",
      accounts.passwords.signIn("other", "wrong", "2001:db8:1:3::1"),
    );
  }));

Deno.test("sign-in takes the same time and gives the same answer whether the name exists or not", () =>
  rig(async ({ accounts }) => {
    await accounts.editor.add("alice", { password: "correct horse" });
    const time = async (name: string, address: string) => {
      const from = performance.now();
      const error = await refuses(
        "wrong_credentials",
        accounts.passwords.signIn(name, "wrong horse", address),
      );
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
    // Both cost one argon2id, tens of milliseconds; without the decoy the ratio would be above a
    // thousand.
    const ratio = median(known) / median(unknown);
    assert.ok(ratio > 0.2 && ratio < 5, `${ratio}`);
  }));

/** The dearest hashes that are taken, and dearer ones. */
const phc = (m: number, t: number, p: number) =>
  `$argon2id$v=19$m=${m},t=${t},p=${p}$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY`;
const { memory: M, passes: T, lanes: P } = HASH_BOUNDS;

Deno.test("a member cannot choose what their password costs: a text that looks like a hash is none", () =>
  rig(async ({ accounts }) => {
    await accounts.editor.add("alice", { password: "correct horse" });
    for (
      const password of [
        phc(8, 1, 1),
        phc(2_000_000, 1, 1),
        phc(M, 100, 1),
        "$2b$12$abcdefghijk",
        "$scrypt$ln=20$x$y",
      ]
    ) await refuses("invalid", accounts.editor.setPassword("alice", password));
    await accounts.editor.setPassword("alice", "$ecret$ money");
    assert.equal((await accounts.passwords.signIn("alice", "$ecret$ money", HERE)).id, "alice");
  }));

Deno.test("an admin may bring a hash along, inside the bounds", () =>
  rig(async ({ accounts }) => {
    const hash = await new PasswordHasher().hash("brought along");
    await accounts.editor.add("alice", { password: hash });
    assert.equal((await accounts.passwords.signIn("alice", "brought along", HERE)).id, "alice");
    for (
      const dear of [
        phc(M + 1, T, P),
        phc(M, T + 1, P),
        phc(M, T, P + 1),
        phc(8, 1, 2),
        phc(8, 0, 1),
        phc(8, 1, 0),
      ]
    ) {
      const error = await refuses("invalid", accounts.editor.change("alice", { password: dear }));
      assert.match(error.detail!, new RegExp(`m up to ${M}, t up to ${T} and p up to ${P}`));
    }
    await accounts.editor.change("alice", { password: phc(M, T, P) });
  }));

Deno.test("a stored hash beyond the bounds is not computed: it opens nothing and takes as long as no account", () =>
  rig(async ({ store, open }) => {
    await store.set("person:eve", { id: "eve", password: phc(2_000_000, 100, 1), createdAt: 1 });
    const accounts = await open();
    const time = async (name: string) => {
      const from = performance.now();
      await refuses("wrong_credentials", accounts.passwords.signIn(name, "wrong", HERE));
      return performance.now() - from;
    };
    await time("nobody");
    const nobody = Math.min(await time("nobody"), await time("nobody"), await time("nobody"));
    const eve = Math.min(await time("eve"), await time("eve"), await time("eve"));
    assert.ok(eve > nobody / 5 && eve < nobody * 5, `${eve} ${nobody}`);
  }));

Deno.test("the second account of a name has another id and nothing of the first, in the store and in the configuration", () =>
  rig(async ({ accounts, open }) => {
    await accounts.editor.add("alice", { password: "correct horse" });
    await accounts.secondFactors.begin("alice");
    await accounts.editor.remove("alice");
    assert.equal(accounts.isDeactivated("alice"), true);
    await refuses("wrong_credentials", accounts.passwords.signIn("alice", "correct horse", HERE));
    const { id, username } = await accounts.editor.add("alice", { password: "another horse" });
    assert.deepEqual([id, username], ["alice~2", "alice"]);
    assert.deepEqual(await accounts.passwords.signIn("alice", "another horse", HERE), {
      id: "alice~2",
      username: "alice",
      name: "alice",
      role: "member",
      bots: undefined,
    });
    await accounts.editor.remove("alice~2");
    const again = await open();
    assert.deepEqual([
      again.isDeactivated("alice"),
      again.isDeactivated("alice~2"),
      again.isDeactivated("alice~3"),
    ], [
      true,
      true,
      false,
    ]);
    await again.replace({ alice: { password: "of the file" } });
    assert.equal((await again.passwords.signIn("alice", "of the file", HERE)).id, "alice~3");
    assert.equal(again.find("alice")!.id, "alice~3");
    assert.equal(again.find("alice~2"), undefined);
  }));

Deno.test("an id that looks like a second account's is not given twice", () =>
  rig(async ({ store, open }) => {
    // Before ids were apart from names, a name could have a ~ in it.
    await store.set("person:bob~2", { id: "bob~2", createdAt: 1 });
    await store.set("person:bob", { id: "bob", createdAt: 1 });
    const accounts = await open();
    await accounts.editor.remove("bob");
    assert.equal((await accounts.editor.add("bob", { password: "correct horse" })).id, "bob~3");
    await refuses("invalid", accounts.editor.add("carol~1", { password: "correct horse" }));
  }));

Deno.test("who was taken out of the configuration is out, is the same when put back, and another when forgotten", () =>
  rig(async ({ accounts, open }) => {
    const users = { admin: { password: "from the file" }, bob: { password: "of the file" } };
    await accounts.replace(users);
    await accounts.noteConfigured();
    const changes: string[] = [];
    accounts.watch(({ type, id }) => changes.push(`${type} ${id}`));
    await accounts.replace({ admin: users.admin });
    assert.deepEqual(changes.splice(0), ["deactivated bob"]);
    assert.equal(accounts.isDeactivated("bob"), true);
    assert.deepEqual(accounts.view("bob")!.source, "former");
    await refuses("conflict", accounts.editor.add("bob", { password: "somebody else" }));
    await refuses("conflict", accounts.editor.change("bob", { role: "admin" }));
    await accounts.replace(users);
    assert.deepEqual(changes.splice(0), ["activated bob"]);
    assert.equal((await accounts.passwords.signIn("bob", "of the file", HERE)).id, "bob");
    await refuses("conflict", accounts.editor.remove("bob"));
    await accounts.replace({ admin: users.admin });
    // A process that has not seen him in the configuration knows him from the store.
    const other = await open();
    assert.equal(other.find("bob")!.id, "bob");
    await other.editor.remove("bob");
    await accounts.replace(users);
    assert.equal((await other.editor.add("bob", { password: "somebody else" })).id, "bob~2");
  }));

Deno.test("what somebody left who stood in the configuration is adopted only when that is asked for", () =>
  rig(async ({ accounts }) => {
    await accounts.replace({ bob: { password: "of the file" } });
    await accounts.noteConfigured();
    await accounts.replace({});
    assert.equal(
      (await accounts.editor.add("bob", { password: "of the store", adopt: true })).id,
      "bob",
    );
    assert.equal((await accounts.passwords.signIn("bob", "of the store", HERE)).id, "bob");
  }));

Deno.test("who changed a password in the configuration ends what was begun with the old one, and no other", () =>
  rig(async ({ accounts }) => {
    const hash = await new PasswordHasher().hash("hashed");
    await accounts.replace({
      a: { password: "one" },
      b: { password: "two" },
      c: { password: hash },
    });
    const changes: string[] = [];
    accounts.watch(({ type, id }) => changes.push(`${type} ${id}`));
    await accounts.replace({
      a: { password: "other" },
      b: { password: "two" },
      c: { password: hash },
    });
    assert.deepEqual(changes.splice(0), ["password a"]);
    await accounts.replace({
      a: { password: "other" },
      b: { password: "two", role: "admin" },
      c: { password: "hashed" },
    });
    assert.deepEqual(changes, ["changed b", "password c"]);
  }));

Deno.test("a change by another process is announced here, whatever it was", () =>
  rig(async ({ accounts, open, clock }) => {
    const other = await open();
    await other.editor.add("alice", { password: "correct horse" });
    await other.editor.add("bob", { password: "correct horse" });
    const changes: string[] = [];
    accounts.watch(({ type, id }) => changes.push(`${type} ${id}`));
    let looks = 0;
    const look = async () => {
      // Somebody new in every round shows that a look has been.
      const last = `z${looks++}`;
      await other.editor.add(last, { password: "correct horse" });
      clock.pass(5000);
      await until(() => changes.includes(`activated ${last}`), "the end of a look");
      return changes.splice(0).filter((change) => change !== `activated ${last}`);
    };
    assert.deepEqual(await look(), ["activated alice", "activated bob"]);
    await other.editor.change("alice", { disabled: true });
    assert.deepEqual(await look(), ["deactivated alice"]);
    await other.editor.change("alice", { disabled: false });
    await other.editor.change("bob", { role: "admin" });
    assert.deepEqual(await look(), ["activated alice", "changed bob"]);
    await other.editor.remove("alice");
    assert.deepEqual(await look(), ["deactivated alice", "removed alice"]);
    assert.deepEqual(await look(), []);
  }));

Deno.test("a row that a removal has not deleted yet is nobody, and its id is not given again", () =>
  rig(async ({ store, accounts, open }) => {
    await accounts.editor.add("alice", { password: "correct horse" });
    const row = await store.get("person:alice");
    await accounts.editor.remove("alice");
    await store.set("person:alice", row);
    const other = await open();
    assert.equal(other.person("alice"), undefined);
    assert.equal((await other.editor.add("alice", { password: "correct horse" })).id, "alice~2");
  }));

Deno.test("what is changed here while a long list is read again stays changed", () =>
  rig(async ({ accounts, store, open, clock }) => {
    const hash = await new PasswordHasher().hash("correct horse");
    await accounts.editor.add("A.alice", { password: hash });
    await accounts.editor.add("A.bob", { password: hash });
    for (let n = 0; n < 1_500; n++) await store.set(`person:a${n}`, { id: `a${n}`, createdAt: 1 });
    const other = await open();
    await other.editor.add("carol", { password: hash });
    clock.pass(5_000);
    // A page of the list has been read by now, with those whose names begin with A.
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.equal(accounts.person("carol"), undefined);
    await accounts.editor.change("A.alice", { disabled: true });
    await accounts.editor.remove("A.bob");
    await accounts.editor.add("A.dave", { password: hash });
    await until(() => accounts.person("carol") !== undefined, "the end of the list");
    assert.equal(accounts.person("A.alice"), undefined);
    assert.equal(accounts.isDeactivated("A.bob"), true);
    assert.equal(accounts.view("A.bob"), undefined);
    assert.equal(accounts.person("A.dave")?.id, "A.dave");
    assert.equal(accounts.list().length, 1_504);
  }));
