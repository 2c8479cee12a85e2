/**
 * What both READMEs claim of the commands and the benchmark's targets is so, and Chinese pages read
 * as they are meant.
 */
import assert from "node:assert/strict";
import { RATIOS, START } from "../../bench/targets.ts";

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
    const list = /(?:Commands:|命令：)([\s\S]*?)(?:;|；)/.exec(await read(page))![1]!;
    const named = [...list.matchAll(/`(\w+)[^`]*`/g)].map(([, name]) => name!);
    assert.deepEqual(named.toSorted(), commands.toSorted(), page);
  }
});

for (const page of READMES) {
  Deno.test(`${page} says of each target of the benchmark whether its figures reach it`, async () => {
    const rows = (await read(page)).split("\n").filter((line) => /^\|.*\| ≤ /.test(line))
      .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
    const { chat, paced } = RATIOS;
    const targets = [
      chat,
      RATIOS["bursts, version 1"],
      RATIOS["bursts, version 2"],
      paced,
      paced,
      RATIOS["open stream"],
    ];
    const verdicts = rows.map(([, floor = "", nexus = "", target = ""], index) => {
      const figure = (cell: string) => Number(/[\d.]+/.exec(cell)![0]);
      const isMissed = /missed|未达到/.test(target);
      const most = targets[index];
      if (most === undefined) {
        assert.match(target, new RegExp(`^≤ ${START} ms`));
        assert.equal(isMissed, figure(nexus) > START);
        return isMissed;
      }
      const ratio = (figure(nexus) / figure(floor)).toFixed(2);
      assert.match(target, new RegExp(`^≤ ${most} ×`));
      assert.ok(target.includes(`${ratio} ×`), `${target}: the figures of the row give ${ratio}`);
      assert.equal(isMissed, Number(ratio) > most, target);
      return isMissed;
    });
    assert.equal(verdicts.length, 7);
    assert.equal(verdicts.filter(Boolean).length, 3, "as the words above the table say");
  });
}

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
