#!/usr/bin/env node
/**
 * This is the npm package's command: it runs the bundled program beside it under Deno, the one on
 * the PATH or the one from npm.
 */
import { spawn, spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { constants } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The version that the program is tested with, and the oldest that it runs on. */
const DENO = "2.9.6";
const OLDEST = [2, 9];

const here = dirname(fileURLToPath(import.meta.url));
const deno = onPath() ?? fromNpm();
if (!deno) {
  console.error(
    `nexus: Deno is needed and could not be had: install it (npm install -g deno@${DENO}) or let npx reach npm.`,
  );
  process.exit(1);
}

// `--no-config`: a deno.json in the person's folder is none of ours.
const args = [
  "run",
  "-A",
  "--no-prompt",
  "--no-config",
  "--no-lock",
  join(here, "nexus.js"),
  ...process.argv.slice(2),
];
const child = spawn(deno, args, {
  stdio: "inherit",
  env: { DENO_NO_UPDATE_CHECK: "1", ...process.env },
});
child.on("error", (error) => {
  console.error(`nexus: ${deno} could not be started: ${error.message}`);
  process.exit(1);
});
// The program finishes its work when it is told to stop; this process waits for it. A terminal
// tells both at once.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(
    signal,
    () => signal === "SIGINT" && process.stdin.isTTY ? undefined : child.kill(signal),
  );
}
child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));

/** Deno on the PATH, if it is new enough. */
function onPath() {
  const { status, stdout } = spawnSync("deno", ["--version"], {
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  const version = status === 0 && /^deno (\d+)\.(\d+)/.exec(stdout);
  if (!version) return undefined;
  const [major, minor] = [Number(version[1]), Number(version[2])];
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]) ? "deno" : undefined;
}

/**
 * Deno from npm, which npx keeps in its cache. Asked for its place, so that it can be started
 * without npx in between: npx does not pass signals on.
 */
function fromNpm() {
  const where = process.platform === "win32" ? "where deno" : "command -v deno";
  const { status, stdout } = spawnSync("npx", [
    "--yes",
    "--package",
    `deno@${DENO}`,
    "--call",
    where,
  ], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    shell: process.platform === "win32",
  });
  const found = status === 0 ? stdout.trim().split(/\r?\n/)[0] : "";
  if (!found) return undefined;
  const real = realpathSync(found);
  // Where npm runs no install scripts, the name leads to a launcher that would swallow signals too;
  // it knows the program.
  return basename(real) === "bin.cjs"
    ? createRequire(real)("./install_api.cjs").runInstall()
    : real;
}
