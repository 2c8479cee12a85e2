import assert from "node:assert/strict";
import { startWorld, until } from "../world.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

for (const platform of ["feishu", "dingtalk", "wecom"]) {
  Deno.test(`nexus emulate ${platform}: the configuration it prints meets it, and its page shows the answer`, async () => {
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", MAIN, "emulate", platform, "--port", "0"],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    try {
      let said = "";
      while (!said.includes("\n}\n")) {
        said += (await reader.read()).value ?? assert.fail(`it ended: ${said}`);
      }
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(said)![0];
      const { channels } = JSON.parse(said.slice(said.indexOf("\n{")));
      await using w = await startWorld({ channels, demo: false });
      const bot = await w.bot("alpha", { protocol: 2 });
      bot.answerAll((chat) => bot.reply(chat.id, `to ${chat.content}`, true, { seq: 1 }));
      await until(() => w.app.apps.list()[0]?.connected === true);
      await (await fetch(`${url}/say`, {
        method: "POST",
        body: JSON.stringify({ chat: "chat1", text: "hello" }),
      }))
        .text();
      await until(async () => {
        const shown = await (await fetch(`${url}/chats`)).json();
        return shown.chats[0]?.messages.some((m: { text: string; final: boolean }) =>
          m.text === "to hello" && m.final
        );
      });
      assert.match(await (await fetch(url)).text(), /<!doctype html>/);
    } finally {
      process.kill("SIGINT");
      await reader.cancel();
    }
    assert.equal((await process.status).code, 0);
  });
}

Deno.test("nexus emulate says how it is used when it is asked for what it cannot play", async () => {
  const args = ["run", "-A", "--no-check", MAIN, "emulate", "telegram"];
  const { code, stderr } = await new Deno.Command(Deno.execPath(), { args, stdout: "null" })
    .output();
  assert.equal(code, 2);
  assert.match(new TextDecoder().decode(stderr), /Usage: nexus emulate feishu\|dingtalk\|wecom/);
});
