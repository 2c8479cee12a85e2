/**
 * This is `deno task test`: it runs `deno test -A` on the given files and folders (all tests when
 * none is given), passes everything through, and closes with the plain line `N passed, N failed`
 * (`, N skipped` may follow) for readers that only count. The exit code is that of `deno test`.
 *
 * Tests that were skipped are named before that line. With `REQUIRE_ALL=1`, one that was skipped
 * makes the run fail, unless `MAY_LACK` says what the machine cannot have (see `tests/needs.ts`).
 *
 * `--quick` leaves out {@linkcode SLOW}: the rest is what `deno task ok` runs before a commit.
 *
 * All tests are two runs beside each other: most of the time a test waits for a browser or a timer,
 * and one core would be idle. What the second run says follows when the first is over.
 */

/**
 * Tests that start browsers, child processes or the vendors' clients, or that take long by design.
 */
const SLOW = [
  "tests/web",
  "tests/cli",
  "tests/conform",
  "tests/deploy",
  "tests/emulate",
  "tests/openclaw",
  "tests/plugin",
  "tests/channels/im/crash_test.ts",
  "tests/crash_test.ts",
  "tests/fuzz_test.ts",
  "tests/worst_inputs_test.ts",
];

const all = [["tests/web"], ["--ignore=tests/web"]];
const runs = Deno.args[0] === "--quick"
  ? [run([`--ignore=${SLOW.join(",")}`], true)]
  : Deno.args.length > 0
  ? [run(Deno.args, true)]
  : all.map((args, index) => run(args, index === 0));
const summaries: Summary[] = [];
for (const [index, running] of runs.entries()) {
  const summary = await running;
  if (index > 0) await write(summary.output);
  summaries.push(summary);
}
const skipped = summaries.flatMap(({ skippedNames }) => skippedNames);
for (const name of skipped) console.log(`skipped: ${name}`);
const isUnexcused = skipped.length > 0 && Boolean(Deno.env.get("REQUIRE_ALL")) &&
  !Deno.env.get("MAY_LACK");
if (isUnexcused) console.error("REQUIRE_ALL is set, so a skipped test is a failure.");
console.log(lineOf(summaries));
Deno.exit(summaries.find(({ exitCode }) => exitCode !== 0)?.exitCode ?? (isUnexcused ? 1 : 0));

interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly skippedNames: readonly string[];
  readonly exitCode: number;
  /** What was held back. */
  readonly output: Uint8Array;
}

/** @param live passes on what it says at once; else that is held back */
async function run(args: readonly string[], live: boolean): Promise<Summary> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...args],
    // Colours are for people: a pipe gets none unless somebody asked for them.
    env: Deno.stdout.isTerminal() ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let tail = "", line = "";
  const skippedNames: string[] = [];
  const decoder = new TextDecoder();
  const held: Uint8Array<ArrayBuffer>[] = [];
  for await (const bytes of child.stdout) {
    if (live) await write(bytes);
    else held.push(bytes);
    // The summary is among the last lines; whatever tests print before it need not be kept.
    const text = decoder.decode(bytes, { stream: true });
    tail = (tail + text).slice(-20_000);
    const lines = (line + text).split("\n");
    line = lines.pop()!;
    for (const one of lines) {
      const name = /^(.*) \.\.\. ignored/.exec(withoutColours(one))?.[1];
      if (name !== undefined) skippedNames.push(name.trim());
    }
  }
  const { code } = await child.status;
  return {
    ...counted(tail, code),
    skippedNames,
    exitCode: code,
    output: new Uint8Array(await new Blob(held).arrayBuffer()),
  };
}

/** Reads `ok | 2 passed (3 steps) | 0 failed | 1 ignored (14ms)`, the last line of that form. */
function counted(
  output: string,
  exitCode: number,
): { passed: number; failed: number; skipped: number } {
  const last = [
    ...withoutColours(output).matchAll(
      /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed(.*)$/gm,
    ),
  ].at(-1);
  // No summary: the run broke before any test (a type error, a missing file). That is a failure,
  // not an empty success.
  if (!last) return { passed: 0, failed: exitCode === 0 ? 0 : 1, skipped: 0 };
  const failed = Number(last[2]);
  return {
    passed: Number(last[1]),
    // A run can also fail outside of any test (an uncaught error in a module); the count must not
    // look green then.
    failed: exitCode !== 0 && failed === 0 ? 1 : failed,
    skipped: Number(/\| (\d+) ignored/.exec(last[3]!)?.[1] ?? 0),
  };
}

function withoutColours(text: string): string {
  // deno-lint-ignore no-control-regex -- colours are control characters
  return text.replace(/\u001b\[[0-9;]*m/g, "");
}

function lineOf(summaries: readonly Summary[]): string {
  const sum = (of: (summary: Summary) => number) =>
    summaries.reduce((total, summary) => total + of(summary), 0);
  const skipped = sum((summary) => summary.skipped);
  return `${sum(({ passed }) => passed)} passed, ${sum(({ failed }) => failed)} failed${
    skipped > 0 ? `, ${skipped} skipped` : ""
  }`;
}

async function write(bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) written += await Deno.stdout.write(bytes.subarray(written));
}
