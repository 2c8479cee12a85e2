/**
 * `deno task dev:page`: a gateway with the demo bot and three people, and the page with live
 * reload. A change in `src/web` is built and reloads the page. The port is the first argument, else
 * 17393.
 */
import { servePage } from "../../src/channels/api/page.ts";
import { createApp } from "../../src/app/app.ts";
import { readConfig } from "../../src/config/config.ts";
import { buildPage } from "../../src/web/build/build.ts";

const STATIC = new URL("../../static/", import.meta.url);

/** Not the folder of `deno task build`: a gateway started meanwhile would serve this build. */
const OUT = new URL("../../dist/dev/", import.meta.url);

const port = Number(Deno.args[0] ?? 17393);
await buildPage({
  outDir: OUT.pathname,
  minify: false,
  watch: true,
  onBuild: ({ version }) => console.log(`Built ${version}.`),
});

const files = servePage({
  fresh: true,
  async read(path) {
    const url = path.startsWith("build/") ? new URL(path.slice(6), OUT) : new URL(path, STATIC);
    try {
      return await Deno.readFile(url);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  },
});

const users = {
  alice: { password: "alice-pass", displayName: "Alice" },
  bob: { password: "bob-pass", displayName: "Bob" },
  root: { password: "root-pass", displayName: "Root", role: "admin" },
};
const config = readConfig(JSON.stringify({ users, botToken: "bot-secret" }));
if (!config.ok) throw new Error(JSON.stringify(config.problems));
const app = await createApp(config.config, { page: files });
Deno.serve(
  { port, hostname: "127.0.0.1" },
  (request, info) => app.fetch(request, { address: info.remoteAddr.hostname }),
);
console.log(
  `Sign in as ${
    Object.entries(users).map(([name, { password }]) => `${name} (${password})`).join(", ")
  }.`,
);
