/** The figures about people in docs/security.md are those of the code. */
import assert from "node:assert/strict";
import { CODE_LIFETIME } from "../../src/channels/im/pairing.ts";
import { FLOW_LIFETIME_MS } from "../../src/channels/sign_in/flow.ts";
import { MAX_CONCURRENT_SIGN_INS } from "../../src/channels/sign_in/sign_in.ts";
import { RELOAD_INTERVAL_MS } from "../../src/core/people/accounts.ts";
import {
  ANONYMOUS_AUDIT_RATE,
  NETWORK_AUDIT_RATE,
  PERSON_AUDIT_RATE,
} from "../../src/core/people/audit_limiter.ts";
import type { Rate } from "../../src/core/rate_limiter.ts";
import { SECOND_PASS_DELAY_MS } from "../../src/core/people/offboarding.ts";
import {
  HASH_BOUNDS,
  MAX_CONCURRENT_HASHES,
  MAX_QUEUED_HASHES,
} from "../../src/core/people/password_hash.ts";
import { CODE_RATE } from "../../src/core/people/second_factor.ts";
import { DEFAULT_SESSION_MAX_AGE_MS } from "../../src/core/people/session.ts";
import { MAX_DISPLAY_NAME } from "../../src/core/people/identity.ts";
import {
  DEVICE_DAYS,
  KNOWN_NETWORKS,
  KNOWN_SIGN_IN_RATE,
  NAME_SIGN_IN_RATE,
  NETWORK_SIGN_IN_RATE,
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
  row("a network, whatever the name", rate(NETWORK_SIGN_IN_RATE));
  row(
    `a browser that signed in to this account in the last ${DEVICE_DAYS} days`,
    rate(KNOWN_SIGN_IN_RATE),
  );
  row(
    `a network from which this account was signed in to in the last ${KNOWN_NETWORKS.days} days`,
    rate(KNOWN_SIGN_IN_RATE),
  );
  row("all other networks together", rate(NAME_SIGN_IN_RATE));
  row("somebody who is signed in and confirms", rate(KNOWN_SIGN_IN_RATE));
  row("wrong one-time codes", rate(CODE_RATE));
  row("audit lines that one network causes", rate(NETWORK_AUDIT_RATE));
  row("audit lines of all such networks together", rate(ANONYMOUS_AUDIT_RATE));
  row("audit lines that a member can repeat", rate(PERSON_AUDIT_RATE));
  row("sign-ins that wait for a provider", `${MAX_CONCURRENT_SIGN_INS} codes at once`);
  row(
    `password hashes at once, of ${HASH_BOUNDS.memory / 1024} MiB`,
    `${MAX_CONCURRENT_HASHES}, with ${MAX_QUEUED_HASHES} waiting`,
  );
  for (
    const figure of [
      `for ${FLOW_LIFETIME_MS / 60_000} minutes and once`,
      `is good for ${CODE_LIFETIME / 60_000} minutes and once`,
      `up to ${KNOWN_NETWORKS.most} networks`,
      `at most ${MAX_CONCURRENT_SIGN_INS} are asked about at once`,
      `at most ${
        HASH_BOUNDS.memory / 1024
      } MiB of memory, ${HASH_BOUNDS.passes} passes and ${HASH_BOUNDS.lanes} lanes`,
      `notices within ${RELOAD_INTERVAL_MS / 1000} seconds`,
      `once more ${SECOND_PASS_DELAY_MS / 1000} seconds later`,
      `and ${DEFAULT_SESSION_MAX_AGE_MS / 86_400_000} days after it began`,
      `cut to ${MAX_DISPLAY_NAME} characters`,
    ]
  ) assert.ok(text.includes(figure), figure);
});
