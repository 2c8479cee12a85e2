import assert from "node:assert/strict";
import fc from "fast-check";
import { type Chunk, type ChunkKind, joined, Reply } from "../../src/core/reply.ts";

Deno.test("a reply is the text of its chunks, in order, since the last replace", () => {
  const reply = new Reply();
  reply.append("text", "void ");
  reply.append("replace", "other");
  reply.append("reasoning", "hm");
  reply.append("text", ["a", "", "b"]);
  reply.append("image", "data:image/png;base64,AA");
  assert.equal(reply.text, "ab");
  assert.deepEqual(reply.images, ["data:image/png;base64,AA"]);
  assert.equal(reply.length, 5 + 1 + 2 + 2 + 1);
});

Deno.test("only the first ending counts, and nothing comes after it", () => {
  const reply = new Reply();
  assert.equal(reply.append("text", "a"), "ok");
  assert.equal(reply.end({ status: "incomplete", code: "bot_gone" }), true);
  assert.equal(reply.end({ status: "done" }), false);
  assert.equal(reply.append("text", "b"), "ended");
  assert.deepEqual([reply.text, reply.ending!.status], ["a", "incomplete"]);
});

Deno.test("a list of chunks wakes a reader once", () => {
  const reply = new Reply();
  let woken = 0;
  const stop = reply.watch(() => woken++);
  reply.append("text", ["a", "b", "c"]);
  reply.append("text", []);
  reply.append("text", "");
  assert.equal(woken, 1);
  stop();
  reply.append("text", "d");
  assert.equal(woken, 1);
});

Deno.test("a chunk past the cap is refused, for text and for images apart", () => {
  const reply = new Reply({ text: 10, total: 100 });
  assert.equal(reply.append("text", "0123456789"), "ok");
  assert.equal(reply.append("text", "x"), "full");
  assert.equal(reply.append("image", "i".repeat(80)), "ok");
  assert.equal(reply.append("image", "i".repeat(11)), "full");
  assert.equal(reply.text, "0123456789");
});

Deno.test("an offset inside a chunk gives the rest of it", () => {
  const reply = new Reply();
  reply.append("text", ["hello ", "world"]);
  assert.deepEqual(reply.since(3), [
    { at: 3, kind: "text", content: "lo " },
    { at: 6, kind: "text", content: "world" },
  ]);
  assert.deepEqual(reply.since(11), []);
  assert.deepEqual(reply.since(99), []);
});

Deno.test("joining chunks changes neither text nor offsets, and keeps tool steps apart", () => {
  const chunks: Chunk[] = [
    { at: 0, kind: "text", content: "a" },
    { at: 1, kind: "text", content: "b" },
    { at: 2, kind: "tool", content: "{}" },
    { at: 4, kind: "tool", content: "{}" },
    { at: 6, kind: "text", content: "c" },
    { at: 7, kind: "text", content: "d" },
  ];
  assert.deepEqual(joined(chunks), [
    { at: 0, kind: "text", content: "ab" },
    { at: 2, kind: "tool", content: "{}" },
    { at: 4, kind: "tool", content: "{}" },
    { at: 6, kind: "text", content: "cd" },
  ]);
});

Deno.test("waiting for more ends with a chunk or with the ending", async () => {
  const reply = new Reply();
  const first = reply.more(0);
  reply.append("text", "a");
  await first;
  const second = reply.more(1);
  reply.end({ status: "done" });
  await second;
  assert.equal((await reply.ended()).status, "done");
  assert.equal(reply.readers, 0);
});

/**
 * What a reader that follows has put together: every unit of every kind, so that nothing can be
 * lost or doubled unseen.
 */
function collect(reply: Reply, from: number): { text: string; next: number } {
  let text = "", next = from;
  for (const chunk of reply.since(from)) {
    const mark = chunk.kind === "image" || chunk.kind === "replace";
    text += mark
      ? `<${chunk.kind}:${chunk.content}>`
      : `${chunk.kind[0]}:${chunk.content};`.replace(/;$/, "");
    next = mark ? chunk.at + 1 : chunk.at + chunk.content.length;
  }
  return { text, next };
}

Deno.test("whatever the order of appending, reading, resuming and ending, every reader ends with the same text", () => {
  const kind = fc.constantFrom<ChunkKind>("text", "reasoning", "tool", "image", "replace");
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant("append" as const),
        kind,
        content: fc.string({ maxLength: 8, unit: "binary" }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("appendAll" as const),
        kind,
        list: fc.array(fc.string({ maxLength: 4 }), { maxLength: 4 }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("read" as const), reader: fc.nat(4) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("end" as const) }) },
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const reply = new Reply();
    // Readers put plain characters together kind by kind, because joined neighbours come as one
    // chunk.
    const readers = Array.from({ length: 5 }, () => ({ offset: 0, units: [] as string[] }));
    const read = (reader: { offset: number; units: string[] }) => {
      for (const chunk of reply.since(reader.offset)) {
        assert.ok(chunk.at === reader.offset, "no gap and no overlap");
        if (chunk.kind === "image" || chunk.kind === "replace") {
          reader.units.push(`${chunk.kind} ${chunk.content}`);
          reader.offset = chunk.at + 1;
        } else {
          for (let i = 0; i < chunk.content.length; i++) {
            reader.units.push(`${chunk.kind} ${chunk.content.charCodeAt(i)}`);
          }
          reader.offset = chunk.at + chunk.content.length;
        }
      }
    };
    for (const one of steps) {
      if (one.do === "append") reply.append(one.kind, one.content);
      else if (one.do === "appendAll") reply.append(one.kind, one.list);
      else if (one.do === "end") reply.end({ status: "done" });
      else read(readers[one.reader]!);
    }
    reply.end({ status: "done" });
    for (const reader of readers) read(reader);
    const late = { offset: 0, units: [] as string[] };
    read(late);
    for (const reader of readers) assert.deepEqual(reader.units, late.units);
    assert.equal(late.offset, reply.length);
    const kept = Reply.restore(joined(reply.since(0)), { status: "done" });
    assert.equal(kept.length, reply.length);
    assert.equal(kept.text, reply.text);
    assert.deepEqual(collect(kept, 0).next, reply.length);
  }));
});
