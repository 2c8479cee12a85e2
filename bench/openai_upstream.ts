/**
 * This is the model API of the OpenAI benchmark: 64 deltas of 16 bytes, one each 20 ms, or one JSON
 * answer after 20 ms (model `bench`) or at once (model `bench-now`). On bare sockets, because what
 * it costs is taken from the machine that is measured.
 *
 * ```sh
 * deno run -A bench/openai_upstream.ts 18000
 * ```
 */
import { DELTAS, PACE, textOf } from "./openai_load.ts";

const encoder = new TextEncoder();

const HEAD =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

const events = Array.from({ length: DELTAS }, (_, index) =>
  chunk(`data: ${
    JSON.stringify({
      id: "chatcmpl-bench",
      object: "chat.completion.chunk",
      created: 1,
      model: "bench",
      choices: [{ index: 0, delta: { content: textOf(index) }, finish_reason: null }],
    })
  }\n\n`));

const last = chunk(
  `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n` +
    "data: [DONE]\n\n",
);

const whole = (() => {
  const body = JSON.stringify({
    id: "chatcmpl-bench",
    object: "chat.completion",
    created: 1,
    model: "bench",
    choices: [{
      index: 0,
      message: { role: "assistant", content: textOf(0) },
      finish_reason: "stop",
    }],
    usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 },
  });
  return encoder.encode(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
})();

/**
 * Streams by the millisecond in which their next delta is due, so that one timer serves them all.
 */
const due = new Map<number, (() => void)[]>();
let tick = Math.floor(performance.now());
setInterval(() => {
  for (const now = Math.floor(performance.now()); tick <= now; tick++) {
    const calls = due.get(tick);
    due.delete(tick);
    if (calls) { for (const call of calls) call(); }
  }
}, 1);

if (import.meta.main) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: Number(Deno.args[0]) });
  for await (const conn of listener) {
    serve(conn).catch(() => {/* the other side hung up: that is its right */}).finally(() =>
      conn.close()
    );
  }
}

async function serve(conn: Deno.TcpConn): Promise<void> {
  conn.setNoDelay(true);
  const buffer = new Uint8Array(65536);
  const decoder = new TextDecoder();
  let text = "";
  while (true) {
    const count = await conn.read(buffer);
    if (count === null) return;
    text += decoder.decode(buffer.subarray(0, count));
    const end = text.indexOf("\r\n\r\n");
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1] ?? 0);
    if (end < 0 || text.length < end + 4 + length) continue;
    const body = text.slice(end + 4, end + 4 + length);
    const get = text.startsWith("GET ");
    text = text.slice(end + 4 + length);
    if (get) await conn.write(encoder.encode("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
    else if (/"stream":\s*true/.test(body)) await stream(conn);
    else {
      if (!body.includes("bench-now")) await at(PACE);
      await conn.write(whole);
    }
  }
}

async function stream(conn: Deno.TcpConn): Promise<void> {
  await conn.write(encoder.encode(HEAD));
  const began = performance.now();
  for (let index = 0; index < DELTAS; index++) {
    await at(began + PACE * (index + 1) - performance.now());
    await conn.write(events[index]!);
  }
  await conn.write(last);
}

function at(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const when = Math.max(tick, Math.floor(performance.now() + ms));
    const calls = due.get(when);
    if (calls) calls.push(resolve);
    else due.set(when, [resolve]);
  });
}

function chunk(text: string): Uint8Array {
  const end = text.endsWith("[DONE]\n\n") ? "0\r\n\r\n" : "";
  return encoder.encode(`${text.length.toString(16)}\r\n${text}\r\n${end}`);
}
