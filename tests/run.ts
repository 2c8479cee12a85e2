/**
 * This is `deno task test`: it runs `deno test -A` on the given files and folders (all tests when none is given), passes
 * everything through, and closes with the plain line `N passed, N failed` (`, N skipped` may follow) for readers that
 * only count. The exit code is that of `deno test`.
 */

const summary = await run(Deno.args);
console.log(summary.line);
Deno.exit(summary.exitCode);

async function run(args: readonly string[]): Promise<{ line: string; exitCode: number }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...args],
    // Colours are for people: a pipe gets none unless somebody asked for them.
    env: Deno.stdout.isTerminal() ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let tail = "";
  const decoder = new TextDecoder();
  for await (const bytes of child.stdout) {
    await write(bytes);
    // The summary is among the last lines; whatever tests print before it need not be kept.
    tail = (tail + decoder.decode(bytes, { stream: true })).slice(-20_000);
  }
  const { code } = await child.status;
  return { line: summarize(tail, code), exitCode: code };
}

/** Reads `ok | 2 passed (3 steps) | 0 failed | 1 ignored (14ms)`, the last line of that form. */
function summarize(output: string, exitCode: number): string {
  // deno-lint-ignore no-control-regex -- colours are control characters
  const plain = output.replace(/\u001b\[[0-9;]*m/g, "");
  const all = [...plain.matchAll(/^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed(.*)$/gm)];
  const last = all.at(-1);
  // No summary: the run broke before any test (a type error, a missing file). That is a failure, not an empty success.
  if (!last) return exitCode === 0 ? "0 passed, 0 failed" : "0 passed, 1 failed";
  const skipped = /\| (\d+) ignored/.exec(last[3]!)?.[1];
  // A run can also fail outside of any test (an uncaught error in a module); the count must not look green then.
  const failed = exitCode !== 0 && last[2] === "0" ? "1" : last[2];
  return `${last[1]} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`;
}

async function write(bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) written += await Deno.stdout.write(bytes.subarray(written));
}
