/** docs/performance.md names the benchmark's targets, and which of them its figures reach. */
import assert from "node:assert/strict";
import { rowsOf } from "../../bench/performance_page.ts";
import { RATIOS, START } from "../../bench/targets.ts";

const VERDICTS = { en: ["reached", "**missed**"], zh: ["达到", "**未达到**"] } as const;
const TARGETS: readonly number[] = [...Object.values(RATIOS), START];

for (const language of ["en", "zh"] as const) {
  Deno.test(`the performance page (${language}) says of each target whether its figure reaches it`, async () => {
    const [reached, missed] = VERDICTS[language];
    const rows = (await rowsOf(language)).filter((cells) => cells[4]?.startsWith("≤ "));
    for (const [work, , nexus, ratio, target] of rows) {
      const [, most, unit] = /^≤ ([\d.]+) (×|ms)/.exec(target!)!;
      const figure = parseFloat(unit === "×" ? ratio! : nexus!);
      assert.ok(TARGETS.includes(Number(most)), `${work}: no target of bench/targets.ts`);
      assert.ok(target!.endsWith(figure <= Number(most) ? reached : missed), `${work}: ${target}`);
    }
    assert.ok(rows.length >= 7);
  });
}
