import assert from "node:assert/strict";
import { until } from "../world.ts";
import { emptyFolder, folderWith, MAIN, Program } from "../cli/program.ts";

Deno.test("a log that nobody reads any more stops neither the program nor a request", async () => {
  await using folder = await emptyFolder();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", MAIN, "--dir", folder.dir, "--port", "0"],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let out = "";
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) out += text;
  })();
  await until(() => /Open {6}http:\S+/.test(out), "the address");
  await child.stderr.cancel();
  const url = /Open {6}(http:\S+)/.exec(out)![1]!;
  for (let i = 0; i < 5; i++) {
    const refused = await fetch(`${url}/api/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username: "admin", password: "wrong" }),
    });
    assert.equal(refused.status, 401, await refused.text());
    // The log leaves in batches, each behind its requests.
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  const alive = await fetch(`${url}/livez`);
  assert.equal(alive.status, 200, await alive.text());
  child.kill("SIGTERM");
  assert.equal((await child.status).code, 0);
  await reading;
});

Deno.test("a reader of the log that stops reading stops no request; what it missed is counted when it reads again", async () => {
  await using folder = await folderWith({ log: { level: "debug" } });
  await using program = await Program.start(folder.dir, { holdLog: true });
  const token = await program.signIn();
  const bot = await program.bot("b");
  bot.answerAll(({ id }) => bot.reply(id, "well", true));
  const chat = async () => {
    const response = await program.as(token, "/api/chat", { message: "how are you?" });
    assert.equal((await response.json()).content, "well");
  };
  for (let round = 0; round < 50; round++) await Promise.all(Array.from({ length: 20 }, chat));
  program.readLog();
  await until(
    () => /\d+ lines of the log were dropped: nobody read it/.test(program.log),
    "the count",
  );
  const dropped = Number(/(\d+) lines of the log were dropped/.exec(program.log)![1]);
  await chat();
  await bot.close();
  assert.equal(await program.stop(), 0);
  const lines = program.log.trimEnd().split("\n").map((line) => JSON.parse(line));
  const ended = lines.filter(({ event }) => event === "turn_ended").length;
  assert.ok(ended < 1001, "some are missing");
  assert.ok(lines.length + dropped > 3003, "and each is counted");
  assert.equal(lines.at(-1).event, "stopped");
});
