import assert from "node:assert/strict";
import { until } from "../world.ts";
import { folderWith, Program } from "./program.ts";
import { lacks } from "../needs.ts";

const encoder = new TextEncoder();

/** Connections of strangers. */
class Crowd implements Disposable {
  readonly open: Deno.Conn[] = [];

  constructor(readonly port: number) {}

  /**
   * Opens so many, or as many as there is room for, and sends something on each. Returns how many.
   */
  async join(count: number, text = ""): Promise<number> {
    const before = this.open.length;
    for (let n = 0; n < count; n++) {
      try {
        const connection = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
        this.open.push(connection);
        if (text) await connection.write(encoder.encode(text));
      } catch {
        // Refused: the port is shut for a moment, or this one was closed at once.
      }
    }
    return this.open.length - before;
  }

  [Symbol.dispose](): void {
    for (const connection of this.open.splice(0)) connection.close();
  }
}

async function answers(program: Program, path = "/livez", token = ""): Promise<boolean> {
  try {
    const response = await program.as(token, path);
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false;
  }
}

Deno.test({
  name: "with 300 files, 290 connections that do nothing or hardly anything do not shut the port",
  ignore: await lacks("a Unix"),
  async fn() {
    await using folder = await folderWith();
    await using program = await Program.start(folder.dir, { shell: "ulimit -n 300" });
    const token = await program.signIn();
    for (
      const text of [
        "",
        "GET / HTTP/1.1\r\nho",
        "POST /api/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
      ]
    ) {
      using crowd = new Crowd(program.port);
      assert.ok(await crowd.join(290, text) > 100, text);
      await until(() => answers(program), `an answer beside ${JSON.stringify(text)}`, 30);
      await until(() => answers(program, "/api/conversations", token), "a person's answer", 30);
    }
    await until(() => answers(program), "an answer afterwards", 30);
    assert.match(program.log, /the port is crowded: \d+ connections closed/);
    assert.equal(await program.stop(), 0, program.log);
  },
});

Deno.test({
  name:
    "a port that is lost because no file is left is open again within a moment, and what was open goes on",
  ignore: await lacks("a Unix"),
  async fn() {
    await using folder = await folderWith();
    await using program = await Program.start(folder.dir, { shell: "ulimit -n 300" });
    const token = await program.signIn();
    const bot = await program.bot("b");
    bot.answerAll(({ id }) => bot.reply(id, "well", true));
    const events = await program.as(token, "/api/events");
    using crowd = new Crowd(program.port);
    await until(
      async () => {
        await crowd.join(100);
        return program.log.includes("takes no connections any more");
      },
      "the port to be lost",
      30,
    );
    await until(
      () => /port \d+ is open again after \d+ ms/.test(program.log),
      "the port to be open again",
      30,
    );
    await until(() => answers(program), "an answer", 30);
    const chat = await program.as(token, "/api/chat", { message: "hello" });
    assert.equal((await chat.json()).content, "well", "the bot's socket is the old one");
    await events.body!.cancel();
    await bot.close();
    assert.equal(await program.stop(), 0, program.log);
  },
});

Deno.test({
  name: "a port that cannot be opened again ends the process with 1, which says why",
  ignore: await lacks("a Unix"),
  async fn() {
    await using folder = await folderWith();
    // Without its sockets in sight the gateway cannot close what does nothing.
    await using program = await Program.start(folder.dir, {
      shell: "ulimit -n 300",
      flags: ["--deny-ffi"],
    });
    await until(
      () => program.log.includes("the connections of the port are not bounded"),
      "the warning",
      30,
    );
    using crowd = new Crowd(program.port);
    const ended = program.ended();
    let code: number | undefined;
    void ended.then((value) => code = value);
    await until(
      async () => {
        await crowd.join(20);
        return code !== undefined;
      },
      "the process to end",
      60,
    );
    assert.equal(code, 1);
    assert.match(
      program.log,
      /port \d+ cannot be opened again: the gateway ends.*Too many open files/,
    );
  },
});
