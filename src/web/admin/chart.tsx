/** Live charts: a line of the last two minutes with the newest value, and a bar of shares. */
import type { JSX } from "preact";

const [WIDTH, HEIGHT] = [320, 72];

export function Chart({ title, values, digits = 1 }: {
  title: string;
  /** Oldest first; `undefined` where nothing was measured. */
  values: readonly (number | undefined)[];
  digits?: number;
}): JSX.Element {
  const known = values.filter((value) => value !== undefined);
  const top = Math.max(...known, 0.001);
  const step = WIDTH / Math.max(values.length - 1, 1);
  const lines: string[] = [];
  let line: string[] = [];
  values.forEach((value, index) => {
    if (value !== undefined) {
      line.push(
        `${(index * step).toFixed(1)},${(HEIGHT - 2 - (value / top) * (HEIGHT - 8)).toFixed(1)}`,
      );
    } else if (line.length > 0) {
      lines.push(line.join(" "));
      line = [];
    }
  });
  if (line.length > 0) lines.push(line.join(" "));
  const newest = known.at(-1);
  return (
    <figure class="chart">
      <figcaption>
        <span>{title}</span>
        <strong class="tabular">{newest === undefined ? "–" : newest.toFixed(digits)}</strong>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <line x1="0" x2={WIDTH} y1={HEIGHT - 1} y2={HEIGHT - 1} />
        {lines.map((points, index) => <polyline key={index} points={points} />)}
      </svg>
    </figure>
  );
}

/** Shares of a whole as one bar, with a legend. */
export function Shares({ title, shares }: {
  title: string;
  shares: readonly { readonly name: string; readonly count: number; readonly kind: string }[];
}): JSX.Element {
  const sum = shares.reduce((total, { count }) => total + count, 0);
  let at = 0;
  return (
    <figure class="chart">
      <figcaption>
        <span>{title}</span>
        <strong class="tabular">{sum}</strong>
      </figcaption>
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" class="shares" aria-hidden="true">
        {shares.map(({ name, count, kind }) => {
          const x = at;
          const width = sum > 0 ? count / sum * 100 : 0;
          at += width;
          return <rect key={name} class={`share-${kind}`} x={x} width={width} height="8" />;
        })}
      </svg>
      <ul>
        {shares.map(({ name, count, kind }) => (
          <li key={name}>
            <span class={`key share-${kind}`} aria-hidden="true" />
            {name} <span class="tabular">{count}</span>
          </li>
        ))}
      </ul>
    </figure>
  );
}
