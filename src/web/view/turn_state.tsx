/** The state of a running or ended turn, beside the bot's name. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { PageTurn, TurnState } from "../chat/turn.ts";
import type { Words } from "../words/words.ts";
import { useWords } from "./context.ts";
import { StateDot } from "./parts.tsx";

interface StateLabel {
  readonly dot: string;
  readonly text: (words: Words, turn: PageTurn) => string;
  /** A class for the colour. */
  readonly tone?: "warning" | "danger";
}

/** The states that have a label: one that is `done` has none. */
const LABELS: Readonly<Partial<Record<TurnState | "stopping" | "resuming", StateLabel>>> = {
  stopping: { dot: "waiting", text: (words) => words.stateStopping },
  resuming: { dot: "away", text: (words) => words.stateResuming },
  queued: { dot: "waiting", text: (words, turn) => words.stateQueued(turn.queuePosition.value) },
  sending: { dot: "waiting", text: (words) => words.stateSending },
  waiting: { dot: "waiting", text: (words) => words.stateWaiting },
  answering: { dot: "answering", text: (words) => words.stateAnswering },
  cancelled: { dot: "away", text: (words) => words.stateCancelled },
  incomplete: { dot: "warning", text: (words) => words.stateIncomplete, tone: "warning" },
  failed: { dot: "danger", text: (words) => words.stateFailed, tone: "danger" },
};

export function TurnStateLabel({ turn }: { turn: PageTurn }): JSX.Element | null {
  const words = useWords();
  const state = shownState(turn);
  const label = LABELS[state];
  if (!label) return null;
  return (
    <span
      class={`state ${label.tone ?? ""}`.trimEnd()}
      role={state === "queued" ? "status" : undefined}
    >
      <StateDot state={label.dot} />
      {label.text(words, turn)}
      {state === "waiting" && <Elapsed since={turn.at} />}
    </span>
  );
}

function shownState(turn: PageTurn): TurnState | "stopping" | "resuming" {
  if (turn.stopping.value) return "stopping";
  return turn.resuming.value && !turn.ended ? "resuming" : turn.state.value;
}

/** Seconds below this are not shown. */
const MIN_SECONDS = 3;

/** The seconds since a time. */
function Elapsed({ since }: { since: number }): JSX.Element | null {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.floor((now - since) / 1000);
  const words = useWords();
  return seconds >= MIN_SECONDS
    ? <span class="tabular muted">{words.tookSeconds(String(seconds))}</span>
    : null;
}
