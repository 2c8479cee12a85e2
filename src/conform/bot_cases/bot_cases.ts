/**
 * The cases for a bot; the kit plays the gateway. The last ones reject the bot for good, so the
 * order matters.
 */
import { ANSWERS } from "./answers.ts";
import { CONCURRENCY } from "./concurrency.ts";
import { CONTENT } from "./content.ts";
import { DROPS } from "./drops.ts";
import { INPUT } from "./input.ts";
import { RECEIPTS } from "./receipts.ts";
import { REFUSAL } from "./refusal.ts";
import { REGISTRATION } from "./registration.ts";
import { VERSION_1 } from "./version_1.ts";
import type { BotCase } from "./steps.ts";

export const BOT_CASES: readonly BotCase[] = [
  ...REGISTRATION,
  ...ANSWERS,
  ...RECEIPTS,
  ...CONTENT,
  ...CONCURRENCY,
  ...INPUT,
  ...DROPS,
  ...VERSION_1,
  ...REFUSAL,
];
