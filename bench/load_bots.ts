/**
 * These are the bots of the load: version 1 as the protocol of Nexus 1.x knows it, one frame per
 * delta, and version 2 on the client that bots really use. Both do what the message says: `say`,
 * `burst <chunks>`, `paced <chunks> <ms>` or `silence`.
 */
import { connect } from "../src/bots/client.ts";
import { chunkOf } from "./chunk.ts";

export interface BotsOrder {
  readonly port: number;
  readonly token: string;
  readonly protocol: 1 | 2;
  /** How many bots; each has a socket of its own. Default 1. */
  readonly bots?: number;
  /**
   * Milliseconds after which a bot's line is cut, again and again, at a random time up to twice
   * that. Default: never.
   */
  readonly dropEvery?: number;
}

/** Sends one delta of a reply; the last one is `done`. */
type Say = (content: string, done: boolean) => void;

/** Dials all of them. Resolves once they are registered. */
export async function startBots(order: BotsOrder): Promise<void> {
  const dial = order.protocol === 2 ? dialSecond : dialFirst;
  const count = order.bots ?? 1;
  // The gateway bounds how many sockets of one address may wait to register: ten at a time stay
  // below it.
  for (let from = 0; from < count; from += 10) {
    const some = Array.from({ length: Math.min(10, count - from) }, (_, index) => from + index);
    await Promise.all(some.map((index) => dial(order, `v${order.protocol}-${index}`)));
  }
}

/** Does what the message says. Returns the way to stop. */
function obey(content: string, say: Say): () => void {
  const [word, first, second] = content.split(" ");
  const chunks = Number(first), pause = Number(second);
  switch (word) {
    case "burst":
      for (let index = 0; index < chunks; index++) say(chunkOf(index), index === chunks - 1);
      return () => {};
    case "paced": {
      let index = 0;
      const timer = setInterval(() => {
        const last = index === chunks - 1;
        say(chunkOf(index++), last);
        if (last) clearInterval(timer);
      }, pause);
      return () => clearInterval(timer);
    }
    case "silence":
      return () => {};
    default:
      say(HELLO, true);
      return () => {};
  }
}

export const HELLO = "Hello from the bot.";

function dialFirst(order: BotsOrder, botId: string): Promise<void> {
  const { port, token, dropEvery } = order;
  const socket = new WebSocket(`ws://127.0.0.1:${port}/bot-ws`);
  const stops = new Set<() => void>();
  socket.onclose = () => {
    for (const stop of stops) stop();
    if (dropEvery) {
      setTimeout(() => dialFirst(order, botId).catch(() => {}), 100 + Math.random() * 200);
    }
  };
  return new Promise((resolve, reject) => {
    socket.onopen = () =>
      socket.send(JSON.stringify({ type: "register", botId, botName: botId, token }));
    socket.onerror = () => reject(new Error(`cannot connect to port ${port}`));
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === "chat") answer(frame.id, frame.content);
      else if (frame.type === "ping") socket.send(`{"type":"pong"}`);
      else if (frame.type === "registered") {
        if (!frame.success) return reject(new Error(frame.error));
        if (dropEvery) setTimeout(() => socket.close(), Math.random() * 2 * dropEvery);
        resolve();
      }
    };
    const answer = (replyTo: string, content: string) => {
      let number = 0;
      let stop = () => {};
      stop = obey(content, (content, done) => {
        const id = `${replyTo}-${number++}`;
        socket.send(
          JSON.stringify({ type: "reply", id, replyTo, content, done, timestamp: Date.now() }),
        );
        if (done) stops.delete(stop);
      });
      if (content.startsWith("paced")) stops.add(stop);
    };
  });
}

async function dialSecond({ port, token, dropEvery }: BotsOrder, botId: string): Promise<void> {
  let socket: WebSocket | undefined;
  const bot = connect({
    url: `ws://127.0.0.1:${port}/bot-ws`,
    botId,
    token,
    reconnectInterval: 200,
    WebSocket: class extends WebSocket {
      constructor(url: string) {
        super(url);
        socket = this;
      }
    },
    answer: (chat, reply) =>
      new Promise<void>((resolve) => {
        let stop = () => {};
        stop = obey(chat.content, (content, done) => {
          reply.write(content);
          if (done) resolve();
        });
        reply.signal.addEventListener("abort", () => {
          stop();
          resolve();
        });
      }),
    // Being cut off is what this load is for; what matters is seen by the reader.
    onProblem: dropEvery ? () => {} : undefined,
  });
  await bot.ready();
  if (!dropEvery) return;
  const cut = () => {
    socket?.close();
    setTimeout(cut, Math.random() * 2 * dropEvery);
  };
  setTimeout(cut, Math.random() * 2 * dropEvery);
}
