import assert from "node:assert/strict";
import fc from "fast-check";
import { withoutInlineFiles } from "../../../src/channels/openai/inline_images.ts";

Deno.test("a picture becomes [image], another file its name, and everything else stays", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["a ![image](data:image/png;base64,AAAA) b", "a [image] b"],
    ["[re\\]port.pdf](data:application/pdf;base64,AAAA)", "[re\\]port.pdf]"],
    ["![x](data:application/pdf;base64,AAAA)", "![x]"],
    ["![a](data:image/png,1)![b](data:image/png,2)", "[image][image]"],
    ["[a](https://x) ![b](https://y/z.png)", "[a](https://x) ![b](https://y/z.png)"],
    ["![never closed](data:image/png;base64,AAAA", "![never closed](data:image/png;base64,AAAA"],
    ["](data:image/png;base64,AAAA)", "](data:image/png;base64,AAAA)"],
    [`[${"x".repeat(400)}](data:a/b,c)`, `[${"x".repeat(400)}](data:a/b,c)`],
    ["\\](data:a) [b](data:c)", "\\](data:a) [b]"],
  ];
  for (const [text, plain] of cases) assert.equal(withoutInlineFiles(text), plain, text);
});

Deno.test("whatever the brackets, the result is that of the expressions that say what is meant", () => {
  const meant = (text: string) =>
    text.replace(/!\[[^\]]{0,300}\]\(data:image\/[^)]*\)/g, "[image]")
      .replace(/\[((?:[^\]\\]|\\.){0,300})\]\(data:[^)]*\)/g, "[$1]");
  const piece = fc.constantFrom(
    "[",
    "]",
    "](data:",
    "](data:image/",
    ")",
    "!",
    "![",
    "a",
    " ",
    "(",
    "b",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = pieces.join("");
      assert.equal(withoutInlineFiles(text), meant(text));
    }),
    { numRuns: 5000 },
  );
});
