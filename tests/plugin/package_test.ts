/** The package as it is published: nothing in it that only makes sense in the repository. */
import assert from "node:assert/strict";
import { buildPackage, type Release } from "../../plugin/build.ts";

async function built(release?: Release) {
  const folder = await buildPackage(
    new URL(`file://${await Deno.makeTempDir({ prefix: "nexus-package-" })}/`),
    release,
  );
  const read = (name: string) => Deno.readTextFileSync(new URL(name, folder));
  const names: string[] = [];
  const walk = (path: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(new URL(path, folder))) {
      if (isDirectory) walk(`${path}${name}/`);
      else names.push(`${path}${name}`.slice(2));
    }
  };
  walk("./");
  const [manifest, plugin] = ["package.json", "openclaw.plugin.json"].map((name) =>
    JSON.parse(read(name))
  );
  const remove = () => Deno.remove(new URL("..", folder), { recursive: true });
  return { names, read, manifest, plugin, [Symbol.asyncDispose]: remove };
}

Deno.test("the package holds what OpenClaw looks for, and no source maps", async () => {
  await using made = await built();
  const { names, manifest, plugin } = made;
  assert.deepEqual(names.filter((name) => name.endsWith(".map")), []);
  const { extensions, runtimeExtensions, setupEntry, runtimeSetupEntry } = manifest.openclaw;
  const entries = [
    ...extensions,
    ...runtimeExtensions,
    setupEntry,
    runtimeSetupEntry,
    manifest.main,
    manifest.types,
  ];
  // Found by name.
  const contracts = ["./dist/secret-contract-api.js", "./dist/doctor-contract-api.js"];
  for (const path of [...entries, ...contracts]) assert.ok(names.includes(path.slice(2)), path);
  for (const name of names) {
    assert.ok(
      name === "package.json" || manifest.files.some((kept: string) => name.startsWith(kept)),
      name,
    );
  }
  assert.deepEqual(plugin.doctorContract, { stateMigrations: [] });
  assert.equal(manifest.version, plugin.version);
  assert.equal(manifest.engines.node, ">=24.16.0", "the oldest Node on which OpenClaw itself runs");
  const setup = Object.keys(manifest.openclaw.channel.setup.fields).length;
  assert.equal(setup, 4);
});

Deno.test("without a home the package names none: no repository, no name on npm that is anybody's to take", async () => {
  await using made = await built();
  const { repository, homepage, bugs, publishConfig, openclaw } = made.manifest;
  assert.deepEqual([repository, homepage, bugs, publishConfig], [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual(openclaw.install, { minHostVersion: ">=2026.8.1" });
  assert.deepEqual(openclaw.release, { publishToNpm: false, publishToClawHub: false });
  for (const name of ["README.md", "README.zh.md"]) {
    for (const link of linksOf(made.read(name))) {
      assert.ok(isFine(link, made.names), `${name}: ${link}`);
    }
  }
});

Deno.test("a release names its home, and its pages link there", async () => {
  const repository = "https://git.example/owner/name";
  await using made = await built({ repository, npm: true, clawhub: "owner/name" });
  const { version, homepage, bugs, publishConfig, openclaw } = made.manifest;
  assert.equal(homepage, `${repository}/blob/v${version}/plugin/README.md`);
  assert.deepEqual(made.manifest.repository, {
    type: "git",
    url: `git+${repository}.git`,
    directory: "plugin",
  });
  assert.deepEqual([bugs, publishConfig], [{ url: `${repository}/issues` }, { access: "public" }]);
  assert.deepEqual(openclaw.install, {
    clawhubSpec: "clawhub:owner/name",
    npmSpec: "openclaw-nexus",
    defaultChoice: "npm",
    minHostVersion: ">=2026.8.1",
  });
  const links = linksOf(made.read("README.md"));
  assert.ok(links.includes(`${repository}/blob/v${version}/README.md`), links.join(" "));
  for (const link of links) assert.ok(isFine(link, made.names), link);
});

function linksOf(markdown: string): string[] {
  return [...markdown.matchAll(/\]\(([^)\s]*)\)/g)].map(([, link]) => link!);
}

/** Whether a link leads somewhere from inside the package. */
function isFine(link: string, names: readonly string[]): boolean {
  return /^(?:https:\/\/|#)/.test(link) || names.includes(link);
}
