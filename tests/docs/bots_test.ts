/** The figures about bots in docs/security.md and docs/protocol.md are those of the code. */
import assert from "node:assert/strict";
import { MAX_REGISTER } from "../../src/bots/wire/frame.ts";
import {
  DEFAULT_BOT_SERVER,
  MAX_BAD_FRAMES,
  MAX_UNREGISTERED,
} from "../../src/bots/server/settings.ts";
import { ANONYMOUS_LOG_RATE, PER_NETWORK_LOG_RATE } from "../../src/core/log_limiter.ts";
import type { Rate } from "../../src/core/rate_limiter.ts";

const security = await Deno.readTextFile(new URL("../../docs/security.md", import.meta.url));
const protocol = (await Deno.readTextFile(new URL("../../docs/protocol.md", import.meta.url)))
  .replace(
    /\s+/g,
    " ",
  );

function rate({ burst, every }: Rate): string {
  return `${burst.toLocaleString("en")}, then one in ${every / 1000} s`;
}

/** The row of a table that begins with these words has this figure. */
function row(begins: string, figure: string): void {
  const found = security.split("\n").find((line) => line.startsWith(`| ${begins}`));
  assert.ok(found?.includes(figure), `the row "${begins}" says ${figure}: ${found}`);
}

Deno.test("docs/security.md and docs/protocol.md say of bots' sockets what the code does", () => {
  const { registerTimeout, unregisteredPerAddress } = DEFAULT_BOT_SERVER;
  const { stranger, bot } = MAX_BAD_FRAMES;
  row("first frame of a bot", `${MAX_REGISTER >> 10} KiB, within ${registerTimeout / 1000} s`);
  row(
    "sockets that have not registered",
    `${unregisteredPerAddress} per address, ${MAX_UNREGISTERED.toLocaleString("en")} in all`,
  );
  row("frames that cannot be read, in a row", `${stranger} before registering, ${bot} after`);
  row("log lines about what is refused, of one network", rate(PER_NETWORK_LOG_RATE));
  row("the same of all networks together, in the log", rate(ANONYMOUS_LOG_RATE));
  assert.ok(protocol.includes(`Nexus after ${bot} in a row`));
});
