import assert from "node:assert/strict";
import { fileNameOf } from "../../../src/channels/im/file_name.ts";

Deno.test("a download's name is read as platforms write it", () => {
  const cases: [header: string | undefined, name: string | undefined][] = [
    [undefined, undefined],
    ["attachment", undefined],
    ['attachment; filename="notes.txt"', "notes.txt"],
    ["attachment; filename=notes.txt; size=3", "notes.txt"],
    [`attachment; filename="${encodeURIComponent("报告.txt")}"`, "报告.txt"],
    [
      `attachment; filename="x.txt"; filename*=UTF-8''${encodeURIComponent("报告.txt")}`,
      "报告.txt",
    ],
    ['ATTACHMENT; FILENAME="A.MD"', "A.MD"],
    ['attachment; filename="../../etc/passwd"', "passwd"],
    ['attachment; filename="100%.txt"', "100%.txt"],
    // UTF-8 that came as Latin-1.
    [
      `attachment; filename="${String.fromCharCode(...new TextEncoder().encode("报告.txt"))}"`,
      "报告.txt",
    ],
  ];
  for (const [header, name] of cases) {
    const headers = new Headers();
    if (header !== undefined) headers.set("content-disposition", header);
    assert.equal(fileNameOf(headers), name, String(header));
  }
});
