/**
 * This is the floor that the gateway is measured against: the least relay that can be written on
 * Deno.serve and Deno.upgradeWebSocket. It reads a bot's frame and writes the event; there is no
 * framework, no authentication, no limit, no log, no metric, no resume. It is meant to be fast, so
 * that ratios to it are not flattered: nothing here is slower than it has to be.
 *
 * Run: `deno run -A bench/floor.ts`. It prints `{"port":…}` once it listens.
 */

interface Waiting {
  write(content: string, done: boolean): void;
}

const encoder = new TextEncoder();
const waiting = new Map<string, Waiting>();
let bot: WebSocket | undefined;
let botId = "";
let turns = 0;

const JSON_TYPE = { headers: { "content-type": "application/json" } };
const SSE_TYPE = { headers: { "content-type": "text/event-stream", "cache-control": "no-cache" } };

Deno.serve({
  port: Number(Deno.args[0] ?? 0),
  hostname: "127.0.0.1",
  onListen: ({ port }) => console.log(JSON.stringify({ port })),
}, (request) => {
  const path = new URL(request.url).pathname;
  if (path === "/api/chat") return chat(request);
  if (path === "/api/chat/stream") return stream(request);
  if (path === "/bot-ws") return connect(request);
  if (path === "/livez") return new Response("ok");
  return new Response("not found", { status: 404 });
});

async function chat(request: Request): Promise<Response> {
  const { message } = await request.json();
  return new Promise((resolve) => {
    let text = "";
    ask(message, {
      write(content, done) {
        text += content;
        if (done) {
          resolve(
            new Response(
              JSON.stringify({ botId, content: text, timestamp: Date.now() }),
              JSON_TYPE,
            ),
          );
        }
      },
    });
  });
}

async function stream(request: Request): Promise<Response> {
  const { message } = await request.json();
  let id = "";
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const event = (value: unknown) =>
        controller.enqueue(encoder.encode(`data: ${JSON.stringify(value)}\n\n`));
      event({ type: "start", botId, botName: botId });
      id = ask(message, {
        write(content, done) {
          event({ type: "chunk", content, done });
          if (!done) return;
          event({ type: "end" });
          controller.close();
        },
      });
    },
    cancel() {
      waiting.delete(id);
    },
  });
  return new Response(body, SSE_TYPE);
}

function ask(content: string, reader: Waiting): string {
  const id = String(++turns);
  waiting.set(id, reader);
  bot?.send(JSON.stringify({ type: "chat", id, content, from: "floor", timestamp: Date.now() }));
  return id;
}

function connect(request: Request): Response {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(data);
    if (frame.type === "reply") {
      const reader = waiting.get(frame.replyTo);
      if (frame.done) waiting.delete(frame.replyTo);
      reader?.write(frame.content, frame.done);
    } else if (frame.type === "register") {
      bot = socket;
      botId = frame.botId;
      socket.send(`{"type":"registered","success":true}`);
    }
  };
  return response;
}
