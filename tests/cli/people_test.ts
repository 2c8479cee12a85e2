import assert from "node:assert/strict";
import { main } from "../../main.ts";

/** Runs a command in this process and catches what it prints. */
async function nexus(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { log, error } = console;
  const out: string[] = [], err: string[] = [];
  console.log = (...parts: unknown[]) => void out.push(parts.join(" "));
  console.error = (...parts: unknown[]) => void err.push(parts.join(" "));
  try {
    const code = await main(args);
    return { code, out: out.join("\n"), err: err.join("\n") };
  } finally {
    console.log = log;
    console.error = error;
  }
}

async function inFolder(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      `${dir}/config.json`,
      JSON.stringify({ users: { root: { password: "in the file", role: "admin" } } }),
    );
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("people are added, listed, given a new password and removed on the command line", () =>
  inFolder(async (dir) => {
    const added = await nexus(
      "user",
      "add",
      "alice",
      "--admin",
      "--display",
      "Alice",
      "--dir",
      dir,
    );
    assert.equal(added.code, 0, added.err);
    assert.match(added.out, /Password: \S{20,}/);
    const list = JSON.parse((await nexus("user", "list", "--json", "--dir", dir)).out);
    assert.deepEqual(
      list.map(({ id, role, source }: Record<string, string>) => [id, role, source]),
      [
        ["alice", "admin", "store"],
        ["root", "admin", "config"],
      ],
    );
    const again = await nexus("user", "add", "alice", "--dir", dir);
    assert.deepEqual([again.code, again.err], [1, "nexus: there is somebody with the name alice"]);
    assert.equal((await nexus("user", "passwd", "alice", "--dir", dir)).code, 0);
    assert.equal((await nexus("user", "passwd", "root", "--dir", dir)).code, 1);
    assert.equal((await nexus("user", "rm", "alice", "--dir", dir)).code, 0);
    assert.equal((await nexus("user", "rm", "alice", "--dir", dir)).code, 1);
    assert.doesNotMatch((await nexus("user", "list", "--dir", dir)).out, /alice/);
    for (
      const wrong of [[], ["add"], ["list", "x"], ["fly", "x"], ["add", "x", "--password", "shown"]]
    ) {
      assert.equal((await nexus("user", ...wrong, "--dir", dir)).code, 2, wrong.join(" "));
    }
  }));

Deno.test("a token's pools are named on the command line, and no name is given twice", () =>
  inFolder(async (dir) => {
    const bots = { gpt: { type: "openai", model: "m", pool: "models" } };
    await Deno.writeTextFile(`${dir}/config.json`, JSON.stringify({ bots }));
    const make = (...args: string[]) => nexus("bot", "token", "make", ...args, "--dir", dir);
    assert.equal((await make("helper", "--pool", "crew", "--pool", "models")).code, 0);
    assert.match(
      (await nexus("bot", "token", "list", "--dir", dir)).out,
      /^helper {2}.* {2}pool crew {2}pool models$/,
    );
    for (
      const wrong of [
        ["gpt2", "--pool", "gpt"],
        ["crew"],
        ["models"],
        ["gpt2", "--pool", "helper"],
        ["Helper"],
      ]
    ) {
      const { code, err } = await make(...wrong);
      assert.equal(code, 1, wrong.join(" "));
      assert.match(err, /invalid|is a pool|is the id|looks like/);
    }
  }));

Deno.test("a bot's token is made once, shown once and revoked on the command line", () =>
  inFolder(async (dir) => {
    const made = JSON.parse(
      (await nexus("bot", "token", "make", "helper", "--json", "--dir", dir)).out,
    );
    assert.match(made.token, /^nxb_[0-9a-f]{48}$/);
    assert.match((await nexus("bot", "token", "list", "--dir", dir)).out, /^helper {2}/);
    assert.equal((await nexus("bot", "token", "revoke", "helper", "--dir", dir)).code, 0);
    assert.equal((await nexus("bot", "token", "revoke", "helper", "--dir", dir)).code, 1);
    assert.equal((await nexus("bot", "tokens", "--dir", dir)).code, 2);
  }));

Deno.test("a backup is made, never overwrites, and brings people back", () =>
  inFolder(async (dir) => {
    await nexus("user", "add", "alice", "--dir", dir);
    assert.equal((await nexus("backup", `${dir}/copy.db`, "--dir", dir)).code, 0);
    assert.equal((await nexus("backup", `${dir}/copy.db`, "--dir", dir)).code, 1);
    await nexus("user", "rm", "alice", "--dir", dir);
    assert.equal((await nexus("restore", `${dir}/copy.db`, "--dir", dir)).code, 0);
    assert.match((await nexus("user", "list", "--dir", dir)).out, /alice/);
    assert.equal((await nexus("restore", `${dir}/none.db`, "--dir", dir)).code, 1);
    assert.equal((await nexus("backup", "--dir", dir)).code, 2);
  }));

Deno.test("audit verify says that the log is whole, and where it is not", () =>
  inFolder(async (dir) => {
    assert.match((await nexus("audit", "verify", "--dir", dir)).out, /empty/);
    for (const name of ["a", "b", "c"]) await nexus("user", "add", name, "--dir", dir);
    const whole = await nexus("audit", "verify", "--dir", dir);
    assert.equal(whole.code, 0);
    assert.match(whole.out, /cli: 3 lines, whole; head [0-9a-f]{64}/);
    const { DatabaseSync } = await import("node:sqlite");
    const db = new DatabaseSync(`${dir}/nexus.db`);
    db.exec(`UPDATE lines SET value = replace(value, '"b"', '"x"') WHERE at = 1`);
    db.close();
    const broken = await nexus("audit", "verify", "--dir", dir);
    assert.equal(broken.code, 1);
    assert.match(broken.out, /BROKEN at line 1: its words were changed/);
  }));
