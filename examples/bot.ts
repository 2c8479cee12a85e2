/**
 * This is a bot in ten lines: it says back what it hears, word by word. `src/bots/client.ts` sees
 * to the rest: reconnecting, going on after a drop, stopping when the person does.
 *
 * ```sh
 * NEXUS_TOKEN=… deno run -A examples/bot.ts ws://127.0.0.1:17392/bot-ws
 * ```
 */
import { connect } from "../src/bots/client.ts";

connect({
  url: Deno.args[0] ?? Deno.env.get("NEXUS_URL") ?? "ws://127.0.0.1:17392/bot-ws",
  botId: Deno.env.get("NEXUS_BOT_ID") ?? "parrot",
  token: Deno.env.get("NEXUS_TOKEN"),
  async *answer(chat) {
    for (const word of chat.content.split(/(?<= )/)) yield word;
  },
});
