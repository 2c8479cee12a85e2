// This is a bot on plain Node (22 or later), with no library: version 1 of docs/protocol.md, which
// is all that a small bot needs.
//
//   NEXUS_TOKEN=… node examples/bot.mjs ws://127.0.0.1:17392/bot-ws
const url = process.argv[2] ?? process.env.NEXUS_URL ?? "ws://127.0.0.1:17392/bot-ws";
const botId = process.env.NEXUS_BOT_ID ?? "node-parrot";
let wait = 500;

function dial() {
  const socket = new WebSocket(url);
  const send = (frame) => socket.send(JSON.stringify(frame));
  let refused = false;
  socket.onopen = () =>
    send({ type: "register", botId, botName: "Parrot on Node", token: process.env.NEXUS_TOKEN });
  socket.onmessage = async ({ data }) => {
    const frame = parse(data);
    if (frame?.type === "registered") {
      refused = !frame.success;
      if (refused) console.error(`refused: ${frame.error}`);
      else wait = 500;
    } else if (frame?.type === "ping") {
      send({ type: "pong" });
    } else if (frame?.type === "chat" && typeof frame.id === "string") {
      for (const word of String(frame.content ?? "").split(/(?<= )/)) {
        if (socket.readyState !== WebSocket.OPEN) return;
        send({ type: "reply", replyTo: frame.id, content: word, done: false });
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      if (socket.readyState === WebSocket.OPEN) {
        send({ type: "reply", replyTo: frame.id, content: "", done: true });
      }
    }
  };
  let gone = false;
  socket.onclose = socket.onerror = ({ code }) => {
    // A dial that failed is told by `error` and `close`, or, before Node 24, by `error` alone.
    // refused: something must be changed first
    if (gone || refused || (code >= 4100 && code <= 4199)) return;
    gone = true;
    setTimeout(dial, wait * (0.5 + Math.random() / 2));
    wait = Math.min(wait * 2, 30_000);
  };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

dial();
