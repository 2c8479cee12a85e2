/**
 * The table of routes in docs/security.md. Run it to write the table anew: `deno run -A
 * tests/channels/api/route_table.ts`.
 */
import { createApp } from "../../../src/app.ts";
import { readConfig } from "../../../src/config/config.ts";
import type { Route } from "../../../src/channels/http/route.ts";

const PAGE = new URL("../../../docs/security.md", import.meta.url);
const BEGIN = "<!-- routes: written by tests/channels/api/route_table.ts -->\n",
  END = "\n<!-- end of routes -->";

/**
 * The table in the page, and as the declarations have it; white space, which the formatter lines
 * up, is single.
 */
export async function routeTables(): Promise<{ inPage: string; declared: string }> {
  const page = await Deno.readTextFile(PAGE);
  return { inPage: single(between(page)), declared: single(await declaredTable()) };
}

async function declaredTable(): Promise<string> {
  const read = readConfig("{}");
  if (!read.ok) throw new Error("no configuration");
  const app = await createApp(read.config);
  const rows = app.routes.map(rowOf);
  await app.close();
  return ["| route | who | keys | bound to bots |", "| --- | --- | --- | --- |", ...rows].join(
    "\n",
  );
}

function rowOf(route: Route): string {
  const { method, path, who } = route;
  const keys = "keys" in route ? route.keys.map((key) => `\`${key}\``).join(", ") || "no key" : "";
  const bots = "bots" in route ? route.bots + (route.guarded ? "; guarded" : "") : "";
  return `| \`${method.toUpperCase()} ${path}\` | ${who} | ${keys} | ${bots} |`;
}

function between(page: string): string {
  return page.slice(page.indexOf(BEGIN) + BEGIN.length, page.indexOf(END)).trim();
}

function single(table: string): string {
  return table.replace(/-+/g, "-").replace(/ +/g, " ");
}

if (import.meta.main) {
  const page = await Deno.readTextFile(PAGE);
  const [head] = page.split(BEGIN), tail = page.slice(page.indexOf(END));
  await Deno.writeTextFile(PAGE, `${head}${BEGIN}\n${await declaredTable()}\n${tail}`);
}
