/**
 * Text that nobody means, wherever a route takes a text: in its path, its query and every field of
 * its body.
 */
import assert from "node:assert/strict";
import { SqliteStore } from "../../../src/backends/sqlite.ts";
import type { Route } from "../../../src/channels/http/route.ts";
import { CALLERS, House, Things } from "./reach_house.ts";
import { type Ask, SCENES } from "./reach_scenes.ts";

const IN_ADDRESSES = ["%00", "a%00b", "%zz", "%ED%A0%80", "__proto__"];
const IN_BODIES = ["\0", "a\0b", "\ud800", "__proto__"];

/** What a route is asked with: its own request with one part of it replaced. */
function* variants(
  route: Route,
  { params = {}, json }: Ask,
): Iterable<{ path: string; json?: unknown }> {
  const pathWith = (value: (name: string) => string) =>
    route.path.replace(/\{(\w+)\}/g, (_, name) => value(name));
  const plain = pathWith((name) => encodeURIComponent(params[name] ?? "none"));
  for (const odd of IN_ADDRESSES) {
    if (plain !== route.path) yield { path: pathWith(() => odd), json };
    const query = Object.keys(route.query?.shape ?? {}).map((name) => `${name}=${odd}`).join("&");
    if (query) yield { path: `${plain}?${query}` };
  }
  for (const odd of IN_BODIES) {
    for (const [key, value] of Object.entries(json ?? {})) {
      yield { path: plain, json: { ...json!, [key]: swap(value, odd) } };
    }
  }
}

function swap(value: unknown, odd: string): unknown {
  if (typeof value === "string") return odd;
  if (Array.isArray(value)) return value.map((one) => swap(one, odd));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, swap(one, odd)]));
}

Deno.test("no text in a path, a query or a body is a fault of the gateway", async () => {
  const folder = await Deno.makeTempDir();
  {
    await using house = await House.open({}, {
      store: new SqliteStore({ path: `${folder}/nexus.db` }),
    });
    const root = CALLERS.find(({ name }) => name === "root")!;
    let tries = 0;
    for (const route of house.world.app.routes) {
      // Each try would cost a password's hash.
      if (route.path === "/api/login" || route.path === "/api/password") continue;
      const asked = await SCENES[`${route.method} ${route.path}`]!(
        house,
        await Things.of(house, root),
      );
      for (const { path, json } of variants(route, asked)) {
        const response = await house.send(
          await house.tokenOf(root),
          route.method.toUpperCase(),
          path,
          json,
        );
        await response.body?.cancel();
        const isTold = response.status < 500 || response.status === 503;
        assert.ok(isTold, `${route.method} ${path} ${JSON.stringify(json)}: ${response.status}`);
        tries++;
      }
      await asked.after?.();
    }
    assert.ok(tries > 300, `${tries} tries`);
    const faults = house.world.happenings.filter(({ type }) => type === "fault");
    assert.deepEqual(faults, []);
  }
  await Deno.remove(folder, { recursive: true });
});
