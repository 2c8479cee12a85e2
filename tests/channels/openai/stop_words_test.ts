import assert from "node:assert/strict";
import fc from "fast-check";
import { StopWords } from "../../../src/channels/openai/stop_words.ts";

/** What goes out of a text in pieces. */
function through(
  words: readonly string[],
  pieces: readonly string[],
): { out: string; stopped: boolean } {
  const stops = new StopWords(words);
  let out = "";
  for (const piece of pieces) {
    const { text, stopped } = stops.take(piece);
    out += text;
    if (stopped) return { out, stopped };
  }
  return { out: out + stops.rest(), stopped: false };
}

Deno.test("however a text is cut into pieces, it ends before the first stop word", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 12 });
  const word = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(
      fc.array(letters, { maxLength: 8 }),
      fc.array(word, { minLength: 1, maxLength: 1 }),
      (pieces, words) => {
        const text = pieces.join("");
        const at = text.indexOf(words[0]!);
        const { out, stopped } = through(words, pieces);
        assert.equal(stopped, at >= 0);
        assert.equal(out, at < 0 ? text : text.slice(0, at));
      },
    ),
    { numRuns: 5000 },
  );
});

Deno.test("of several words the first in the text ends it", () => {
  assert.deepEqual(through(["xyz", "b"], ["aaa", "b", "xyz"]), { out: "aaa", stopped: true });
  assert.deepEqual(through(["END", "\n\n"], ["one EN", "T two\n", "E", "ND"]), {
    out: "one ENT two\n",
    stopped: true,
  });
  assert.deepEqual(through(["END"], ["one", " EN"]), { out: "one EN", stopped: false });
});

Deno.test("what may be the beginning of a stop word waits, and nothing else does", () => {
  const stops = new StopWords(["abc"]);
  assert.equal(stops.take("xab").text, "x");
  assert.equal(stops.take("abz").text, "ababz");
  assert.equal(stops.take("ab").text, "");
  assert.equal(stops.rest(), "ab");
});
