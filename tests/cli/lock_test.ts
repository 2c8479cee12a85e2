import assert from "node:assert/strict";
import { join } from "node:path";
import { StoreLock } from "../../src/cli/lock.ts";
import type { AuditVerification } from "../../src/core/people/audit.ts";
import { until } from "../world.ts";
import { freePort } from "../deploy/running.ts";
import { emptyFolder, folderWith, MAIN, Program } from "./program.ts";

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", MAIN, ...args],
  })
    .output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

Deno.test("a second gateway on the same store says who has it and ends with 1; the first goes on", async () => {
  await using folder = await folderWith();
  await using first = await Program.start(folder.dir);
  const token = await first.signIn();
  await using second = await Program.start(folder.dir);
  assert.equal(await second.ended(), 1);
  assert.match(
    second.log,
    new RegExp(
      `nexus.db is in use by process ${first.child.pid} on ${Deno.hostname()} since 20.*stop that one first`,
    ),
  );
  assert.match(second.log, /waits up to 5 s for/);
  const me = await first.as(token, "/api/me");
  assert.equal(me.status, 200, await me.text());
});

Deno.test("a process that was killed holds nothing, and neither does a file that somebody left behind", async () => {
  await using folder = await folderWith();
  await using first = await Program.start(folder.dir);
  const lock = join(folder.dir, "nexus.db.lock");
  assert.equal(JSON.parse(await Deno.readTextFile(lock)).pid, first.child.pid);
  await first.stop("SIGKILL");
  await Deno.writeTextFile(lock, `${await Deno.readTextFile(lock)}{"pid":`);
  await using second = await Program.start(folder.dir);
  assert.doesNotMatch(second.log, /waits/);
  assert.equal(await second.stop(), 0);
  assert.equal((await Deno.stat(lock)).mode! & 0o777, 0o600);
});

Deno.test("a restart that overlaps: the new process waits until the old one has let its turns finish", async () => {
  await using folder = await folderWith();
  await using first = await Program.start(folder.dir);
  const token = await first.signIn();
  const bot = await first.bot("b");
  const asked = first.as(token, "/api/chat", { message: "slowly, please" });
  const { id } = await bot.next("chat");
  const leaving = first.stop();
  await until(() => first.log.includes('"draining"'), "the first to leave");
  await using second = await Program.start(folder.dir, { early: true });
  await until(() => second.log.includes("has it, which is leaving"), "the second to wait", 60);
  assert.ok(!second.isUp);
  bot.reply(id, "done", true);
  assert.equal((await (await asked).json()).content, "done");
  assert.equal(await leaving, 0);
  await until(() => second.isUp, "the second to serve", 60);
  const { conversations } = await (await second.as(token, "/api/conversations")).json();
  const turns = await second.as(token, `/api/conversations/${conversations[0].id}/turns`);
  assert.deepEqual((await turns.json()).turns.map(({ status }: { status: string }) => status), [
    "done",
  ]);
});

Deno.test("a restart that overlaps refuses no connection, and who comes meanwhile is asked to come again", async () => {
  await using folder = await folderWith();
  const args = ["--port", String(freePort())];
  await using first = await Program.start(folder.dir, { args });
  const answers: string[] = [];
  let isOver = false;
  const asking = (async () => {
    while (!isOver) answers.push(await ask(first.port));
  })();
  await using second = await Program.start(folder.dir, { args, early: true });
  await until(() => second.log.includes("has it"), "the second to wait", 60);
  assert.equal(await first.stop(), 0);
  await until(() => second.isUp, "the second to serve", 60);
  const before = answers.length;
  await until(() => answers.length > before + 50, "answers of the second");
  isOver = true;
  await asking;
  // A connection that the first had not yet taken from the kernel when it closed the port is reset.
  assert.ok(answers.filter((one) => one === "ConnectionReset").length <= 1);
  assert.deepEqual(
    [...new Set(answers)].filter((one) => one !== "ConnectionReset").sort(),
    ["200", "503, again after 1 s, close"],
    JSON.stringify(
      Object.groupBy(answers, (one) => one),
      (_, value) => Array.isArray(value) ? value.length : value,
    ),
  );
  assert.deepEqual(answers.slice(before + 1).filter((one) => one !== "200"), []);
});

/** What a connection of its own is answered, in words. */
async function ask(port: number): Promise<string> {
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(
      new TextEncoder().encode("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    );
    const bytes = new Uint8Array(4096);
    const text = new TextDecoder().decode(bytes.subarray(0, await connection.read(bytes) ?? 0));
    const header = (name: string) => new RegExp(`^${name}: (.*)\r$`, "im").exec(text)?.[1];
    const status = text.slice(9, 12);
    return status === "200"
      ? status
      : `${status}, again after ${header("retry-after")} s, ${header("connection")}`;
  } catch (error) {
    return (error as Error).name;
  }
}

Deno.test("commands work beside a gateway and beside each other, and the audit log stays whole", async () => {
  await using folder = await folderWith();
  await using gateway = await Program.start(folder.dir);
  await gateway.signIn();
  const dir = ["--dir", folder.dir];
  const done = await Promise.all([
    run("user", "add", "bob", ...dir),
    run("user", "add", "carol", ...dir),
    run("bot", "token", "make", "parrot", ...dir),
    run("backup", join(folder.dir, "copy.db"), ...dir),
  ]);
  for (const { code, err } of done) assert.equal(code, 0, err);
  await gateway.signIn();
  assert.equal(await gateway.stop(), 0);
  const verdict = await run("audit", "verify", "--json", ...dir);
  assert.equal(verdict.code, 0, verdict.out);
  assert.deepEqual(
    Object.entries(JSON.parse(verdict.out) as Record<string, AuditVerification>).map((
      [node, { lines }],
    ) => [node, lines]).sort(),
    [["1", 2], ["cli", 3]],
  );
});

Deno.test("restore is refused while a gateway runs, with its name", async () => {
  await using folder = await folderWith();
  await using gateway = await Program.start(folder.dir);
  const copy = join(folder.dir, "copy.db");
  assert.equal((await run("backup", copy, "--dir", folder.dir)).code, 0);
  const refused = await run("restore", copy, "--dir", folder.dir);
  assert.equal(refused.code, 1);
  assert.match(refused.err, new RegExp(`in use by process ${gateway.child.pid}`));
  assert.equal(await gateway.stop(), 0);
  assert.equal((await run("restore", copy, "--dir", folder.dir)).code, 0);
});

Deno.test("a store is the same by whatever link it is opened, and a folder that gives no lock is said", async () => {
  await using folder = await emptyFolder();
  const store = join(folder.dir, "nexus.db"), link = join(folder.dir, "link.db");
  await Deno.writeTextFile(store, "");
  await Deno.symlink(store, link);
  const lock = await StoreLock.take(store);
  await assert.rejects(StoreLock.take(link, { timeout: 0 }), /in use by process/);
  const other = await StoreLock.take(store, { of: "commands" });
  other.release();
  lock.release();
  (await StoreLock.take(link, { timeout: 0 })).release();
  const why: string[] = [];
  (await StoreLock.take(join(folder.dir, "gone", "nexus.db"), {
    onUnavailable: (text) => why.push(text),
  }))
    .release();
  assert.equal(why.length, 1);
});
