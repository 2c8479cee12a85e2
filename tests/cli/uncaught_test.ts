import assert from "node:assert/strict";
import { logUncaught } from "../../src/cli/uncaught.ts";
import type { GatewayEvent } from "../../src/core/observer.ts";
import { until } from "../world.ts";

Deno.test("what nobody caught is logged, and what libraries write to the console does not go there by itself", async () => {
  const told: GatewayEvent[] = [];
  const own = console.warn;
  const stop = logUncaught({ tell: (happening) => told.push(happening) });
  try {
    void Promise.reject(new Error("nobody waits for it"));
    await until(() => told.length === 1, "the rejection");
    setTimeout(() => {
      throw new Error("in a timer");
    }, 0);
    await until(() => told.length === 2, "the error");
    console.warn("careful:", { reason: "x".repeat(10_000) });
  } finally {
    stop();
  }
  assert.deepEqual(
    told.map((one) => one.type === "fault" ? [one.where, String(one.error)] : [one.type]),
    [["unhandled rejection", "Error: nobody waits for it"], ["uncaught", "Error: in a timer"], [
      "warning",
    ]],
  );
  const { what } = told[2] as { what: string };
  assert.match(what, /^console: careful: \{\s+reason: "x/);
  assert.ok(what.length < 2_100);
  assert.equal(console.warn, own, "the console is given back");
});

Deno.test("a timer whose callback throws goes on", async () => {
  const told: GatewayEvent[] = [];
  const stop = logUncaught({ tell: (happening) => told.push(happening) });
  const timer = setInterval(() => {
    throw new Error("each time");
  }, 1);
  try {
    await until(() => told.length >= 3, "the third time");
  } finally {
    clearInterval(timer);
    stop();
  }
});
