import assert from "node:assert/strict";
import { MAX_DATA_HEAD, readDataUrl } from "../../src/core/data_url.ts";

Deno.test("a data URL is taken apart: type, parameters, whether it is base64, and the rest", () => {
  assert.deepEqual(readDataUrl("data:image/PNG;base64,AA,A"), {
    type: "image/png",
    parameters: [],
    base64: true,
    data: "AA,A",
  });
  assert.deepEqual(readDataUrl("DATA:text/csv;charset=utf-8;name=a.csv;BASE64,eA=="), {
    type: "text/csv",
    parameters: ["charset=utf-8", "name=a.csv"],
    base64: true,
    data: "eA==",
  });
  assert.deepEqual(readDataUrl("data:,x"), { type: "", parameters: [], base64: false, data: "x" });
});

Deno.test("what is no data URL is none, and neither is one whose head has no end", () => {
  for (const odd of ["", "data:", "data:image/png;base64", "https://x/,y"]) {
    assert.equal(readDataUrl(odd), undefined);
  }
  assert.equal(readDataUrl(`data:a/b;name=${"x".repeat(MAX_DATA_HEAD)};base64,AAAA`), undefined);
});
