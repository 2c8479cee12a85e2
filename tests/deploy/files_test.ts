/**
 * The files that others read — Docker, systemd, PM2 — checked as far as a machine without them can:
 * their rules, and the commands they would run. No image is built.
 */
import assert from "node:assert/strict";
import { lacks } from "../needs.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));

/** The instructions of a Dockerfile, with continued lines joined and comments left out. */
function instructions(text: string): { word: string; rest: string }[] {
  return text.replace(/^\s*#.*\n/gm, "").replace(/\\\n\s*/g, "").split("\n").filter((line) =>
    line.trim() !== ""
  )
    .map((line) => {
      const [word, ...rest] = line.trim().split(/\s+/);
      return { word: word!, rest: rest.join(" ") };
    });
}

const KNOWN =
  "FROM COPY RUN ENV USER VOLUME WORKDIR EXPOSE HEALTHCHECK STOPSIGNAL ENTRYPOINT CMD ARG LABEL ADD SHELL"
    .split(" ");

Deno.test("the text of the Dockerfile has known words, pinned images, stages that exist, and JSON where it must be", async () => {
  const lines = instructions(await read("Dockerfile"));
  const stages = new Set<string>();
  assert.equal(lines[0]?.word, "FROM");
  for (const { word, rest } of lines) {
    assert.ok(KNOWN.includes(word), `${word} is no instruction`);
    if (word === "FROM") {
      const [, image, stage] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? [];
      assert.ok(image, `FROM ${rest}`);
      assert.match(image, /:(?!latest)/, `${image} needs a tag`);
      if (stage) stages.add(stage);
    }
    const from = /--from=(\S+)/.exec(rest)?.[1];
    if (from) assert.ok(stages.has(from), `there is no stage ${from}`);
    // A shell in between would keep signals from the program.
    if (word === "ENTRYPOINT" || word === "CMD") assert.ok(Array.isArray(JSON.parse(rest)), rest);
    if (word === "HEALTHCHECK") {
      assert.ok(Array.isArray(JSON.parse(rest.slice(rest.indexOf("CMD") + 3))), rest);
    }
  }
});

Deno.test("the Dockerfile names a user other than root, a health check, and the Deno of the project", async () => {
  const text = await read("Dockerfile");
  const lines = instructions(text);
  const last = lines.slice(lines.findLastIndex(({ word }) => word === "FROM"));
  const user = last.find(({ word }) => word === "USER")?.rest;
  assert.match(user ?? "", /^[1-9]\d*:[1-9]\d*$/);
  assert.ok(
    last.findIndex(({ word }) => word === "USER") <
      last.findIndex(({ word }) => word === "ENTRYPOINT"),
  );
  assert.ok(last.some(({ word }) => word === "HEALTHCHECK"));
  const version = /denoland\/deno:bin-(\S+)/.exec(text)?.[1];
  assert.ok((await read(".ci/run")).includes(`deno@${version}`), `deno ${version}`);
});

Deno.test(".dockerignore leaves out secrets, and nothing that the build needs", async () => {
  const ignored = (await read(".dockerignore")).split("\n").filter((line) =>
    line !== "" && !line.startsWith("#")
  );
  for (const secret of ["config.json", "nexus.db*", ".git"]) {
    assert.ok(ignored.includes(secret), secret);
  }
  for (
    const needed of ["deno.json", "deno.lock", "main.ts", "src", "static", "deploy", "LICENSE"]
  ) {
    assert.ok(!ignored.includes(needed), needed);
  }
});

Deno.test("the health check's command ends with 0 for a healthy gateway and with 1 for none", async () => {
  const check =
    instructions(await read("Dockerfile")).find(({ word }) => word === "HEALTHCHECK")!.rest;
  const [, ...args] = JSON.parse(check.slice(check.indexOf("CMD") + 3)) as string[];
  let status = 200;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ url }) => {
    assert.equal(new URL(url).pathname, "/livez");
    return new Response("{}", { status });
  });
  const run = async () => {
    const env = { PORT: String(server.addr.port) };
    return (await new Deno.Command(Deno.execPath(), { args, env, stderr: "null" }).output()).code;
  };
  try {
    assert.equal(await run(), 0);
    status = 503;
    assert.equal(await run(), 1);
  } finally {
    await server.shutdown();
  }
  assert.equal(await run(), 1);
});

Deno.test({
  name: "systemd finds nothing wrong with the unit",
  ignore: await lacks("systemd-analyze"),
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      // The one thing that this machine need not have: Deno in that place.
      const unit = (await read("deploy/nexus.service")).replace(
        "/usr/local/bin/deno",
        Deno.execPath(),
      );
      await Deno.writeTextFile(`${folder}/nexus.service`, unit);
      const { stdout, stderr } = await new Deno.Command("systemd-analyze", {
        args: ["verify", "--man=no", `${folder}/nexus.service`],
      }).output();
      const said = (new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr)).split("\n")
        .filter((line) => line.includes("nexus.service"));
      assert.deepEqual(said, []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "the PM2 file names the program where it is, and one process of it",
  ignore: await lacks("node"),
  async fn() {
    const file = new URL("deploy/ecosystem.config.cjs", ROOT).pathname;
    const { stdout, success } = await new Deno.Command("node", {
      args: ["-p", "JSON.stringify(require(process.argv[1]))", file],
    }).output();
    assert.ok(success);
    const [app] = JSON.parse(new TextDecoder().decode(stdout)).apps;
    assert.ok((await Deno.stat(`${app.cwd}/${app.script}`)).isFile);
    assert.equal(app.instances, 1);
    assert.equal(app.exec_mode, "fork");
    // Longer than the drain of 30 s.
    assert.ok(app.kill_timeout > 30_000);
  },
});
