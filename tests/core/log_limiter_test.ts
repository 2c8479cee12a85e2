import assert from "node:assert/strict";
import { ManualClock } from "../../src/core/clock.ts";
import {
  ANONYMOUS_LOG_RATE,
  LogLimiter,
  PER_NETWORK_LOG_RATE,
} from "../../src/core/log_limiter.ts";
import type { GatewayEvent } from "../../src/core/observer.ts";

function rig() {
  const clock = new ManualClock();
  const told: GatewayEvent[] = [];
  const log = new LogLimiter({ tell: (one) => told.push(one) }, clock);
  const refuse = (address: string, n = 0) =>
    log.tell({ type: "bot_refused", bot: `made-up-${n}`, address, why: "no" });
  return { clock, told, log, refuse };
}

Deno.test("made-up bot ids write few lines for each network, and hide nothing of another", () => {
  const { clock, told, log, refuse } = rig();
  for (let n = 0; n < 4_000; n++) refuse("10.0.0.1", n);
  assert.equal(told.length, PER_NETWORK_LOG_RATE.burst);
  refuse("10.0.0.2");
  assert.equal(told.length, PER_NETWORK_LOG_RATE.burst + 1);
  clock.pass(PER_NETWORK_LOG_RATE.every);
  refuse("10.0.0.1");
  assert.equal(told.length, PER_NETWORK_LOG_RATE.burst + 2, "later there is room again");
  clock.pass(60_000);
  assert.deepEqual(told.at(-1), {
    type: "warning",
    what: `${
      4_000 - PER_NETWORK_LOG_RATE.burst
    } lines about what was refused are left out: too many at once`,
  });
  log.close();
  assert.equal(clock.waiting, 0);
});

Deno.test("many networks together have a bound, whatever is refused, and what is no refusal has none", () => {
  const { told, log } = rig();
  for (let n = 0; n < 3_000; n++) {
    const address = `10.${n >> 8}.${n & 255}.1`, why = "no";
    if (n % 3 === 0) log.tell({ type: "frame_refused", address, why });
    else if (n % 3 === 1) log.tell({ type: "sign_in_refused", name: "x", address, why });
    else log.tell({ type: "callback_refused", channel: "lark", app: "a", address, why });
  }
  assert.equal(told.length, ANONYMOUS_LOG_RATE.burst);
  for (let n = 0; n < 3_000; n++) log.tell({ type: "bot_left", bot: "b", why: "w" });
  assert.equal(told.length, ANONYMOUS_LOG_RATE.burst + 3_000);
  log.close();
  assert.match((told.at(-1) as { what: string }).what, /^2000 lines/);
});

Deno.test("chunks are passed on where anybody counts them", () => {
  let chunks = 0;
  const counting = new LogLimiter({ tell() {}, chunk: () => chunks++ }, new ManualClock());
  counting.chunk!(1, 2);
  assert.equal(chunks, 1);
  assert.equal(new LogLimiter({ tell() {} }, new ManualClock()).chunk, undefined);
});
