/**
 * What strangers learn of a gateway by the routes that nobody signs in for.
 */
import assert from "node:assert/strict";
import { startWorld, type World } from "../world.ts";

async function ask(world: World, path: string, token?: string): Promise<{ status: number; text: string }> {
  const headers = new Headers();
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  const response = await fetch(world.url + path, { headers });
  return { status: response.status, text: await response.text() };
}

const USERS = {
  alice: { password: "alice-pass", bots: ["hers"] },
  root: { password: "root-pass", role: "admin" },
};

Deno.test("strangers are not told which bots there are, people are told of theirs, admins of all", async () => {
  await using world = await startWorld({ users: USERS });
  await world.bot("hers");
  await world.bot("secret-bot");
  const health = async (token?: string) => JSON.parse((await ask(world, "/health", token)).text);
  assert.deepEqual(await health(), { status: "ok", bots: 2 });
  assert.deepEqual(await health("wrong"), { status: "ok", bots: 2 });
  assert.deepEqual(await health(await world.token("alice")), { status: "ok", bots: 1, botIds: ["hers"] });
  assert.deepEqual(await health(await world.token("root")), { status: "ok", bots: 2, botIds: ["hers", "secret-bot"] });
  for (const token of [undefined, await world.token("alice")]) {
    const { status, text } = await ask(world, "/metrics", token);
    assert.equal(status, 200);
    assert.match(text, /nexus_bots 2/);
    assert.doesNotMatch(text, /secret-bot|hers/);
  }
  assert.match((await ask(world, "/metrics", await world.token("root"))).text, /nexus_bot_busy\{bot="secret-bot"\} 0/);
  for (const path of ["/livez", "/readyz", "/openapi.json", "/config.schema.json", "/api/sign-in"]) {
    assert.doesNotMatch((await ask(world, path)).text, /secret-bot/, path);
  }
});

Deno.test("the token of the metrics opens what is counted, and nobody else reads it then but an admin", async () => {
  await using world = await startWorld({ metricsToken: "scrape", users: USERS });
  await world.bot("secret-bot");
  assert.equal((await ask(world, "/metrics")).status, 401);
  assert.equal((await ask(world, "/metrics", await world.token("alice"))).status, 401);
  for (const token of ["scrape", await world.token("root")]) {
    assert.match((await ask(world, "/metrics", token)).text, /secret-bot/);
    assert.match((await ask(world, "/health", token)).text, /secret-bot/);
  }
  assert.doesNotMatch((await ask(world, "/health")).text, /secret-bot/);
});

Deno.test("with publicBots anybody is told, as the original did", async () => {
  await using world = await startWorld({ publicBots: true });
  await world.bot("known");
  assert.deepEqual(JSON.parse((await ask(world, "/health")).text), { status: "ok", bots: 1, botIds: ["known"] });
  assert.match((await ask(world, "/metrics")).text, /nexus_bot_busy\{bot="known"\}/);
});
