/** The answer of a turn: who answers, the reply as it grows, and its end. */
import type { JSX } from "preact";
import type { Words } from "../words/words.ts";
import { usePage, useWords } from "./context.ts";
import { CopyButton } from "./copy_button.tsx";
import { BotName, IconButton, StateDot } from "./parts.tsx";
import { ReplyImages } from "./reply_images.tsx";
import { Reasoning, ReplyText } from "./reply_text.tsx";
import { TurnEnding } from "./turn_ending.tsx";
import type { TurnProps } from "./turn_props.ts";
import { TurnStateLabel } from "./turn_state.tsx";

export function AnswerView(props: TurnProps): JSX.Element | null {
  const { turn, thread } = props;
  const words = useWords();
  const state = turn.state.value;
  if (state === "offline") return null;
  if (state === "sending" && !turn.botName.value) {
    return (
      <div class="answer">
        <p class="answer-head">
          <StateDot state="waiting" />
          {words.stateSending}
        </p>
      </div>
    );
  }
  const at = new Date(turn.at);
  return (
    <div class="answer">
      <p class="answer-head">
        <BotName name={turn.botName.value || turn.botId.value || words.bot} />
        <time dateTime={at.toISOString()} title={at.toLocaleString(words.locale)}>
          {formatTime(at, words)}
        </time>
        <TurnStateLabel turn={turn} />
      </p>
      <Reasoning turn={turn} />
      <ReplyText turn={turn} />
      <ReplyImages turn={turn} />
      <TurnEnding turn={turn} thread={thread} />
      {turn.ended && turn.text !== "" && <AnswerActions {...props} />}
    </div>
  );
}

function AnswerActions({ turn, thread, onQuote }: TurnProps): JSX.Element {
  const page = usePage();
  const words = useWords();
  const { text, images } = turn.question;
  return (
    <div class="actions">
      <CopyButton text={() => turn.text} />
      <IconButton
        icon="quote"
        size={16}
        label={words.quote}
        onClick={() => onQuote(selectedText(turn.key) || turn.text)}
      />
      {!turn.pushed && turn.id.value && (
        <IconButton
          icon="again"
          size={16}
          label={words.again}
          onClick={() => page.chat.sender.send(thread, { text, images, versionOf: turn })}
        />
      )}
    </div>
  );
}

/** The text that is selected in a turn. */
function selectedText(key: string): string {
  const selection = getSelection();
  const inside = selection?.anchorNode?.parentElement?.closest(`[data-turn="${CSS.escape(key)}"]`);
  return inside ? selection!.toString() : "";
}

/** The time of day; with the date, unless it is today. */
function formatTime(at: Date, words: Words): string {
  const isToday = at.toDateString() === new Date().toDateString();
  return at.toLocaleString(words.locale, {
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
    ...(isToday ? {} : { month: "short", day: "numeric" }),
  });
}
