/** The figures about people in docs/security.md are those of the code. */
import assert from "node:assert/strict";
import { CODE_LIFETIME } from "../../src/channels/im/pairing.ts";
import { FLOW_LIFETIME } from "../../src/channels/sign_in/flow.ts";
import { FINISHING } from "../../src/channels/sign_in/sign_in.ts";
import { LOOK } from "../../src/core/people/account.ts";
import {
  PER_NETWORK_LINES,
  PER_PERSON_LINES,
  STRANGERS_LINES,
} from "../../src/core/people/audit_bound.ts";
import type { Rate } from "../../src/core/rate_limiter.ts";
import { AGAIN } from "../../src/core/people/offboarding.ts";
import { HASH_BOUNDS, HASHES_AT_ONCE, HASHES_WAITING } from "../../src/core/people/secret.ts";
import { PER_FACTOR } from "../../src/core/people/second_factor.ts";
import { SESSION_MAX_AGE } from "../../src/core/people/session.ts";
import { NAME_LENGTH } from "../../src/core/people/identity.ts";
import {
  DEVICE_DAYS,
  NETWORKS,
  PER_KNOWN,
  PER_NAME,
  PER_NETWORK,
} from "../../src/core/people/sign_in_limits.ts";

const page = await Deno.readTextFile(new URL("../../docs/security.md", import.meta.url));
/** The page as one line, so that a figure may stand at the end of one. */
const text = page.replace(/\s+/g, " ");

function rate({ burst, every }: Rate): string {
  return `${burst.toLocaleString("en")}, then one in ${every / 1000} s`;
}

/** The row of a table that begins with these words has this figure. */
function row(begins: string, figure: string): void {
  const found = page.split("\n").find((line) => line.startsWith(`| ${begins}`));
  assert.ok(found?.includes(figure), `the row "${begins}" says ${figure}: ${found}`);
}

Deno.test("docs/security.md says of tries, hashes, lifetimes and audit lines what the code does", () => {
  row("a network, whatever the name", rate(PER_NETWORK));
  row(`a browser that signed in to this account in the last ${DEVICE_DAYS} days`, rate(PER_KNOWN));
  row(
    `a network from which this account was signed in to in the last ${NETWORKS.days} days`,
    rate(PER_KNOWN),
  );
  row("all other networks together", rate(PER_NAME));
  row("somebody who is signed in and confirms", rate(PER_KNOWN));
  row("wrong one-time codes", rate(PER_FACTOR));
  row("audit lines that one network causes", rate(PER_NETWORK_LINES));
  row("audit lines of all such networks together", rate(STRANGERS_LINES));
  row("audit lines that a member can repeat", rate(PER_PERSON_LINES));
  row("sign-ins that wait for a provider", `${FINISHING} codes at once`);
  row(
    `password hashes at once, of ${HASH_BOUNDS.memory / 1024} MiB`,
    `${HASHES_AT_ONCE}, with ${HASHES_WAITING} waiting`,
  );
  for (
    const figure of [
      `for ${FLOW_LIFETIME / 60_000} minutes and once`,
      `is good for ${CODE_LIFETIME / 60_000} minutes and once`,
      `up to ${NETWORKS.most} networks`,
      `at most ${FINISHING} are asked about at once`,
      `at most ${
        HASH_BOUNDS.memory / 1024
      } MiB of memory, ${HASH_BOUNDS.passes} passes and ${HASH_BOUNDS.lanes} lanes`,
      `notices within ${LOOK / 1000} seconds`,
      `once more ${AGAIN / 1000} seconds later`,
      `and ${SESSION_MAX_AGE / 86_400_000} days after it began`,
      `cut to ${NAME_LENGTH} characters`,
    ]
  ) assert.ok(text.includes(figure), figure);
});
