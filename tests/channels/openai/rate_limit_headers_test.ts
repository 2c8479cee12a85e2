import assert from "node:assert/strict";
import { duration } from "../../../src/channels/openai/rate_limit_headers.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import { withFace } from "./bench.ts";

Deno.test("durations are written as OpenAI writes them", () => {
  const cases: [ms: number, text: string][] = [
    [-5, "0s"],
    [1, "1s"],
    [59_000, "59s"],
    [60_000, "1m0s"],
    [61_500, "1m2s"],
    [3_600_000, "1h0m0s"],
    [86_399_000, "23h59m59s"],
  ];
  for (const [ms, text] of cases) assert.equal(duration(ms), text);
});

function rates({ headers }: Response): (string | null)[] {
  return ["limit", "remaining", "reset"].map((what) => headers.get(`x-ratelimit-${what}-requests`));
}

Deno.test("answers and refusals say what is left of a person's messages, of the bound that is nearest", async () => {
  // A minute begins at a multiple of 60,000 ms, and ten seconds of it are over.
  const clock = new ManualClock(60_000 * 28_333_333 + 10_000);
  await withFace([{}], async ({ chat }) => {
    for (const [left, stream] of [["1", false], ["0", true]] as const) {
      const response = await chat({ stream });
      await response.body?.cancel();
      assert.deepEqual(rates(response), ["2", left, "50s"]);
    }
    const refused = await chat();
    await refused.body?.cancel();
    assert.equal(refused.status, 429);
    assert.deepEqual(rates(refused), ["2", "0", "50s"]);
    assert.equal(refused.headers.get("retry-after"), "50");
  }, { clock, config: { limits: { messagesPerMinute: 2, messagesPerDay: 100 } } });
  await withFace([{}], async ({ chat }) => {
    const response = await chat();
    await response.body?.cancel();
    assert.deepEqual(rates(response), ["3", "2", "1h46m50s"]);
  }, { clock, config: { limits: { messagesPerMinute: 50, messagesPerDay: 3 } } });
});

Deno.test("where nothing bounds messages nothing is said of what is left", async () => {
  await withFace([{}], async ({ chat }) => {
    const response = await chat();
    await response.body?.cancel();
    assert.deepEqual(rates(response), [null, null, null]);
  });
});
