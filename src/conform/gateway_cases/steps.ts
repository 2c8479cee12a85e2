/** Steps and texts that several of the gateway cases share. */
import { shouldReconnect } from "../../bots/wire/frame.ts";
import { type ConformCase, expect, preview } from "../case.ts";
import type { BotStage } from "../bot_stage.ts";
import type { KitBot } from "../kit_bot.ts";

export type GatewayCase = ConformCase<BotStage>;

export const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const ODD =
  "naïve “quotes” \\ / \n\n\ttab, data: x\n\nevent: y, 日本語, עברית, 👩‍👩‍👧‍👦, </script>";
/** Beyond the 100 ms of the rule: what a busy machine may add. */
export const SLACK_MS = 400;

export const V2 = { protocol: 2 };

/** Sends numbered deltas, the last one done. */
export function sendReply(bot: KitBot, id: string, parts: readonly string[], from = 1): void {
  parts.forEach((content, index) => {
    bot.reply(id, content, { seq: from + index, done: index === parts.length - 1 });
  });
}

export async function isDone(
  question: { outcome(): Promise<string>; text: string },
  text: string,
): Promise<void> {
  const outcome = await question.outcome();
  expect(
    question.text === text,
    `the person read ${preview(question.text)} instead of ${preview(text)}`,
  );
  expect(outcome === "done", `the person got ${outcome}`);
}

/** A bot that was refused: `success: false`, and a code that says not to come back. */
export async function isRefused(kitBot: KitBot): Promise<string> {
  await kitBot.until(() => kitBot.all("registered").length > 0 || kitBot.closed, "an answer");
  const [registered] = kitBot.all("registered");
  expect(registered?.success !== true, "it was taken in");
  const code = await kitBot.closeCode();
  expect(!shouldReconnect(code), `the close code was ${code}, which says: come back`);
  return `${registered ? preview(registered.error) : "no answer"}, closed with ${code}`;
}

/** The gateway is still there for others. */
export async function isAlive(stage: BotStage): Promise<void> {
  const bot = await stage.bot();
  await bot.close();
}
