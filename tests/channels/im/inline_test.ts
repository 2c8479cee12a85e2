import assert from "node:assert/strict";
import fc from "fast-check";
import { replaceLinks, withoutBold, withoutCode } from "../../../src/channels/im/inline.ts";

const SIGNS = ["[", "]", "(", ")", "](", "![", "**", "__", "*", "a", " ", "`", "b"];
const line = fc.array(fc.constantFrom(...SIGNS), { maxLength: 25 }).map((signs) => signs.join(""));

Deno.test("links and images are those that the usual expressions find", () => {
  const images = /!\[([^\]\n]*)\]\(([^)\s]+)[^)\n]*\)/g,
    links = /\[([^\]\n]*)\]\(([^)\s]+)[^)\n]*\)/g;
  fc.assert(
    fc.property(line, (text) => {
      assert.equal(
        replaceLinks(text, "![", (label, to) => `<${label}|${to}>`),
        text.replace(images, "<$1|$2>"),
      );
      assert.equal(
        replaceLinks(text, "[", (label, to) => `<${label}|${to}>`),
        text.replace(links, "<$1|$2>"),
      );
    }),
    { numRuns: 5000 },
  );
  assert.equal(
    replaceLinks('[a](http://x "title") b', "[", (label, to) => `${label}=${to}`),
    "a=http://x b",
  );
});

Deno.test("marks of bold go where they stand close around words, and only there", () => {
  const bold = (mark: string) => (text: string) =>
    text.replace(new RegExp(`${mark}(?=\\S)(.+?)(?<=\\S)${mark}`, "g"), "$1");
  fc.assert(
    fc.property(line, (text) => assert.equal(withoutBold(text), bold("__")(bold("\\*\\*")(text)))),
    { numRuns: 5000 },
  );
  assert.equal(
    withoutBold("**bold** and __too__, ** not this ** nor ****"),
    "bold and too, ** not this ** nor ****",
  );
  assert.equal(withoutCode("`a` and ``"), "a and ``");
});
