/** The overview: what the gateway does now, with charts of the last two minutes. */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { GatewayStateJson, LimitsJson } from "../../wire/admin.ts";
import { usePage } from "../view/context.ts";
import { Chart, Shares } from "./chart.tsx";
import { type Figures, readMetrics } from "./metrics.ts";
import { ErrorNote, useAdminWords, usePolling } from "./parts.tsx";

/** Samples of a chart: two minutes. */
const MAX_SAMPLES = 60;
const SAMPLE_INTERVAL_MS = 2000;

/** What happened between two samples. */
interface Rate {
  readonly chunksPerSecond: number;
  /** The average time to the first chunk in seconds; `undefined` where no answer began. */
  readonly firstChunk: number | undefined;
}

export function OverviewPage(): JSX.Element {
  const words = useAdminWords();
  const { data, error } = usePolling(
    (page) => page.gateway.get<GatewayStateJson>("/api/admin/state"),
    SAMPLE_INTERVAL_MS,
  );
  const state = data.value;
  return (
    <>
      <ErrorNote text={error.value} />
      {state?.draining && <p class="ending warning">{words.draining}</p>}
      {state && <Counts state={state} />}
      {state && state.troubles.length > 0 && (
        <section>
          <h2>{words.troubles}</h2>
          <ul>
            {state.troubles.map((trouble) => (
              <li key={trouble} class="ending warning">{trouble}</li>
            ))}
          </ul>
        </section>
      )}
      <Charts />
      {state && <Limits limits={state.limits} />}
    </>
  );
}

function Counts({ state }: { state: GatewayStateJson }): JSX.Element {
  const words = useAdminWords();
  const counts = [
    [words.bots, state.bots],
    [words.answering, state.answering],
    [words.waiting, state.waiting],
    [words.people, state.people],
    [words.sessions, state.sessions],
  ] as const;
  return (
    <dl class="figures">
      {counts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class="tabular">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Charts(): JSX.Element | null {
  const words = useAdminWords();
  const { rates, newest } = useMetrics();
  if (!newest) return null;
  return (
    <div class="charts">
      <Chart title={words.chunks} values={rates.map((rate) => rate.chunksPerSecond)} />
      <Chart
        title={words.firstChunk}
        values={repeatLast(rates.map((rate) => rate.firstChunk))}
        digits={2}
      />
      <Shares
        title={words.endings}
        shares={Object.entries(newest.endings).map(([kind, count]) => ({
          name: words.statuses[kind]!,
          count,
          kind,
        }))}
      />
    </div>
  );
}

/** Samples `/metrics` while the page is visible. Stops where the metrics need a token. */
function useMetrics(): { rates: readonly Rate[]; newest: Figures | undefined } {
  const page = usePage();
  const rates = useSignal<readonly Rate[]>([]);
  const newest = useSignal<Figures | undefined>(undefined);
  useEffect(() => {
    let before: { at: number; figures: Figures } | undefined;
    const sample = async () => {
      let figures: Figures;
      try {
        figures = readMetrics(await (await page.gateway.blob("/metrics")).text());
      } catch {
        return clearInterval(timer);
      }
      const at = performance.now();
      if (before) {
        const rate = rateOf(before.figures, figures, (at - before.at) / 1000);
        rates.value = [...rates.value.slice(1 - MAX_SAMPLES), rate];
      }
      before = { at, figures };
      newest.value = figures;
    };
    const timer = setInterval(
      () => document.visibilityState === "visible" && void sample(),
      SAMPLE_INTERVAL_MS,
    );
    void sample();
    return () => clearInterval(timer);
  }, []);
  return { rates: rates.value, newest: newest.value };
}

function rateOf(before: Figures, now: Figures, seconds: number): Rate {
  const answers = now.firstCount - before.firstCount;
  return {
    chunksPerSecond: Math.max(0, now.chunks - before.chunks) / seconds,
    firstChunk: answers > 0 ? (now.firstSum - before.firstSum) / answers : undefined,
  };
}

/** A sample without a value repeats the one before it. */
function repeatLast(values: readonly (number | undefined)[]): (number | undefined)[] {
  let last: number | undefined;
  return values.map((value) => last = value ?? last);
}

function Limits({ limits }: { limits: LimitsJson }): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const known = Object.entries(limits).filter(([name]) => Object.hasOwn(words.limit, name));
  return (
    <section>
      <h2>{words.limits}</h2>
      {known.length === 0 ? <p class="muted">{words.noLimits}</p> : (
        <ul class="plain">
          {known.map(([name, value]) => (
            <li key={name}>
              <strong class="tabular">{value?.toLocaleString(page.words.value.locale)}</strong>{" "}
              {words.limit[name]}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
