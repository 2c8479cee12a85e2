/**
 * What is shipped starts where only what it names is there: the npm package by `npm install -g` and
 * by npx, and the program that unpacks itself.
 */
import assert from "node:assert/strict";
import { bundleInto } from "../../deploy/bundle.ts";
import { selfExtracting } from "../../deploy/compile.ts";
import { packInto } from "../../deploy/pack.ts";
import { freePort, type Running, start } from "./running.ts";
import { lacks } from "../needs.ts";

/** It answers, shows its page, and goes when told. */
async function serves(running: Running, exitCode: number | "any" = 0): Promise<void> {
  try {
    const page = await fetch(`http://127.0.0.1:${running.port}/`);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /<!doctype html>/i);
  } finally {
    const code = await running.stop();
    if (exitCode !== "any") assert.equal(code, exitCode);
  }
}

Deno.test({
  name: "the npm package starts after npm install -g and by npx, and goes when told",
  ignore: await lacks("linux", "npm", "setsid"),
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "nexus-pack-" });
    try {
      const tarball = await packInto(new URL(`file://${folder}/`));
      const installed = await new Deno.Command("npm", {
        args: [
          "install",
          "--silent",
          "--global",
          "--offline",
          "--prefix",
          `${folder}/prefix`,
          tarball,
        ],
      }).output();
      assert.ok(installed.success, new TextDecoder().decode(installed.stderr));
      // The launcher takes the Deno on the PATH; the one that runs this test is it.
      const path = `${new URL(".", `file://${Deno.execPath()}`).pathname}:${Deno.env.get("PATH")}`;
      for (const name of ["nexus", "nexus-gateway"]) {
        await serves(await start(`${folder}/prefix/bin/${name}`, [], { PATH: path }));
      }
      // npx itself dies of the signal; what counts is that it starts, and that nothing stays
      // behind.
      await serves(
        await start("npx", ["--yes", "--offline", `file:${tarball}`], { PATH: path }),
        "any",
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "the self-extracting program unpacks itself once, serves, and goes when told",
  ignore: await lacks("linux", "tar", "gzip", "setsid"),
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "nexus-compile-" });
    try {
      const bundle = new URL(`file://${folder}/bundle/`),
        output = new URL(`file://${folder}/nexus`);
      await bundleInto(bundle);
      await selfExtracting(bundle, output, 1);
      // Two first starts at the same moment: both must find a whole program.
      const env = { XDG_CACHE_HOME: `${folder}/cache` };
      const [first, second] = await Promise.all([
        start(output.pathname, [], env),
        start(output.pathname, [], env),
      ]);
      const unpacked = [...Deno.readDirSync(`${folder}/cache/nexus`)].map(({ name }) => name)
        .filter((name) => name !== "deno");
      assert.equal(unpacked.length, 1, unpacked.join());
      await Promise.all([serves(first), serves(second)]);
      const version = await new Deno.Command(output.pathname, { args: ["version"], env }).output();
      assert.match(new TextDecoder().decode(version.stdout), /^\d+\.\d+\.\d+\n$/);
      const wrong = await new Deno.Command(output.pathname, {
        args: ["nonsense", `${freePort()}`],
        env,
      }).output();
      assert.equal(wrong.code, 2);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
