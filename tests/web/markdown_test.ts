/**
 * Markdown as it streams is Markdown: however the text is cut, what stands there in the end is the
 * same.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isImageData, safeLink } from "../../src/web/markdown/known_html.ts";
import {
  MarkdownStream,
  MAX_BLOCKS,
  MAX_DEFINITIONS,
  MAX_TAGS,
  renderMarkdown,
} from "../../src/web/markdown/markdown_stream.ts";
import { MAX_CELLS, MAX_MARKS, MAX_NESTING } from "../../src/web/markdown/parser.ts";

/** Pieces that Markdown gives a meaning to, so that random texts hit its corners. */
const WORDS = [
  "word",
  "two words",
  " ",
  "  ",
  "\n",
  "\n\n",
  "\n\n\n",
  "\t",
  "# ",
  "## ",
  "- ",
  "* ",
  "1. ",
  "2) ",
  "> ",
  "    code",
  "```",
  "```js\n",
  "~~~",
  "\n```\n",
  "|a|b|\n|-|-|\n",
  "|1|2|\n",
  "---",
  "===",
  "***",
  "**",
  "*",
  "_",
  "`",
  "``",
  "[x](http://a.b)",
  "[x][y]",
  "[y]: http://c.d",
  "![i](http://e.f/g.png)",
  "<b>",
  "</b>",
  "<div>",
  "</div>",
  "<!--",
  "-->",
  "<script>",
  "$",
  "$$",
  "\\(",
  "\\)",
  "\\[",
  "\\]",
  "\\",
  "&amp;",
  "&#x3c;",
  "- [ ] ",
  "- [x] ",
  "你好",
  "，",
  "😀",
  "\u202e",
  "http://auto.link",
  "~~",
  "a|b",
  ":-:",
  "\r\n",
  "  \n",
  "+ ",
  "[",
  "]",
  "(",
  ")",
  "!",
  "<",
  ">",
];
// prettier would put one on a line
const markdown = fc.array(fc.constantFrom(...WORDS), { maxLength: 60 }).map((words) =>
  words.join("")
);
const cuts = fc.array(fc.nat(), { maxLength: 20 });

/** The blocks after the text came in these pieces, with a look after each. */
function streamed(text: string, places: readonly number[], look: boolean) {
  const stream = new MarkdownStream();
  const sorted = [
    ...places.map((place) => text.length === 0 ? 0 : place % text.length),
    text.length,
  ].sort((a, b) => a - b);
  let from = 0;
  for (const to of sorted) {
    stream.push(text.slice(from, to));
    from = to;
    if (look) stream.blocks();
  }
  return stream;
}

Deno.test("a text cut at any places ends as the whole text does", () => {
  fc.assert(
    fc.property(markdown, cuts, (text, places) => {
      assert.deepEqual(streamed(text, places, true).end(), renderMarkdown(text));
    }),
    { numRuns: 1500, seed: 20261123 },
  );
});

Deno.test("any string at all, cut anywhere, ends as the whole does", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), cuts, (text, places) => {
      assert.deepEqual(streamed(text, places, true).end(), renderMarkdown(text));
    }),
    { numRuns: 200, seed: 20261123 },
  );
});

Deno.test("even without the last look, cutting changes nothing", () => {
  fc.assert(
    fc.property(markdown, cuts, (text, places) => {
      const html = (stream: MarkdownStream) =>
        stream.blocks().map((block) =>
          block.code ? `${block.code.language}:${block.code.text}` : block.html
        ).join("");
      assert.equal(html(streamed(text, places, true)), html(streamed(text, [], true)));
    }),
    { numRuns: 1500, seed: 20261123 },
  );
});

Deno.test("no character is lost: the blocks are made of the whole text", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("alpha", "beta", " ", "\n", "\n\n", "- ", "# "), { maxLength: 40 }),
      (words) => {
        const text = words.join("");
        const shown = renderMarkdown(text).map(({ html }) => html.replace(/<[^>]*>/g, "")).join("");
        assert.equal(shown.match(/alpha|beta/g)?.length, text.match(/alpha|beta/g)?.length);
      },
    ),
    { numRuns: 300, seed: 20261123 },
  );
});

Deno.test("what is finished is the same object after more text came", () => {
  const stream = new MarkdownStream();
  stream.push("# Title\n\nFirst paragraph.\n\nSecond paragraph.\n\nThird");
  const [title, first] = stream.blocks();
  for (const piece of [" goes", " on.\n\n", "```js\nlet a", " = 1;\n```\n\n", "Last."]) {
    stream.push(piece);
    assert.equal(stream.blocks()[0], title);
    assert.equal(stream.blocks()[1], first);
  }
  const all = stream.end();
  assert.equal(all[0], title);
  assert.equal(all[1], first);
});

Deno.test("a link definition that comes late reaches back", () => {
  const stream = new MarkdownStream();
  stream.push("See [the page][p].\n\nMore.\n\nAnd more.\n\nStill more.\n\n");
  assert.match(stream.blocks()[0]!.html, /\[the page\]\[p\]/);
  stream.push("[p]: https://example.com/\n\nEnd.");
  assert.match(stream.blocks()[0]!.html, /href="https:\/\/example\.com\/"/);
});

Deno.test("a long text is read in pieces, not from its beginning each time", () => {
  const stream = new MarkdownStream();
  const paragraph =
    "Some words that make a paragraph of a usual length, with **bold** and `code`.\n\n";
  const begun = performance.now();
  for (let count = 0; count < 3000; count++) {
    stream.push(paragraph);
    stream.blocks();
  }
  stream.end();
  // Reading it all each time would take minutes; this bound only tells the two apart.
  assert.ok(performance.now() - begun < 20_000);
});

Deno.test("a megabyte on one line is shown as plain text", () => {
  const [block] = renderMarkdown("**a** ".repeat(200_000));
  assert.equal(block!.plain, true);
  assert.equal(block!.raw.length, 1_200_000);
});

Deno.test("dollars are maths only where they mean it", () => {
  const html = (text: string) => renderMarkdown(text).map((block) => block.html).join("");
  for (const text of ["It costs $5 and $6.", "$ a $", "a$b", "price: $10"]) {
    assert.doesNotMatch(html(text), /data-math/, text);
  }
  for (const text of ["$x^2$", "\\(a+b\\)", "so $a_1$, then"]) {
    assert.match(html(text), /data-math="inline"/, text);
  }
  for (const text of ["$$\nx\n$$", "\\[\ny\n\\]"]) {
    assert.match(html(text), /data-math="block"/, text);
  }
});

Deno.test("only links to the web, mail and telephone are links", () => {
  const good = ["https://a.b/c?d=e#f", "HTTP://A.B", "mailto:a@b.c", "tel:+491"];
  for (const href of good) assert.equal(safeLink(href), href);
  const bad = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "\u0001javascript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "//evil.example",
    "/relative",
    "#hash",
    "blob:http://a/b",
    "",
    "  ",
    null,
    undefined,
  ];
  for (const href of bad) assert.equal(safeLink(href), undefined, String(href));
});

Deno.test("a picture is data of a format that cannot run", () => {
  assert.ok(isImageData("data:image/png;base64,iVBORw0KGgo="));
  for (
    const source of [
      "data:image/svg+xml;base64,PHN2Zz4=",
      "data:text/html;base64,aa",
      "https://a.b/c.png",
      "data:image/png,<svg>",
    ]
  ) {
    assert.ok(!isImageData(source), source);
  }
});

Deno.test("HTML that is not known is shown as it was written", () => {
  const html = (text: string) => renderMarkdown(text).map((block) => block.html).join("");
  assert.match(
    html("a <kbd>K</kbd> and <thinking>x</thinking>"),
    /<kbd>K<\/kbd> and &#60;thinking&#62;x&#60;\/thinking&#62;/,
  );
  assert.match(
    html('<details open onclick="x()"><summary>More</summary>text</details>'),
    /<details open=""><summary>More<\/summary>/,
  );
  assert.doesNotMatch(html("<img src=x onerror=x()>"), /onerror/);
  assert.doesNotMatch(html("<script>x</script>"), /<script/);
  assert.doesNotMatch(html('<p title="<script>">x</p>'), /<script/);
});

const shown = (text: string) =>
  renderMarkdown(text).map((block) => block.plain ? block.raw : block.html).join("");
const times = (unit: string, count: number) => unit.repeat(count);

Deno.test("quotes in each other end at a depth at which no page breaks, and the words stay", () => {
  const html = shown(`${times(">", 3000)} words`);
  assert.equal(html.match(/<blockquote>/g)?.length, MAX_NESTING);
  assert.match(html, /words/);
});

Deno.test("a paragraph of more marks than a person writes is text", () => {
  assert.match(shown(times("**a** ", MAX_MARKS / 4 - 10)), /<strong>/);
  assert.doesNotMatch(shown(times("**a** ", MAX_MARKS)), /<strong>/);
});

Deno.test("a table of more cells than a page shows is text, also where its rows name none of them", () => {
  const table = (rows: number) => `|${times("a|", 20)}\n|${times("-|", 20)}\n${times("a\n", rows)}`;
  assert.match(shown(table(100)), /<table>/);
  assert.doesNotMatch(shown(table(MAX_CELLS / 20 + 10)), /<table>/);
});

Deno.test("a block that would be more tags than a page draws is text", () => {
  assert.ok(renderMarkdown(`<div>${times("<b>", 1000)}`).every((block) => !block.plain));
  assert.ok(renderMarkdown(`<div>${times("<b>", MAX_TAGS + 1)}`).some((block) => block.plain));
});

Deno.test("after so many blocks an answer goes on as text, and none of it is lost", () => {
  const text = times("a\n\n", MAX_BLOCKS * 2);
  const blocks = renderMarkdown(text);
  assert.ok(blocks.length < MAX_BLOCKS * 1.5, `${blocks.length}`);
  assert.ok(blocks.at(-1)!.plain);
  assert.equal(
    blocks.map((block) => block.raw.replace(/\s+/g, "")).join("").length,
    MAX_BLOCKS * 2,
  );
});

Deno.test("of link definitions no more are known than one answer has", () => {
  const text = Array.from(
    { length: MAX_DEFINITIONS + 100 },
    (_, n) => `[l${n}]: https://a.invalid/${n}\n`,
  ).join("");
  const html = shown(`${text}\n${times("a\n\n", 3000)}[l1] [l${MAX_DEFINITIONS + 50}]`);
  assert.match(html, /href="https:\/\/a\.invalid\/1"/);
  assert.doesNotMatch(html, new RegExp(`href="https://a\\.invalid/${MAX_DEFINITIONS + 50}"`));
});
