/**
 * Both READMEs list the commands that exist, and Chinese pages are wrapped so that they read well.
 */
import assert from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));
const READMES = ["README.md", "README.zh.md"] as const;

Deno.test("both READMEs name every command, and none that there is not", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("main.ts", ROOT).pathname, "--help"],
  }).output();
  const commands = [...new TextDecoder().decode(stdout).matchAll(/^ {2}(\w+) {2,}/gm)].map((
    [, name],
  ) => name!);
  assert.ok(commands.length > 8);
  for (const page of READMES) {
    const named = [...(await read(page)).matchAll(/^\| `nexus (\w+)`/gm)].map(([, name]) => name!);
    assert.deepEqual(named.toSorted(), commands.toSorted(), page);
  }
});

Deno.test("a paragraph of a Chinese page is one line: a break would be shown as a space", async () => {
  const broken: string[] = [];
  for (const page of await chinesePages()) {
    let isCode = false;
    const lines = (await read(page)).split("\n");
    for (const [at, line] of lines.entries()) {
      if (line.trimStart().startsWith("```")) isCode = !isCode;
      const next = lines[at + 1] ?? "";
      const begins = /^\s*(?:[-*>|#]|\d+\.|```|<!--|$)/;
      if (isCode || /^\s*(?:[|#>]|```|<!--|$)/.test(line) || begins.test(next)) continue;
      broken.push(`${page}:${at + 1}: …${line.slice(-20)} ⏎ ${next.trim().slice(0, 20)}…`);
    }
  }
  assert.deepEqual(broken, []);
});

async function chinesePages(folder = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder || ".", ROOT))) {
    if (isDirectory && ["docs", "platforms", "plugin"].includes(name)) {
      found.push(...await chinesePages(`${folder}${name}/`));
    } else if (name.endsWith(".zh.md")) found.push(folder + name);
  }
  return found;
}
