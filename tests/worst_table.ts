/**
 * This is `deno task worst`: every reader of text from outside, its worst input, and for how long
 * that holds the event loop.
 */
import { held } from "./worst.ts";
import { COMMON, type Reader, READERS, SIZE } from "./worst_cases.ts";

/** Milliseconds of CPU for which one input may hold the event loop. */
export const MOST = 50;

export interface Row {
  readonly reader: string;
  readonly input: string;
  /** UTF-16 units. */
  readonly size: number;
  /** Milliseconds of CPU. */
  readonly ms: number;
}

/**
 * What each input costs a reader, the worst first. One above `bound` is tried again: a noisy
 * machine is not a slow reader.
 */
export function longestOf(
  { name, make = String, read, inputs = {}, most = SIZE * 2 }: Reader,
  bound: number,
): Row[] {
  const rows: Row[] = [];
  for (const [input, whole] of Object.entries({ ...COMMON, ...inputs })) {
    const text = whole.slice(0, most);
    const given = make(text);
    const once = () => held(() => attempt(read, given), 2);
    let ms = once();
    for (let tries = 0; ms > bound && tries < 3; tries++) ms = Math.min(ms, once());
    rows.push({ reader: name, input, size: text.length, ms });
  }
  return rows.sort((a, b) => b.ms - a.ms);
}

function attempt(read: Reader["read"], input: unknown): void {
  try {
    read(input);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
}

if (import.meta.main) {
  console.log("| reader | worst input | units | held, ms of CPU |\n| --- | --- | ---: | ---: |");
  for (const reader of READERS) {
    const [{ input, size, ms }] = longestOf(reader, MOST) as [Row];
    console.log(
      `| ${reader.name} | ${input.replaceAll("|", "\\|")} | ${size} | ${ms.toFixed(1)} |`,
    );
  }
}
