/** How a turn ended where that is not simply `done`, what is missing, and what a person can do. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Thread } from "../chat/thread.ts";
import type { PageTurn } from "../chat/turn.ts";
import type { Words } from "../words/words.ts";
import { usePage, useWords } from "./context.ts";
import { Icon } from "./icons.tsx";

interface EndingProps {
  readonly turn: PageTurn;
  readonly thread: Thread;
}

export function TurnEnding(props: EndingProps): JSX.Element | null {
  const { turn } = props;
  const words = useWords();
  turn.content.value;
  switch (turn.state.value) {
    case "cancelled":
      return (
        <>
          <Gaps turn={turn} />
          <StopReceipt turn={turn} />
        </>
      );
    case "incomplete":
      return (
        <>
          <Gaps turn={turn} />
          <div class="ending warning" role="status">
            <p>{incompleteReason(turn, words)}</p>
            <RetryButton {...props} />
          </div>
        </>
      );
    case "failed":
      return <Failed {...props} />;
  }
  if (turn.gaps.length > 0) return <Gaps turn={turn} />;
  return turn.ended && turn.resumed.value
    ? <p class="ending muted" role="status">{words.resumed}</p>
    : null;
}

/** Characters that were lost. */
function Gaps({ turn }: { turn: PageTurn }): JSX.Element {
  const words = useWords();
  return (
    <>
      {turn.gaps.map((gap, index) => (
        <p key={index} class="ending warning">{words.gap(gap.length)}</p>
      ))}
    </>
  );
}

/** Whether the bot has confirmed the stop. Only the page that asked for it knows. */
function StopReceipt({ turn }: { turn: PageTurn }): JSX.Element | null {
  const words = useWords();
  const isConfirmed = turn.stopped.value;
  if (isConfirmed === undefined) return null;
  return (
    <p class="ending" role="status">
      {isConfirmed ? words.cancelledConfirmed : words.cancelledSilent}
    </p>
  );
}

function incompleteReason(turn: PageTurn, words: Words): string {
  switch (turn.code.value) {
    case "shutting_down":
      return words.incompleteRestart;
    case "reply_timeout":
      return words.incompleteTimeout;
    case "lost":
      return words.failedCode.lost!;
    default:
      return turn.errorText.value ?? words.incompleteText;
  }
}

function Failed(props: EndingProps): JSX.Element {
  const { turn } = props;
  const words = useWords();
  const reason = turn.errorText.value ?? words.failedCode[turn.code.value ?? ""] ??
    words.failedText;
  const retry = <RetryButton {...props} />;
  const seconds = turn.retryAfter.value;
  return (
    <div class="ending danger" role="alert">
      <p>{reason}</p>
      {seconds ? <RetryLater seconds={seconds}>{retry}</RetryLater> : retry}
    </div>
  );
}

function RetryButton({ turn, thread }: EndingProps): JSX.Element {
  const page = usePage();
  const words = useWords();
  return (
    <button
      type="button"
      class="button small"
      onClick={() => page.chat.sender.retry(thread, turn)}
    >
      <Icon name="again" size={16} />
      {words.retry}
    </button>
  );
}

/** Counts down, and shows its children when a retry makes sense. */
function RetryLater(
  { seconds, children }: { seconds: number; children: ComponentChildren },
): JSX.Element {
  const words = useWords();
  const [left, setLeft] = useState(Math.ceil(seconds));
  useEffect(() => {
    const timer = setInterval(() => setLeft((left) => Math.max(0, left - 1)), 1000);
    return () => clearInterval(timer);
  }, []);
  return left > 0 ? <span class="muted tabular">{words.retryIn(left)}</span> : <>{children}</>;
}
