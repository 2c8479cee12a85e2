/**
 * Every promise that is not awaited is watched: it ends in a `catch`, or in a `then` with two
 * listeners, or it is one of those named here, which cannot fail or whose failure is told where it
 * arises. Types tell what a promise is, so that a call looks like any other. Types of npm packages
 * are not read: what they return counts as no promise.
 */
import assert from "node:assert/strict";
import ts from "typescript";

const ROOT = new URL("../", import.meta.url).pathname;

/** What ends with one person's page, or runs on a developer's desk. */
const LEFT_OUT = ["src/web", "src/emulate", "src/conform"];

/** Why nobody has to watch what these return, by the file in which they are called. */
const UNWATCHED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "src/app/parts.ts": {
    "gateway.cancel(…)": "a bot's receipt never fails; it comes or is given up after a while",
  },
  "src/bots/demo.ts": {
    "sink.done(…)":
      "resolves when the answer is stored; a failure of that is logged by the archive",
  },
  "src/bots/server/bot_server.ts": {
    "this.#pushes.handle(…)": "every failure becomes the bot's receipt",
  },
  "src/bots/server/socket_link.ts": {
    "stored.then(…)": "as `done`; a socket that is gone takes the receipt and drops it",
  },
  "src/bots/upstream/call_outcome.ts": { "sink.done(…)": "as above" },
  "src/bots/upstream/model_call.ts": {
    "this.#drain(…)": "catches everything: the answer is whole",
  },
  "src/channels/openai/completions.ts": { "this.#parts.gateway.cancel(…)": "as above" },
  "src/channels/http/stream_registry.ts": {
    "this.#ask(…)": "a reader who cannot be asked is sent away",
  },
  "src/cli/listen.ts": {
    "this.#change(…)": "what fails is the loss of the port, and ends the process",
  },
  "src/cli/watch.ts": { "look(…)": "catches everything: the file is followed on" },
  "src/core/people/accounts.ts": { "this.#stored.mark(…)": "its failure is logged there" },
  "src/core/archive.ts": { "this.#write(…)": "its failure is logged there" },
  "src/core/conversation_store.ts": {
    "this.save(…)": "ends in `write`, which logs its failure",
    "write(…)": "its failure is logged by the archive",
  },
  "src/core/default_conversations.ts": { "write(…)": "its failure is logged by the archive" },
  "src/core/recovery.ts": { "write(…)": "its failure is logged by the archive" },
  "src/core/bot_push.ts": { "archive.keep(…)": "ends in `#write`" },
  "src/core/dispatcher.ts": { "this.#parts.archive.keep(…)": "ends in `#write`" },
  "src/core/gateway.ts": {
    "attempt.link.cancel(…)": "as a turn's `cancel`",
    "this.cancel(…)": "as above",
    "turn.recorded(…).then(…)": "its failure is logged by the drafts",
    "turn.stored.then(…)": "`stored` ends in `#write`",
  },
  "src/core/turn.ts": { "this.recorded(…)": "its failure is logged by the drafts" },
};

Deno.test("every promise that is not awaited is watched, or its place says why it need not be", async () => {
  const paths: string[] = ["main.ts"];
  for await (const path of sources("src")) paths.push(path);
  const folder = await Deno.makeTempDir();
  try {
    const runtime = `${folder}/deno.d.ts`;
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["types"] }).output();
    await Deno.writeFile(runtime, stdout);
    const found = unwatched(paths.map((path) => ROOT + path), [runtime])
      .map(({ path, call }) => [path.slice(ROOT.length), call] as const);
    assert.ok(found.length > 20, `${found.length} were found`);
    const wrong = found.filter(([path, call]) => UNWATCHED[path]?.[call] === undefined);
    assert.deepEqual(wrong.map(([path, call]) => `${path}: ${call}`), []);
    const spare = Object.entries(UNWATCHED).flatMap(([path, calls]) =>
      Object.keys(calls).filter((call) => !found.some((one) => one[0] === path && one[1] === call))
        .map((call) => `${path}: ${call}`)
    );
    assert.deepEqual(spare, [], "these stand here for nothing");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a listener that swallows what failed says why beside it", async () => {
  const wrong: string[] = [];
  for await (const path of sources("src")) {
    const lines = (await Deno.readTextFile(ROOT + path)).split("\n");
    lines.forEach((line, at) => {
      if (!/(?:\.catch\(|[\w)], )\(\) => (?:\{\s*\}|undefined)\)/.test(line)) return;
      if (!/^\s*(?:\/\/|\*)/.test(lines[at - 1]!) && !/^\s*\*/.test(line)) {
        wrong.push(`${path}:${at + 1}`);
      }
    });
  }
  assert.deepEqual(wrong, []);
});

Deno.test("the check finds a promise in every dress", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/dresses.ts`;
  await Deno.writeTextFile(
    path,
    `
    declare function work(): Promise<number>;
    declare function perhaps(): Promise<number> | undefined;
    declare function after(call: () => void): void;
    declare function told(error: unknown): void;
    export async function all() {
      work(); // bad
      void work(); // bad
      perhaps(); // bad
      work().then(told); // bad
      work().finally(() => {}); // bad
      after(() => work()); // bad
      after(async () => { await work(); }); // bad
      true && work(); // bad
      await work();
      const kept = work();
      work().catch(told);
      void work().catch(told);
      work().catch(told).finally(() => {});
      kept.then(told, told);
      after(() => void work().catch(told));
      return work();
    }`,
  );
  try {
    const lines = (await Deno.readTextFile(path)).split("\n");
    const bad = lines.flatMap((line, at) => line.includes("// bad") ? [at + 1] : []);
    assert.deepEqual(unwatched([path]).map(({ line }) => line), bad);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

interface Found {
  readonly path: string;
  readonly line: number;
  /** What is called, without its arguments: `this.save(…)`. */
  readonly call: string;
}

/** The promises in some files that nobody waits for and nobody watches. */
function unwatched(paths: readonly string[], types: readonly string[] = []): Found[] {
  const program = ts.createProgram([...paths, ...types], {
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    allowImportingTsExtensions: true,
    noEmit: true,
    strict: true,
    types: [],
    lib: ["lib.esnext.d.ts"],
  });
  const checker = program.getTypeChecker();
  return paths.flatMap((path) => {
    const file = program.getSourceFile(path)!;
    const found: Found[] = [];
    const look = (node: ts.Node): void => {
      const left = leftAlone(node, checker);
      if (left) {
        const line = file.getLineAndCharacterOfPosition(left.getStart()).line + 1;
        found.push({ path, line, call: nameOf(left) });
      }
      ts.forEachChild(node, look);
    };
    look(file);
    return found;
  });
}

/** The promise that a node lets go unwatched. */
function leftAlone(node: ts.Node, checker: ts.TypeChecker): ts.Node | undefined {
  const isOpen = (one: ts.Expression) =>
    isPromise(checker.getTypeAtLocation(one)) && !isWatched(one);
  if (ts.isVoidExpression(node)) return isOpen(node.expression) ? node.expression : undefined;
  if (ts.isExpressionStatement(node)) {
    const { expression } = node;
    if (ts.isAwaitExpression(expression) || isAssignment(expression)) return undefined;
    return isOpen(expression) ? expression : undefined;
  }
  if (!ts.isArrowFunction(node) && !ts.isFunctionExpression(node)) return undefined;
  // Given to somebody who takes no promise.
  const wanted = checker.getContextualType(node)?.getCallSignatures() ?? [];
  const [own] = checker.getTypeAtLocation(node).getCallSignatures();
  const isVoid = (one: ts.Signature) =>
    (checker.getReturnTypeOfSignature(one).flags & ts.TypeFlags.Void) !== 0;
  if (!own || wanted.length === 0 || !wanted.every(isVoid)) return undefined;
  if (!isPromise(checker.getReturnTypeOfSignature(own))) return undefined;
  return ts.isBlock(node.body) || isOpen(node.body) ? node.body : undefined;
}

function isPromise(type: ts.Type): boolean {
  if (type.isUnion()) return type.types.some(isPromise);
  return type.getProperty("then") !== undefined && type.getProperty("catch") !== undefined;
}

function isWatched(expression: ts.Expression): boolean {
  if (!ts.isCallExpression(expression) || !ts.isPropertyAccessExpression(expression.expression)) {
    return false;
  }
  const { expression: { name, expression: of }, arguments: given } = expression;
  if (name.text === "catch") return given.length === 1;
  if (name.text === "then") return given.length === 2;
  return name.text === "finally" && isWatched(of);
}

function isAssignment(expression: ts.Expression): boolean {
  if (!ts.isBinaryExpression(expression)) return false;
  const { kind } = expression.operatorToken;
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}

/** A call without its arguments, on one line. */
function nameOf(node: ts.Node): string {
  if (ts.isCallExpression(node)) return `${nameOf(node.expression)}(…)`;
  if (ts.isPropertyAccessExpression(node)) return `${nameOf(node.expression)}.${node.name.text}`;
  return node.getText().replace(/\s+/g, " ").slice(0, 60);
}

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(ROOT + folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory && !LEFT_OUT.includes(path)) yield* sources(path);
    else if (/\.ts$/.test(name)) yield path;
  }
}
