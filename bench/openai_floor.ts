/**
 * This is the floor of the OpenAI benchmark: the least relay between a model API and a client that
 * can be written on Deno.serve and a socket. No keys, no turns, no history, no errors; it reads
 * each event, parses it, and writes it anew.
 *
 * ```sh
 * deno run -A bench/openai_floor.ts 18001 18000
 * ```
 */
const [port, upstream] = Deno.args.map(Number);

const encoder = new TextEncoder();

Deno.serve({ port: port!, hostname: "127.0.0.1", onListen() {} }, async (request) => {
  const body = await request.text();
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: upstream! });
  socket.setNoDelay(true);
  await socket.write(encoder.encode(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  ));
  const stream = JSON.parse(body).stream === true;
  return stream ? new Response(relay(socket)) : new Response(await whole(socket));
});

function relay(socket: Deno.TcpConn): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async start(controller) {
      await pieces(socket, (event) => {
        if (event === "[DONE]") {
          controller.enqueue(encoder.encode("data: [DONE]\n\n"));
          controller.close();
          return false;
        }
        const { delta } = JSON.parse(event).choices[0];
        if (delta.content === undefined) return true;
        const chunk = `{"id":"x","choices":[{"index":0,"delta":{"content":${
          JSON.stringify(delta.content)
        }}}]}`;
        controller.enqueue(encoder.encode(`data: ${chunk}\n\n`));
        return true;
      });
    },
  });
}

async function pieces(socket: Deno.TcpConn, take: (event: string) => boolean): Promise<void> {
  const buffer = new Uint8Array(16384);
  const decoder = new TextDecoder();
  let text = "";
  for (let going = true; going;) {
    const count = await socket.read(buffer);
    if (count === null) break;
    text += decoder.decode(buffer.subarray(0, count));
    for (let from = text.indexOf("data: "); from >= 0 && going; from = text.indexOf("data: ")) {
      const end = text.indexOf("\n\n", from);
      if (end < 0) break;
      going = take(text.slice(from + 6, end));
      text = text.slice(end + 2);
    }
  }
  socket.close();
}

async function whole(socket: Deno.TcpConn): Promise<string> {
  const buffer = new Uint8Array(16384);
  const decoder = new TextDecoder();
  let text = "";
  while (true) {
    const count = await socket.read(buffer);
    if (count === null) break;
    text += decoder.decode(buffer.subarray(0, count));
    const end = text.indexOf("\r\n\r\n");
    const length = Number(/content-length: (\d+)/.exec(text)?.[1]);
    if (end >= 0 && text.length >= end + 4 + length) {
      text = JSON.stringify(JSON.parse(text.slice(end + 4)));
      break;
    }
  }
  socket.close();
  return text;
}
