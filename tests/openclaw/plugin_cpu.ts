/**
 * A program for Node that measures what the plugin itself costs: it is a bot made of the plugin's
 * own path of a token, the answer and the line, and feeds it as OpenClaw does, with the whole
 * message so far at every delta. After each answer it prints the number of the answer and the CPU
 * milliseconds for 1,000 tokens, less those of a loop that only waits and adds.
 */
import process from "node:process";
import { AnswerStream } from "../../plugin/src/answer.ts";
import { connect } from "../../src/bots/client.ts";
import { longText, pieces } from "./fake_model.ts";

const DELTAS = 1500;
const [url = "", token] = process.argv.slice(2);
const deltas = pieces(longText(12_000), DELTAS);

connect({
  url,
  botId: "cpu",
  token,
  async answer(chat, reply) {
    const nothing = await feed(() => {});
    const answer = new AnswerStream(reply);
    const all = await feed((text) => answer.partial(text));
    console.log(`${chat.content} ${(all - nothing) / DELTAS * 1000}`);
  },
});

/** CPU milliseconds of a stream of deltas, one each millisecond or so. */
async function feed(take: (text: string) => void): Promise<number> {
  const before = process.cpuUsage();
  let text = "";
  for (const delta of deltas) {
    text += delta;
    take(text);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
