import assert from "node:assert/strict";
import fc from "fast-check";
import {
  jsonInPieces,
  LongText,
  longTextOf,
  PIECE_UNITS,
  pieceOf,
  piecesOf,
} from "../../../src/channels/http/text_pieces.ts";

const written = (value: unknown) => [...jsonInPieces(value)];

Deno.test("JSON in pieces reads as the value that was written, and no piece is larger than six times a piece", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    assert.deepEqual(JSON.parse(written(value).join("")), JSON.parse(JSON.stringify(value)));
  }));
  const values = [
    { type: "image", image: "A".repeat(3 * PIECE_UNITS + 1), name: "a" },
    {
      list: ["😀".repeat(PIECE_UNITS), '\u0000\n"\\'.repeat(PIECE_UNITS)],
      last: null,
      none: undefined,
    },
    "x".repeat(PIECE_UNITS + 1),
    ["\ud83d".repeat(2 * PIECE_UNITS)],
  ];
  for (const value of values) {
    const pieces = written(value);
    assert.ok(pieces.length > 3);
    assert.deepEqual(JSON.parse(pieces.join("")), JSON.parse(JSON.stringify(value)));
    for (const piece of pieces) assert.ok(piece.length <= 6 * (PIECE_UNITS + 1), `${piece.length}`);
  }
});

Deno.test("texts that are not put together are written as one, wherever they stand", () => {
  const long = "b".repeat(2 * PIECE_UNITS);
  const text = longTextOf(["a", long, "c"]);
  assert.ok(text instanceof LongText);
  const read = JSON.parse(written({ text, part: { text }, list: [text] }).join(""));
  const whole = `a${long}c`;
  assert.deepEqual(read, { text: whole, part: { text: whole }, list: [whole] });
  assert.equal(longTextOf(["a", "b"]), "ab");
});

Deno.test("a text in pieces is the text, and no character is cut in two", () => {
  for (
    const text of [
      "",
      "a",
      "😀".repeat(PIECE_UNITS),
      `a${"😀".repeat(PIECE_UNITS)}`,
      "\ud83d".repeat(PIECE_UNITS + 1),
    ]
  ) {
    const pieces = [...piecesOf(text)];
    assert.equal(pieces.join(""), text);
    if (text.isWellFormed()) { for (const piece of pieces) assert.ok(piece.isWellFormed()); }
  }
  assert.equal(pieceOf("abc", 1), "bc");
});

Deno.test("what a text says cannot be taken for the mark of a long one", () => {
  const tricks = ['":0"', "x:0", `"${crypto.randomUUID()}:0"`];
  for (const trick of tricks) assert.deepEqual(JSON.parse(written([trick]).join("")), [trick]);
});
