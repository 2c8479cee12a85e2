import assert from "node:assert/strict";
import { mayLack } from "./needs.ts";

const ROOT = new URL("../", import.meta.url);

/** Runs `deno task test` over one test that is ignored, and one that is not. */
async function runOverIgnored(env: Record<string, string>): Promise<{ code: number; out: string }> {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/one_test.ts`;
    await Deno.writeTextFile(
      file,
      `Deno.test.ignore("a thing that is missing", () => {}); Deno.test("fine", () => {});`,
    );
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", new URL("tests/run.ts", ROOT).pathname, "--no-check", file],
      env: { REQUIRE_ALL: "", MAY_LACK: "", ...env },
      stderr: "null",
    }).output();
    return { code, out: new TextDecoder().decode(stdout) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a test may lack what it needs, but on a build machine only what cannot be had there", () => {
  assert.equal(mayLack("nginx"), true);
  assert.equal(mayLack("nginx", "1"), false);
  assert.equal(mayLack("nginx", "1", "mount, nginx"), true);
  assert.equal(mayLack("node", "1", "node with WebSocket"), false);
});

Deno.test("a run names what it skipped, and fails for it where REQUIRE_ALL is set and nothing is excused", async () => {
  const plain = await runOverIgnored({});
  assert.equal(plain.code, 0);
  assert.match(plain.out, /\nskipped: a thing that is missing\n1 passed, 0 failed, 1 skipped\n$/);
  assert.equal((await runOverIgnored({ REQUIRE_ALL: "1" })).code, 1);
  assert.equal((await runOverIgnored({ REQUIRE_ALL: "1", MAY_LACK: "nginx" })).code, 0);
});

/** Ignored by the choice of whoever runs them, not by what the machine lacks. */
const BY_CHOICE = ["tests/openclaw/stage.ts", "tests/openclaw/openclaw.ts"];

Deno.test("no test is ignored but for a need that is in the list", async () => {
  const wrong: string[] = [];
  for (const path of await testFiles("tests")) {
    const code = await Deno.readTextFile(new URL(path, ROOT));
    for (const [line] of code.matchAll(/^.*(?:\bignore: (?!await lacks\(|\[)|\.ignore\().*$/gm)) {
      if (path !== "tests/needs_test.ts" && !BY_CHOICE.includes(path)) {
        wrong.push(`${path}: ${line.trim()}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

async function testFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(`${folder}/`, ROOT))) {
    if (isDirectory) found.push(...await testFiles(`${folder}/${name}`));
    else if (name.endsWith(".ts")) found.push(`${folder}/${name}`);
  }
  return found;
}
