import assert from "node:assert/strict";
import { byteLength, split } from "../../../src/channels/im/cut.ts";
import { downgrade } from "../../../src/channels/im/markdown.ts";

Deno.test("a text that fits is left alone", () => {
  assert.deepEqual(split("你好\n\n再见", 64), ["你好\n\n再见"]);
});

Deno.test("a long text is cut behind paragraphs, by bytes, and nothing is lost", () => {
  const text = Array.from({ length: 60 }, (_, n) => `第${n}段：` + "字".repeat(20 + n % 13)).join(
    "\n\n",
  );
  const parts = split(text, 500);
  assert.equal(parts.join(""), text);
  for (const part of parts) assert.ok(byteLength(part) <= 500);
  for (const part of parts.slice(0, -1)) {
    assert.ok(part.endsWith("\n\n"), JSON.stringify(part.slice(-20)));
  }
});

Deno.test("code that is cut is closed and opened again in its language", () => {
  const code = Array.from({ length: 80 }, (_, n) => `const value${n} = ${n};`).join("\n");
  const parts = split(`Look:\n\n\`\`\`ts\n${code}\n\`\`\`\n\nThat is all.`, 600);
  assert.ok(parts.length > 2);
  for (const part of parts) {
    assert.ok(byteLength(part) <= 600);
    assert.equal(part.match(/^```/gm)!.length % 2, 0, part);
  }
  for (const part of parts.slice(1, -1)) assert.ok(part.startsWith("```ts\n"));
  const lines = parts.join("\n").split("\n").filter((line) => line.startsWith("const"));
  assert.deepEqual(lines, code.split("\n"));
});

Deno.test("one endless line is cut at sentences, then at words, never inside a character", () => {
  const sentences = "这是一句话。".repeat(200);
  for (const part of split(sentences, 400).slice(0, -1)) assert.ok(part.endsWith("。"));
  assert.equal(split(sentences, 400).join(""), sentences);
  const smileys = "😀".repeat(500);
  const parts = split(smileys, 301);
  assert.equal(parts.join(""), smileys);
  for (const part of parts) assert.ok(part.isWellFormed());
});

Deno.test("whatever the text, every part fits and the words are all there in order", () => {
  let seed = 7;
  const roll = (n: number) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n;
  const pieces = [
    "字字字",
    "word ",
    "\n",
    "\n\n",
    "😀",
    "。",
    "```js\n",
    "\n```\n",
    "| a | b |\n",
    "# head\n",
    "~~~\n",
  ];
  for (let round = 0; round < 300; round++) {
    let text = "";
    for (let n = roll(400); n >= 0; n--) text += pieces[roll(pieces.length)];
    const limit = 300 + roll(700);
    const parts = split(text, limit);
    for (const part of parts) {
      assert.ok(byteLength(part) <= limit, `${byteLength(part)} > ${limit}`);
    }
    const letters = (all: string) =>
      all.replace(/^ {0,3}(`{3,}|~{3,}).*$/gm, "").replace(/[`~\s]|js/g, "");
    assert.equal(letters(parts.join("\n")), letters(text));
  }
});

Deno.test("tables, headings, images and code become what a simple platform shows, and code stays as it is", () => {
  const markdown =
    "# Title\n\n| 名称 | 价格 |\n|---|---:|\n| 茶 | 3 |\n| 水 | |\n\n![图](https://x/y.png)\n\n```js\n# not a heading\n| no | table |\n```";
  assert.equal(
    downgrade(markdown, { tables: true, headings: true, images: true }),
    "**Title**\n\n- 名称: 茶 · 价格: 3\n- 名称: 水 · 价格: \n\n[图](https://x/y.png)\n\n```js\n# not a heading\n| no | table |\n```",
  );
  assert.equal(downgrade("```\na\nb\n```\nc", { fences: true }), "> a\n> b\nc");
  assert.equal(
    downgrade("**bold** `code` [doc](https://x) # no", { plain: true }),
    "bold code doc (https://x) # no",
  );
});

Deno.test("an unfinished table or fence, as it streams in, harms nothing", () => {
  for (const text of ["| a | b", "| a | b |\n|--", "```", "```js\nlet", "# ", "![x](", "|"]) {
    for (
      const to of [{ tables: true, fences: true, headings: true, images: true }, { plain: true }]
    ) {
      assert.equal(typeof downgrade(text, to), "string");
    }
  }
});
