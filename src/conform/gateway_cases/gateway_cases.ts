/** The cases for a gateway; the kit plays bots, and a person where one is needed. */
import { ANSWERS } from "./answers.ts";
import { DROPS } from "./drops.ts";
import { INPUT } from "./input.ts";
import { RECEIPTS } from "./receipts.ts";
import { REGISTRATION } from "./registration.ts";
import { REQUESTS } from "./requests.ts";
import { SILENCE } from "./silence.ts";
import type { GatewayCase } from "./steps.ts";

export const GATEWAY_CASES: readonly GatewayCase[] = [
  ...REGISTRATION,
  ...ANSWERS,
  ...RECEIPTS,
  ...DROPS,
  ...REQUESTS,
  ...INPUT,
  ...SILENCE,
];
