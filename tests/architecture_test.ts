/**
 * This is the one rule of the house, checked: every arrow points at `src/core`. Rooms do not import
 * each other, only `src/app.ts` and what stands around it opens every door, and there is no circle,
 * not even of types.
 *
 * It reads the import graph from `deno info --json`, so it sees what the runtime sees.
 */
import assert from "node:assert/strict";

const ROOT = new URL("../", import.meta.url);

interface Arrow {
  readonly from: string;
  readonly to: string;
}

/**
 * The project's own files with everything they import; `to` is a path in the project or a specifier
 * such as `npm:/hono@4`.
 */
const graph = await readGraph();

Deno.test("every arrow points at core", () => {
  const wrong = graph.filter(({ from, to }) => !allowed(from, to)).map(({ from, to }) =>
    `${from} → ${to}`
  );
  assert.deepEqual(wrong, []);
});

Deno.test("there is no circle of imports, types included", () => {
  assert.deepEqual(circles(graph), []);
});

Deno.test("core is pure TypeScript: no Deno, no framework, no network", async () => {
  const wrong: string[] = [];
  for (const path of await files("src/core")) {
    const code = withoutComments(await Deno.readTextFile(new URL(path, ROOT)));
    for (const [word, why] of IMPURE) {
      const found = word.exec(code);
      if (found) wrong.push(`${path} has ${found[0].trim()}: ${why}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("src/wire holds types only", async () => {
  for (const path of await files("src/wire")) {
    const code = withoutComments(await Deno.readTextFile(new URL(path, ROOT)));
    const statements = code.split(/^(?=\S)/m).filter((line) => /^\w/.test(line));
    const wrong = statements.filter((line) =>
      !/^(import type|export (interface|type)) /.test(line)
    );
    assert.deepEqual(wrong, [], path);
  }
});

Deno.test("a start fetches only what the program names, and the program names nothing that is for tests only", async () => {
  const { unstable } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  assert.ok(
    unstable.includes("npm-lazy-caching"),
    "without it a first start fetches everything that is pinned",
  );
  const page = await Deno.readTextFile(new URL("ARCHITECTURE.md", ROOT));
  const forTests = [...page.matchAll(/^\|([^|]+)\| tests only +\|/gm)].flatMap(([, row]) =>
    row!.match(/[@\w][\w@/.-]+/g)
  );
  assert.ok(
    forTests.includes("fast-check") && forTests.includes("@langchain/openai"),
    `${forTests}`,
  );
  const named = graph.filter(({ from }) => from === "main.ts" || from.startsWith("src/"))
    .flatMap(({ from, to }) => {
      const name = /^npm:\/?((?:@[^/]+\/)?[^/@]+)/.exec(to)?.[1];
      return name === undefined ? [] : [{ from, name }];
    });
  assert.ok(named.some(({ name }) => name === "hono"));
  assert.deepEqual(
    named.filter(({ name }) => forTests.includes(name)).map(({ from, name }) =>
      `${from} → ${name}`
    ),
    [],
  );
});

Deno.test("only the router makes routes, so that none is without its declaration", () => {
  const users = graph.filter(({ from, to }) =>
    from.startsWith("src/") && /^npm:\/?hono@[^/]+$/.test(to)
  );
  assert.deepEqual([...new Set(users.map(({ from }) => from))], [
    "src/channels/http/edge.ts",
    "src/channels/http/router.ts",
  ]);
});

Deno.test("the rule itself refuses what it should", () => {
  const refused: readonly (readonly [string, string])[] = [
    ["src/core/gateway.ts", "src/bots/wire/frame.ts"],
    ["src/core/gateway.ts", "npm:/hono@4.13.19"],
    ["src/core/gateway.ts", "node:crypto"],
    ["src/channels/api/chat.ts", "src/bots/server/bot_server.ts"],
    ["src/channels/api/chat.ts", "src/app.ts"],
    ["src/bots/server/bot_server.ts", "src/channels/http/event_stream.ts"],
    ["src/backends/sqlite.ts", "src/channels/api/chat.ts"],
    ["src/bots/client.ts", "src/bots/server/bot_server.ts"],
    ["src/telemetry/log.ts", "src/channels/api/chat.ts"],
    ["src/conform/run.ts", "src/bots/server/bot_server.ts"],
    ["plugin/src/channel.ts", "src/core/gateway.ts"],
    ["src/web/page.ts", "src/core/gateway.ts"],
    ["src/wire/chat.ts", "src/core/reply.ts"],
    ["src/core/gateway.ts", "src/wire/chat.ts"],
  ];
  for (const [from, to] of refused) assert.equal(allowed(from, to), false, `${from} → ${to}`);
  const fine: readonly (readonly [string, string])[] = [
    ["main.ts", "src/app.ts"],
    ["src/app.ts", "src/bots/server/bot_server.ts"],
    ["src/channels/lark/card.ts", "src/channels/lark/crypto.ts"],
    ["src/channels/api/chat.ts", "src/core/gateway.ts"],
    ["src/channels/http/router.ts", "npm:/hono@4.13.19"],
    ["src/channels/api/chat.ts", "src/wire/chat.ts"],
    ["src/web/page.ts", "src/wire/chat.ts"],
    ["plugin/src/channel.ts", "src/bots/client.ts"],
    ["src/conform/run.ts", "src/bots/wire/frame.ts"],
  ];
  for (const [from, to] of fine) assert.equal(allowed(from, to), true, `${from} → ${to}`);
  assert.deepEqual(
    circles([{ from: "a", to: "b" }, { from: "b", to: "c" }, { from: "c", to: "a" }]),
    [
      "a → b → c → a",
    ],
  );
});

/**
 * These stand around the house and may open every door: the program, its parts list, its command
 * line.
 */
const DOORS = /^(main\.ts$|src\/app(\.ts$|\/)|src\/cli\.ts$|src\/cli\/|bench\/|deploy\/|tests\/)/;

/**
 * The frames of the wire and the bot's end of it: free of the gateway, so that strangers may take
 * them along. `src/bots/client.ts` is the door.
 */
const WIRE = /^src\/bots\/(client\.ts$|client\/|wire\/)/;

const JSON_TYPES = /^src\/wire\//;

function allowed(from: string, to: string): boolean {
  const room = roomOf(from);
  const outside = !/^(main\.ts|src\/|plugin\/|examples\/)/.test(to);
  if (DOORS.test(from)) return true;
  // What a room may be told is written down in the room; the configuration only puts it together.
  if (room === "src/config" && /^src\/(channels|bots)\/\w+\/settings\.ts$/.test(to)) return true;
  if (room === "src/core") return roomOf(to) === "src/core";
  if (WIRE.test(from)) return WIRE.test(to) || (outside && !to.startsWith("npm:"));
  if (outside) return true;
  if (roomOf(to) === room) return true;
  // They run elsewhere (in a browser, inside OpenClaw, in a stranger's test): the wire is all they
  // may know of the gateway.
  if (room === "plugin" || room === "examples" || room === "src/conform") return WIRE.test(to);
  // The JSON of the HTTP API: types that the page and the channels share.
  if (JSON_TYPES.test(to)) return room === "src/web" || room === "src/channels";
  if (room === "src/web" || room === "src/wire") return false;
  return roomOf(to) === "src/core";
}

/** `src/channels` for everything below it. */
function roomOf(path: string): string {
  const [first, second, third] = path.split("/");
  if (first !== "src") return first ?? "";
  return third === undefined ? "src" : `src/${second}`;
}

const IMPURE: readonly (readonly [RegExp, string])[] = [
  [/\bDeno\b/, "core runs anywhere"],
  [/\bHono\b/, "HTTP is the channels' concern"],
  [/\bprocess\.\w+/, "the environment is read in main.ts only"],
  [/\bnew (?:WebSocket|EventSource|XMLHttpRequest|BroadcastChannel)\b/, "core has no network"],
  [/(?:^|[^.\w])fetch\(/, "core has no network"],
];

async function readGraph(): Promise<Arrow[]> {
  const roots = [
    ...await files("src"),
    ...await files("plugin"),
    ...await files("examples"),
    ...await files("main.ts"),
  ];
  // One made-up root that imports everything: one run of `deno info` instead of one per file.
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      entry,
      roots.map((path) => `import ${JSON.stringify(new URL(path, ROOT).href)};\n`).join(""),
    );
    const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-lock", "--config", new URL("deno.json", ROOT).pathname, entry],
      cwd: ROOT,
    }).output();
    if (!success) throw new Error(`deno info failed: ${new TextDecoder().decode(stderr)}`);
    return arrowsOf(JSON.parse(new TextDecoder().decode(stdout)));
  } finally {
    await Deno.remove(entry);
  }
}

interface Described {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
    }[];
  }[];
}

function arrowsOf({ modules }: Described): Arrow[] {
  const arrows: Arrow[] = [];
  for (const module of modules) {
    if (!module.specifier.startsWith(ROOT.href)) continue;
    assert.equal(module.error, undefined, module.specifier);
    const from = module.specifier.slice(ROOT.href.length);
    for (const { specifier, code, type } of module.dependencies ?? []) {
      const targets = new Set(
        [code?.specifier, type?.specifier].filter((target) => target !== undefined),
      );
      if (targets.size === 0) targets.add(specifier);
      for (const to of targets) {
        arrows.push({ from, to: to.startsWith(ROOT.href) ? to.slice(ROOT.href.length) : to });
      }
    }
  }
  return arrows;
}

/** Each circle once, as `a → b → a`, from its alphabetically first file. */
function circles(arrows: readonly Arrow[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of arrows) next.set(from, [...next.get(from) ?? [], to]);
  const found = new Set<string>();
  const done = new Set<string>();
  const visit = (file: string, path: string[]) => {
    const start = path.indexOf(file);
    if (start >= 0) {
      const circle = path.slice(start);
      const first = circle.indexOf([...circle].sort()[0]!);
      const turned = [...circle.slice(first), ...circle.slice(0, first)];
      found.add([...turned, turned[0]].join(" → "));
      return;
    }
    if (done.has(file)) return;
    for (const to of next.get(file) ?? []) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of [...next.keys()].sort()) visit(file, []);
  return [...found];
}

/**
 * All TypeScript files below a path of the project, or the file itself; nothing where there is
 * none.
 */
async function files(path: string): Promise<string[]> {
  const at = new URL(path, ROOT);
  const stat = await Deno.stat(at).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (!stat) return [];
  if (stat.isFile) return [path];
  const found: string[] = [];
  for await (const entry of Deno.readDir(at)) {
    if (entry.name === "node_modules" || entry.name === "dist" || entry.name.startsWith(".")) {
      continue;
    }
    if (entry.isDirectory) found.push(...await files(`${path}/${entry.name}`));
    else if (/\.tsx?$/.test(entry.name) && !entry.name.endsWith(".d.ts")) {
      found.push(`${path}/${entry.name}`);
    }
  }
  return found.sort();
}

function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:])\/\/.*$/gm, "$1");
}
