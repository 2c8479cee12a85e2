import assert from "node:assert/strict";
import { attachmentOf, blobOf, formOf, sizeWords } from "../../../src/channels/im/attachment.ts";

Deno.test("a data URL says what it is called, or is called by its type", async () => {
  const named = attachmentOf(
    `data:application/pdf;name=${encodeURIComponent("报告 1.pdf")};base64,${btoa("hello")}`,
  )!;
  assert.deepEqual([named.name, named.type, named.size], ["报告 1.pdf", "application/pdf", 5]);
  assert.equal(await blobOf(named).text(), "hello");
  assert.equal(attachmentOf("data:image/jpeg;base64,AAAA")!.name, "image.jpg");
  assert.equal(
    attachmentOf("data:text/csv;charset=utf-8;filename=a.csv;base64,AAAA")!.name,
    "a.csv",
  );
  assert.equal(attachmentOf("data:application/x-tar;base64,AA==")!.name, "file.tar");
});

Deno.test("a name that wants to be a path, a trick or a novel is made plain; what is no data URL is nothing", () => {
  const nameOf = (said: string) => attachmentOf(`data:a/b;name=${said};base64,AAAA`)!.name;
  assert.equal(nameOf("..%2F..%2Fetc%2Fpasswd"), "passwd");
  assert.equal(nameOf("C:%5Ctemp%5Ca.txt"), "a.txt");
  assert.equal(nameOf("a%0D%0Ab%E2%80%AEfdp.exe"), "abfdp.exe");
  assert.equal(nameOf("100%"), "100%");
  assert.equal(nameOf("x".repeat(500)).length, 100);
  assert.equal(nameOf(""), "file.b");
  for (const odd of ["", "hello", "data:,x", "data:a/b,x", "http://x/"]) {
    assert.equal(attachmentOf(odd), undefined);
  }
});

Deno.test("a picture that is too large, or of a kind that is not shown, goes as a file; what fits nowhere goes not at all", () => {
  const takes = {
    image: { types: /^image\/png$/, bytes: 10 },
    file: { bytes: 100, names: /\.(png|pdf|svg)$/ },
  };
  const form = (type: string, bytes: number) =>
    formOf({ name: `a.${type.split("/")[1]}`, type, size: bytes, base64: "" }, takes);
  assert.equal(form("image/png", 10), "image");
  assert.equal(form("image/png", 11), "file");
  assert.equal(form("image/svg", 5), "file");
  assert.equal(form("application/pdf", 100), "file");
  assert.equal(form("application/pdf", 101), undefined);
  assert.equal(form("application/exe", 5), undefined);
  assert.equal(form("application/pdf", 0), undefined);
  const few = (size: number) =>
    formOf({ name: "a", type: "a/b", size, base64: "" }, { file: { bytes: 9, above: 5 } });
  assert.deepEqual([few(5), few(6)], [undefined, "file"]);
  assert.equal(formOf({ name: "a", type: "image/png", size: 1, base64: "" }, {}), undefined);
  assert.deepEqual([sizeWords(12), sizeWords(34_567), sizeWords(3_456_789)], [
    "12 B",
    "35 kB",
    "3.5 MB",
  ]);
});
