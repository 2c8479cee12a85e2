import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { Accounts } from "../../../src/core/people/accounts.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import { NexusError } from "../../../src/core/error.ts";
import { cleanDisplayName, type Identity } from "../../../src/core/people/identity.ts";
import { silentObserver } from "../../../src/core/observer.ts";
import { totpCode } from "../../../src/core/people/totp.ts";
import type { ExternalUser } from "../../../src/core/people/provisioning.ts";

const HERE = { address: "127.0.0.1" };

interface Rig {
  readonly accounts: Accounts;
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  open(): Promise<Accounts>;
}

async function rig(test: (rig: Rig) => Promise<void>): Promise<void> {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  const opened: Accounts[] = [];
  const open = async () => {
    const accounts = new Accounts({ clock, observer: silentObserver, store });
    opened.push(accounts);
    await accounts.load();
    return accounts;
  };
  try {
    await test({ accounts: await open(), clock, store, open });
  } finally {
    for (const each of opened) each.close();
  }
  assert.equal(clock.waiting, 0);
}

async function isForbidden(promise: Promise<unknown>): Promise<void> {
  const error = await promise.then(() => undefined, (error) => error);
  assert.ok(error instanceof NexusError && error.code === "forbidden", String(error));
}

const openId = (app: string, value: string): Identity => ({
  platform: "lark",
  kind: "open_id",
  scope: app,
  value,
});
const unionId = (value: string): Identity => ({
  platform: "lark",
  kind: "union_id",
  scope: "tenant",
  value,
});

/** Somebody of Feishu as a sign-in sees them, or an app's chat. */
function lark(
  open: string,
  union: string | undefined,
  more: Partial<ExternalUser> = {},
): ExternalUser {
  const byApp = openId("cli_1", open);
  return {
    platform: "lark",
    identities: union === undefined ? [byApp] : [unionId(union), byApp],
    ids: [`lark:cli_1:${open}`, `lark:main:${open}`],
    displayName: "李雷",
    ...more,
  };
}

Deno.test("whoever signs in by a platform and writes in its chat is one account, whichever comes first", () =>
  rig(async ({ accounts, open }) => {
    const bySignIn = await accounts.provision(lark("ou_1", "on_1"), HERE);
    assert.deepEqual(bySignIn, {
      id: "lark:cli_1:ou_1",
      name: "李雷",
      role: "member",
      bots: undefined,
    });
    // Another app of the same tenant knows them by another open_id.
    const inChat = await accounts.provision({
      ...lark("ou_other", "on_1"),
      identities: [unionId("on_1"), openId("cli_2", "ou_other")],
      ids: ["lark:second:ou_other"],
    });
    assert.equal(inChat.id, "lark:cli_1:ou_1");
    // What was learned holds where the platform tells the open_id only, also after a restart.
    const byOther = {
      ...lark("ou_other", undefined),
      identities: [openId("cli_2", "ou_other")] as [Identity],
    };
    assert.equal((await (await open()).provision(byOther)).id, "lark:cli_1:ou_1");
    assert.equal((await accounts.provision(lark("ou_2", "on_2"))).id, "lark:cli_1:ou_2");
    assert.deepEqual(
      (await accounts.identities.of("lark:cli_1:ou_1")).map(({ value }) => value).sort(),
      [
        "on_1",
        "ou_1",
        "ou_other",
      ],
    );
  }));

Deno.test("two first messages at once make one account", () =>
  rig(async ({ accounts }) => {
    const both = await Promise.all([
      accounts.provision(lark("ou_1", "on_1")),
      accounts.provision(lark("ou_1", "on_1")),
    ]);
    assert.equal(both[0].id, both[1].id);
    assert.equal(accounts.list().length, 1);
  }));

Deno.test("an account takes the id under which there is history from before, of a sign-in before that of a chat", () =>
  rig(async ({ accounts, store }) => {
    await store.set("conv:lark%3Amain%3Aou_1:c1", { id: "c1", personId: "lark:main:ou_1" });
    assert.equal((await accounts.provision(lark("ou_1", "on_1"), HERE)).id, "lark:main:ou_1");
    await store.set("person:lark%3Acli_1%3Aou_2", {
      id: "lark:cli_1:ou_2",
      source: "lark",
      createdAt: 1,
    });
    await store.set("conv:lark%3Amain%3Aou_2:c2", { id: "c2", personId: "lark:main:ou_2" });
    const other = new Accounts({ clock: new ManualClock(), observer: silentObserver, store });
    await other.load();
    assert.equal((await other.provision(lark("ou_2", "on_2"), HERE)).id, "lark:cli_1:ou_2");
    other.close();
  }));

Deno.test("what a provider says at each sign-in replaces what was known, and what it does not say stays", () =>
  rig(async ({ accounts }) => {
    await accounts.provision(lark("ou_1", "on_1", { role: "admin", bots: ["helper"] }), HERE);
    const person = await accounts.provision(lark("ou_1", "on_1", { displayName: "Li Lei" }), HERE);
    assert.deepEqual(person, {
      id: "lark:cli_1:ou_1",
      name: "Li Lei",
      role: "admin",
      bots: ["helper"],
    });
    const nameless = await accounts.provision(lark("ou_1", "on_1", { displayName: undefined }));
    assert.equal(nameless.name, "Li Lei");
  }));

Deno.test("nobody becomes somebody else by an id of a platform", () =>
  rig(async ({ accounts }) => {
    await accounts.replace({ admin: { password: "from the file" } });
    await accounts.editor.add("carol", { password: "correct horse" });
    const as = (id: string, value: string): ExternalUser => ({
      platform: "oidc",
      identities: [{ platform: "oidc", kind: "sub", scope: "https://a", value }],
      ids: [id],
    });
    await isForbidden(accounts.provision(as("carol", "1"), HERE));
    await isForbidden(accounts.provision(as("admin", "2"), HERE));
    await accounts.provision(as("oidc:dana", "dana"), HERE);
    await isForbidden(accounts.provision({ ...lark("x", "y"), ids: ["oidc:dana"] }, HERE));
    // The same value in another scope is another person.
    assert.notEqual((await accounts.provision(lark("dana", undefined), HERE)).id, "oidc:dana");
  }));

Deno.test("who is disabled is vouched for in vain, by sign-in and by chat", () =>
  rig(async ({ accounts }) => {
    const { id } = await accounts.provision(lark("ou_1", "on_1"), HERE);
    await accounts.editor.change(id, { disabled: true });
    await isForbidden(accounts.provision(lark("ou_1", "on_1"), HERE));
    await isForbidden(accounts.provision(lark("ou_1", "on_1")));
    await isForbidden(
      accounts.provision({
        ...lark("ou_9", "on_1", { displayName: "X" }),
        ids: ["lark:second:ou_9"],
      }),
    );
    assert.equal(accounts.view(id)!.name, "李雷");
    assert.deepEqual((await accounts.identities.of(id)).map(({ value }) => value).sort(), [
      "on_1",
      "ou_1",
    ]);
    await accounts.editor.change(id, { disabled: false });
    assert.equal((await accounts.provision(lark("ou_1", "on_1"))).id, id);
  }));

Deno.test("who was removed is vouched for again only when an admin allows it, and is somebody new then", () =>
  rig(async ({ accounts, open, store }) => {
    const { id } = await accounts.provision(lark("ou_1", "on_1"), HERE);
    await accounts.editor.remove(id);
    await isForbidden(accounts.provision(lark("ou_1", "on_1"), HERE));
    await isForbidden(accounts.provision({ ...lark("ou_9", "on_1"), ids: ["lark:second:ou_9"] }));
    // What stays of the identities are hashes.
    assert.ok(
      !JSON.stringify([await store.list("identit"), await store.list("barred:")]).includes("on_1"),
    );
    const again = await open();
    await isForbidden(again.provision(lark("ou_1", "on_1"), HERE));
    assert.equal(await again.editor.allow(id), true);
    assert.equal(await again.editor.allow(id), false);
    assert.equal((await again.provision(lark("ou_1", "on_1"), HERE)).id, "lark:cli_1:ou_1~2");
  }));

Deno.test("an identity that was linked by hand leads to its account; a second factor is not gone round by a provider", () =>
  rig(async ({ accounts, clock }) => {
    await accounts.editor.add("alice", { password: "correct horse" });
    await accounts.identities.link(unionId("on_1"), "alice", "pairing");
    assert.equal((await accounts.provision(lark("ou_1", "on_1"), HERE)).id, "alice");
    assert.equal((await accounts.provision(lark("ou_1", undefined))).id, "alice");
    assert.equal(
      accounts.person("alice")!.name,
      "alice",
      "the platform's name does not replace the account's",
    );
    const secret = await accounts.secondFactors.begin("alice");
    await accounts.provision(lark("ou_1", "on_1"), HERE);
    await accounts.secondFactors.confirm(
      "alice",
      await totpCode(secret, Math.floor(clock.now() / 30_000)),
    );
    await isForbidden(accounts.provision(lark("ou_1", "on_1"), HERE));
    assert.equal(
      (await accounts.provision(lark("ou_1", "on_1"))).id,
      "alice",
      "a chat asks for no factor",
    );
    await accounts.identities.link(unionId("on_1"), "bob", "admin");
    assert.deepEqual((await accounts.identities.of("alice")).map(({ value }) => value), ["ou_1"]);
    assert.equal(await accounts.identities.unlink(unionId("on_1")), true);
    assert.equal(await accounts.identities.unlink(unionId("on_1")), false);
  }));

Deno.test("links of earlier versions are found in the new place, but for those to nobody", () =>
  rig(async ({ store, open }) => {
    await store.set("bind:lark:main:ou_1:x", { account: "alice", name: "Alice", at: 5 });
    await store.set("bind:lark:main:ou_2", { account: "gone", at: 5 });
    const accounts = await open();
    await accounts.replace({ alice: { password: "of the file" } });
    await accounts.migrate();
    await accounts.editor.add("gone", { password: "somebody else" });
    assert.deepEqual(await accounts.identities.of("gone"), []);
    assert.deepEqual(await accounts.identities.of("alice"), [
      {
        platform: "lark",
        kind: "chat",
        scope: "main",
        value: "ou_1:x",
        account: "alice",
        name: "Alice",
        at: 5,
        by: "pairing",
      },
    ]);
    assert.deepEqual(await store.list("bind:"), []);
  }));

Deno.test("a name from outside stays in its line, keeps its direction, and is short", () => {
  assert.equal(cleanDisplayName("  Li\u202e\u200b Lei\n\tx "), "Li Lei x");
  assert.equal(cleanDisplayName("\u0000\u200f "), undefined);
  assert.equal(cleanDisplayName(7), undefined);
  assert.equal([...cleanDisplayName("😀".repeat(300))!].length, 100);
  assert.equal(cleanDisplayName("\ud800a"), "\ufffda");
});

Deno.test("an account that a chat made is a guest's until its person signs in, or is made an admin", () =>
  rig(async ({ accounts }) => {
    const { id } = await accounts.provision(lark("ou_1", "on_1"));
    assert.equal(accounts.isGuest(id), true);
    await accounts.provision(lark("ou_1", "on_1"));
    assert.equal(accounts.isGuest(id), true, "by a second message it stays one");
    await accounts.provision(lark("ou_1", "on_1"), HERE);
    assert.equal(accounts.isGuest(id), false);
    await accounts.provision(lark("ou_1", "on_1"));
    assert.equal(accounts.isGuest(id), false, "a later message makes no guest of them again");
    const other = await accounts.provision(lark("ou_2", "on_2"));
    await accounts.editor.change(other.id, { role: "admin" });
    assert.equal(accounts.isGuest(other.id), false);
  }));

Deno.test("an app offers strangers and guests what nobody is barred from, unless it lists its bots", () =>
  rig(async ({ accounts }) => {
    await accounts.editor.add("alice", { password: "alice-password" });
    const guest = await accounts.provision(lark("ou_1", "on_1"));
    const within = (id: string | undefined, bots?: string[]) => accounts.offer(id, bots).within;
    assert.deepEqual(within(undefined), [], "nobody is restricted");
    const carl = await accounts.editor.add("carl", { password: "carl-password", bots: ["a", "b"] });
    assert.deepEqual(within(undefined), [["a", "b"]]);
    assert.deepEqual(within(guest.id), [["a", "b"]]);
    assert.deepEqual(within("alice"), [], "whom the operator lets use all gets all");
    assert.deepEqual(within("carl"), [], "their own bounds are enough");
    assert.deepEqual(within(undefined, ["c"]), [["c"]]);
    assert.deepEqual(within("alice", ["c"]), [["c"]]);
    await accounts.editor.change(guest.id, { bots: ["z"] });
    assert.deepEqual(within(guest.id), [], "what the operator gave to a guest counts");
    await accounts.editor.change(carl.id, { disabled: true });
    assert.deepEqual(
      within(undefined),
      [["z"], ["a", "b"]],
      "also who is disabled may write as a stranger",
    );
    await accounts.editor.change(carl.id, { bots: null });
    assert.deepEqual(within(undefined), [["z"]]);
  }));

Deno.test("what a person is linked by is unlinked together, and nothing else of the account", () =>
  rig(async ({ accounts }) => {
    await accounts.editor.add("alice", { password: "alice-password" });
    const { identities } = accounts;
    const chat = (scope: string, value: string): Identity => ({
      platform: "lark",
      kind: "chat",
      scope,
      value,
    });
    await identities.link(chat("main", "ou_1"), "alice", "pairing", "李雷", unionId("on_1"));
    await identities.link(unionId("on_1"), "alice", "pairing", "李雷");
    await identities.link(chat("other", "ou_9"), "alice", "pairing");
    // Another app of the same company: the platform says that it is the same person.
    const inSecond: ExternalUser = {
      ...lark("ou_7", "on_1"),
      identities: [unionId("on_1"), chat("second", "ou_7")],
    };
    assert.equal((await accounts.provision(inSecond)).id, "alice");
    assert.equal(await identities.unlink(chat("second", "ou_7")), true);
    assert.deepEqual(
      (await identities.of("alice")).map(({ scope, value }) => `${scope} ${value}`),
      ["other ou_9"],
    );
    assert.notEqual((await accounts.provision(inSecond)).id, "alice");
  }));

Deno.test("an app's own id of somebody goes along when the platform gives it to another person", () =>
  rig(async ({ accounts }) => {
    const chat: Identity = { platform: "lark", kind: "chat", scope: "main", value: "same" };
    const who = (union: string): ExternalUser => ({
      ...lark("x", union),
      identities: [unionId(union), chat],
      ids: [`lark:c:${union}`],
    });
    const one = await accounts.provision(who("on_1")), two = await accounts.provision(who("on_2"));
    assert.notEqual(one.id, two.id);
    assert.equal((await accounts.identities.get(chat))!.account, two.id);
    await accounts.editor.add("alice", { password: "alice-password" });
    await accounts.identities.link(chat, "alice", "pairing");
    await accounts.provision(who("on_1"));
    assert.equal(
      (await accounts.identities.get(chat))!.account,
      "alice",
      "what a hand linked stays",
    );
  }));
