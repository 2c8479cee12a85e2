import assert from "node:assert/strict";
import { isDivider, isRow, rowsAsLines } from "../../../src/channels/im/table.ts";

Deno.test("what stands between a header and its rows is known from a row", () => {
  for (const yes of ["|---|:--:|", "--|--", " | - | -: | ", "|-|-"]) assert.ok(isDivider(yes), yes);
  for (const no of ["", "|---|", "---", "|a|-|", "| |-|", "|:|-|", "- - -"]) assert.equal(isDivider(no), false, no);
  assert.ok(isRow("a|b"));
  assert.equal(isRow("|"), false);
});

Deno.test("each row says its headers, cut where they are long", () => {
  assert.deepEqual(rowsAsLines(["| 名称 | |", "|-|-|", "| 茶 | 3 |"]), ["- 名称: 茶 · 3"]);
  const [line] = rowsAsLines([`|${"h".repeat(100)}|b|`, "|-|-|", "|x|y|"]);
  assert.equal(line, `- ${"h".repeat(40)}: x · b: y`);
});

Deno.test("a table that would become many times as long stays as it is", () => {
  const table = [`|${"h".repeat(40)}|`.repeat(50), "|-|-|", ...Array.from({ length: 100 }, () => "|x".repeat(100))];
  assert.equal(rowsAsLines(table), table);
});
