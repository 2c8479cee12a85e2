/** Reads the figures of the charts from the gateway's Prometheus metrics. */

export interface Figures {
  readonly chunks: number;
  readonly firstSum: number;
  readonly firstCount: number;
  readonly endings: Readonly<Record<string, number>>;
}

export function readMetrics(text: string): Figures {
  let [chunks, firstSum, firstCount] = [0, 0, 0];
  const endings: Record<string, number> = { done: 0, incomplete: 0, failed: 0, cancelled: 0 };
  for (const line of text.split("\n")) {
    // linear: it begins at the line's beginning, and what follows the labels holds no space.
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!match) continue;
    const [, name, labels = "", value] = match;
    const number = Number(value);
    if (name === "nexus_chunks_total") chunks = number;
    else if (name === "nexus_first_chunk_seconds_sum") firstSum = number;
    else if (name === "nexus_first_chunk_seconds_count") firstCount = number;
    else if (name === "nexus_turns_total") {
      // linear: what it goes on to is the end of the word.
      const status = /status="(\w+)"/.exec(labels)?.[1];
      if (status && Object.hasOwn(endings, status)) endings[status]! += number;
    }
  }
  return { chunks, firstSum, firstCount, endings };
}
