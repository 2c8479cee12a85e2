/**
 * The table of routes: what is declared, what answers and what `/openapi.json` describes are the
 * same.
 */
import assert from "node:assert/strict";
import { z } from "zod";
import type { Auth } from "../../../src/channels/http/auth.ts";
import { anyone, defineRoute, type Route } from "../../../src/channels/http/route.ts";
import { Router } from "../../../src/channels/http/router.ts";
import { silentObserver } from "../../../src/core/observer.ts";
import { startWorld } from "../../world.ts";

const ROOT = new URL("../../../", import.meta.url);

const nameOf = ({ method, path }: Pick<Route, "method" | "path">) => `${method} ${path}`;

/** Every declaration that a file of the channels exports. */
async function declared(folder = "src/channels/"): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, ROOT))) {
    if (isDirectory) found.push(...await declared(`${folder}${name}/`));
    else if ((await Deno.readTextFile(new URL(folder + name, ROOT))).includes("defineRoute({")) {
      const routes: Route[] = Object.values(await import(new URL(folder + name, ROOT).href))
        .flatMap((value) =>
          typeof value === "object" && value !== null ? [value, ...Object.values(value)] : []
        )
        .filter((value) => typeof value?.path === "string" && typeof value.method === "string");
      assert.ok(
        name === "route.ts" || routes.length > 0,
        `${folder}${name} declares routes and exports none`,
      );
      found.push(...routes.map(nameOf));
    }
  }
  return found;
}

Deno.test("every declared route answers and is described in /openapi.json, and nothing else is described", async () => {
  await using world = await startWorld();
  const { paths } = await (await fetch(`${world.url}/openapi.json`)).json();
  const described = Object.entries<object>(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`)
  );
  assert.deepEqual(described.sort(), (await declared()).sort());
  assert.deepEqual(described, world.app.routes.map(nameOf).sort());
  assert.ok(described.includes("get /v1/models/{id}"));
  const unsafe: string[] = [];
  for (const one of described) {
    const [method = "", path = ""] = one.split(" ");
    const asked = path.replace(/\{\w+\}/g, "none");
    const response = await fetch(world.url + asked, {
      method: method.toUpperCase(),
      redirect: "manual",
    });
    const text = await response.text();
    // A route that is not there says only `Not found`; one that is there asks who you are, or
    // answers.
    if (response.status === 404 && path !== "/channels/{platform}/{name}") {
      unsafe.push(`${one}: ${text}`);
    }
  }
  assert.deepEqual(unsafe, []);
});

Deno.test("the description says who may take a route, by which keys, and points at each schema once", async () => {
  await using world = await startWorld();
  const { paths, components } = await (await fetch(`${world.url}/openapi.json`)).json();
  assert.deepEqual(paths["/api/login"].post["x-nexus-access"], { who: "anyone" });
  assert.equal(paths["/api/login"].post.security, undefined);
  assert.deepEqual(paths["/api/conversations"].get["x-nexus-access"], {
    who: "member",
    keys: ["read"],
    bots: "bound",
  });
  assert.deepEqual(paths["/api/conversations"].get.security, [{ session: [] }, { cookie: [] }, {
    key: ["read"],
  }]);
  assert.deepEqual(paths["/api/password"].post.security, [{ session: [] }, { cookie: [] }]);
  assert.deepEqual(paths["/api/admin/people"].get["x-nexus-access"], {
    who: "admin",
    keys: ["admin"],
    bots: "closed",
  });
  assert.equal(
    paths["/api/chat"].post.requestBody.content["application/json"].schema.$ref,
    "#/components/schemas/Chat",
  );
  const refs = [...JSON.stringify({ paths, components }).matchAll(/"\$ref":"([^"]+)"/g)].map((
    [, ref],
  ) => ref!);
  assert.ok(refs.length > 50);
  for (const ref of new Set(refs)) {
    assert.ok(
      components.schemas[ref.replace("#/components/schemas/", "")],
      `${ref} points at nothing`,
    );
  }
});

Deno.test("a route has one handler, and an answer its declared status", async () => {
  const auth = {} as Auth;
  const routes = new Router({ auth, observer: silentObserver, maxBody: () => 1024 });
  const made = defineRoute({
    method: "get",
    path: "/made/{id}",
    ...anyone,
    summary: "",
    tag: "",
    ok: z.object({ id: z.string() }),
    status: 201,
  });
  routes.on(made, (call) => ({ id: call.param("id") }));
  assert.throws(
    () => routes.on(made, () => ({ id: "" })),
    /get \/made\/\{id\} has a handler already/,
  );
  const response = await routes.fetch(new Request("http://x/made/a%20b"), { address: "x" });
  assert.deepEqual([response.status, await response.json()], [201, { id: "a b" }]);
});
