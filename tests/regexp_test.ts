/**
 * No regular expression takes more than linear time: one that may is rewritten, or a comment
 * `linear: …` above it says why it does not.
 *
 * The library finds expressions that can match one text in a growing number of ways; what stands in
 * a lookahead or lookbehind it does not follow, so those are checked once more as if they took
 * part.
 */
import assert from "node:assert/strict";
import { isSafe } from "redos-detector";
import ts from "typescript";

const ROOT = new URL("../", import.meta.url);

/**
 * What runs with text from outside. Kits for tests (`conform`, `emulate`) are given no more than a
 * developer gives them.
 */
const FOLDERS = ["src", "plugin/src"], LEFT_OUT = /^src\/(?:conform|emulate)\//;

interface Expression {
  readonly place: string;
  readonly source: string;
  readonly flags: string;
  /** Why it is linear, where its line says so. */
  readonly reason?: string;
}

Deno.test("every regular expression takes linear time, or its line says why it does", async () => {
  const wrong: string[] = [];
  let count = 0;
  for await (const path of sources()) {
    for (const expression of expressionsOf(path, await Deno.readTextFile(new URL(path, ROOT)))) {
      count++;
      const safe = isLinear(expression);
      if (!safe && expression.reason === undefined) {
        wrong.push(`${expression.place}: /${expression.source}/`);
      }
      if (safe && expression.reason !== undefined) {
        wrong.push(`${expression.place}: needs no reason`);
      }
    }
  }
  assert.ok(count > 150, `${count} expressions were found`);
  assert.deepEqual(wrong, []);
});

Deno.test("expressions that are made at run time are named, so that somebody looks at them", async () => {
  const made: string[] = [];
  for await (const path of sources()) {
    const text = await Deno.readTextFile(new URL(path, ROOT));
    if (/\bRegExp\(/.test(text)) made.push(path);
  }
  // A class of one character, again and again; words that a person looks for, escaped.
  assert.deepEqual(made.toSorted(), [
    "src/backends/sqlite_search_index.ts",
    "src/web/view/search_results.tsx",
  ]);
});

Deno.test("the check finds what has been found by others", () => {
  const bad = [
    /^\s*(?:<\?xml[^>]*\?>)?\s*<xml>([\s\S]*)<\/xml>\s*$/,
    /!\[[^\]]{0,300}\]\(data:image\/[^)]*\)/g,
    /^data:([^;,]+)[^,]*,/,
    /\/+$/,
    /x.*y/,
    /(a+)+b/,
    /[a-z]+(?=1)/,
    /<!--[^]*?-->/g,
  ];
  for (const { source, flags } of bad) assert.equal(isLinear({ source, flags }), false, source);
  const fine = [
    /^[\w.+-]+\/[\w.+-]+$/,
    /\s+/g,
    /^\d{1,3}$/,
    /[&<>"']/g,
    /^(?:https?:\/\/|mailto:)/i,
  ];
  for (const { source, flags } of fine) assert.equal(isLinear({ source, flags }), true, source);
});

function isLinear({ source, flags }: Pick<Expression, "source" | "flags">): boolean {
  const taken = source.replace(/\(\?<?[=!]/g, "(?:");
  return [source, ...(taken === source ? [] : [taken])].every((one) =>
    isSafe(new RegExp(one, flags), { maxScore: 200, maxSteps: 5_000 }).safe
  );
}

async function* sources(): AsyncGenerator<string> {
  for (const folder of FOLDERS) yield* files(folder);
  yield "main.ts";
}

async function* files(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, ROOT))) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* files(path);
    else if (/\.tsx?$/.test(name) && !LEFT_OUT.test(path)) yield path;
  }
}

function expressionsOf(path: string, text: string): Expression[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lines = text.split("\n");
  const found: Expression[] = [];
  const walk = (node: ts.Node): void => {
    if (ts.isRegularExpressionLiteral(node)) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      const end = node.text.lastIndexOf("/");
      found.push({
        place: `${path}:${line + 1}`,
        source: node.text.slice(1, end),
        flags: node.text.slice(end + 1),
        reason: lines.slice(Math.max(0, line - 3), line + 1).join("\n").match(/\blinear: \S.*/)
          ?.[0],
      });
    }
    ts.forEachChild(node, walk);
  };
  walk(source);
  return found;
}
