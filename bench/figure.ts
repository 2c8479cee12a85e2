/**
 * This is one line of the table that the benchmark prints.
 */

export interface Figure {
  readonly row: string;
  readonly unit: string;
  readonly floor?: number;
  readonly gateway: number;
  readonly ratio?: number;
  /** In words; absent where the figure is only stated. */
  readonly target?: string;
  readonly reached?: boolean;
  /** Lowest and highest of the rounds, of the ratio where there is one. */
  readonly spread?: readonly [number, number];
  readonly note?: string;
}

export function heading(): string {
  return `${"work".padEnd(52)}${"floor".padStart(9)}${"gateway".padStart(9)}${
    "ratio".padStart(8)
  }  target`;
}

export function lineOf(
  { row, unit, floor, gateway, ratio, target, reached, spread, note }: Figure,
): string {
  const number = (value: number | undefined) =>
    value === undefined ? "" : value.toFixed(value < 100 ? 2 : 0);
  const range = spread ? ` [${number(spread[0])}–${number(spread[1])}]` : "";
  const verdict = target === undefined ? "stated" : `${target} ${reached ? "reached" : "MISSED"}`;
  return `${row.padEnd(52)}${number(floor).padStart(9)}${number(gateway).padStart(9)}${
    number(ratio).padStart(8)
  }` +
    `  ${verdict}${range}  ${unit}${note ? `  (${note})` : ""}`;
}
