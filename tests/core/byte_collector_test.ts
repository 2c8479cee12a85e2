import assert from "node:assert/strict";
import { ByteCollector, readBytes } from "../../src/core/byte_collector.ts";

Deno.test("pieces of any size make the whole, up to the bound and not a byte further", () => {
  const bytes = new ByteCollector(1000, 500);
  for (let at = 0; at < 999; at++) assert.ok(bytes.add(Uint8Array.of(at % 251)));
  assert.equal(bytes.add(Uint8Array.of(1, 2)), false);
  assert.equal(bytes.add(Uint8Array.of(7)), true);
  assert.equal(bytes.length, 1000);
  assert.deepEqual([...bytes.bytes], [...Array.from({ length: 999 }, (_, at) => at % 251), 7]);
});

Deno.test("a stream that holds too much is let go of at the bound", async () => {
  let pulled = 0, cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(100));
    },
    cancel() {
      cancelled = true;
    },
  });
  assert.equal(await readBytes(endless, 1000), undefined);
  assert.ok(cancelled && pulled < 15);
  assert.equal((await readBytes(null, 10))!.length, 0);
  assert.equal(new TextDecoder().decode(await readBytes(new Blob(["hello"]).stream(), 5)), "hello");
});

Deno.test("a body that comes byte by byte takes no more memory than its bytes", async () => {
  const many = 200_000;
  let left = many;
  const trickle = new ReadableStream<Uint8Array>({
    pull: (controller) => left-- > 0 ? controller.enqueue(Uint8Array.of(1)) : controller.close(),
  });
  const read = await readBytes(trickle, 1 << 20);
  assert.equal(read!.length, many);
  assert.ok(read!.buffer.byteLength <= 2 * many, `${read!.buffer.byteLength}`);
});
