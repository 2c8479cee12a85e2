import assert from "node:assert/strict";
import { isDivider, isRow, rowsAsLines, tableAfter } from "../../../src/channels/im/table.ts";

Deno.test("what stands between a header and its rows is known from a row", () => {
  for (const yes of ["|---|:--:|", "--|--", " | - | -: | ", "|-|-"]) assert.ok(isDivider(yes), yes);
  for (const no of ["", "|---|", "---", "|a|-|", "| |-|", "|:|-|", "- - -"]) {
    assert.equal(isDivider(no), false, no);
  }
  assert.ok(isRow("a|b"));
  assert.equal(isRow("|"), false);
});

Deno.test("each row says its headers, cut where they are long", () => {
  assert.deepEqual(rowsAsLines(["| 名称 | |", "|-|-|", "| 茶 | 3 |"]), ["- 名称: 茶 · 3"]);
  const [line] = rowsAsLines([`|${"h".repeat(100)}|b|`, "|-|-|", "|x|y|"]);
  assert.equal(line, `- ${"h".repeat(40)}: x · b: y`);
});

Deno.test("a table that would become many times as long stays as it is", () => {
  const table = [
    `|${"h".repeat(40)}|`.repeat(50),
    "|-|-|",
    ...Array.from({ length: 100 }, () => "|x".repeat(100)),
  ];
  assert.equal(rowsAsLines(table), table);
});

Deno.test("tables are counted outside of code, and the first one too many is found", () => {
  const table = "| a | b |\n|---|---|\n| 1 | 2 |\n\n";
  const words = "words with | a bar\n\n";
  assert.equal(tableAfter(table.repeat(5), 5), undefined);
  assert.equal(tableAfter(table.repeat(6), 5), table.length * 5);
  assert.equal(tableAfter(words + table + words + table, 1), (words + table + words).length);
  assert.equal(tableAfter("```\n" + table.repeat(9) + "```\n", 5), undefined);
  assert.equal(tableAfter("a | b\n---|---\n1 | 2", 0), 0);
  assert.equal(tableAfter("---\n---|---\n", 0), undefined);
});
