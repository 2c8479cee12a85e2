/**
 * This is a bot that does on demand what the conformance kit asks for (the directives of
 * `docs/protocol.md`), and echoes the rest: a subject for the kit's own tests, and a model for bots
 * that want to be tested.
 *
 * ```sh
 * nexus conform -- deno run -A examples/conform_bot.ts
 * ```
 */
import { type Bot, type Chat, connect, type Reply } from "../src/bots/client.ts";

const PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** Answers one question; `bot` is asked for when something is to be pushed. */
export async function answer(chat: Chat, reply: Reply, bot: () => Bot): Promise<void> {
  const [, directive, rest = ""] = /^\/conform (\S+)(?: ([^]*))?$/.exec(chat.content) ?? [];
  const [first = 0, second = 0] = rest.split(" ").map(Number);
  switch (directive) {
    case "echo":
      return reply.done(rest);
    case "words":
      for (let n = 1; n <= first && !reply.signal.aborted; n++) {
        if (n > 1 && second > 0) await pause(second);
        if (!reply.write(`w${n} `)) await reply.drain();
      }
      return reply.done();
    case "big":
      for (let left = first; left > 0; left -= 5000) {
        if (!reply.write("x".repeat(Math.min(5000, left)))) await reply.drain();
      }
      return reply.done();
    case "count-images":
      return reply.done(String(chat.images?.length ?? (chat.image ? 1 : 0)));
    case "image":
      reply.image(PIXEL);
      return reply.done();
    case "kinds":
      reply.reasoning("Let me think.");
      reply.tool({ name: "look", phase: "start" });
      return reply.done("kinds");
    case "fail":
      return reply.fail("It was asked to fail.");
    case "push": {
      const { success } = await bot().push({ to: `user:${chat.userId}`, content: "pushed" });
      return reply.done(String(success));
    }
    default:
      return reply.done(`You said: ${chat.content}`);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

if (import.meta.main) {
  const bot = connect({
    url: Deno.env.get("NEXUS_URL") ?? "ws://127.0.0.1:17392/bot-ws",
    botId: Deno.env.get("NEXUS_BOT_ID") ?? "conform-bot",
    token: Deno.env.get("NEXUS_TOKEN"),
    answer: (chat, reply) => answer(chat, reply, () => bot),
  });
}
