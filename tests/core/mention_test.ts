import assert from "node:assert/strict";
import { mentioned } from "../../src/core/mention.ts";

const BOTS = [
  { id: "alpha", name: "Alpha" },
  { id: "robot-a", name: "Robot A", pool: "robots" },
  { id: "robot", name: "Robot" },
  { id: "law", name: "alpha" },
];

Deno.test("a text is addressed to the bot whose name it begins with, the longest that fits", () => {
  const cases: [text: string, target: string | undefined, rest: string | undefined][] = [
    ["@alpha hi", "alpha", "hi"],
    ["@ALPHA hi", "alpha", "hi"],
    ["@Robot A hi", "robot-a", "hi"],
    ["@Robot hi", "robot", "hi"],
    ["@Robot Another", "robot", "Another"],
    ["@robots hi", "robots", "hi"],
    ["@alpha，你好", "alpha", "你好"],
    ["@alpha", "alpha", ""],
    ["@alphabet hi", undefined, undefined],
    ["@Alice 你看看", undefined, undefined],
    ["alpha hi", undefined, undefined],
    ["@ alpha", undefined, undefined],
    ["@", undefined, undefined],
  ];
  for (const [text, target, rest] of cases) {
    const found = mentioned(text, BOTS);
    assert.deepEqual([found?.target, found?.text], [target, rest], text);
  }
});
