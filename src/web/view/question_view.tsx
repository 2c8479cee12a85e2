/** The question of a turn, its versions, and whether it was sent. */
import type { JSX } from "preact";
import { untracked, useComputed } from "@preact/signals";
import { usePage, useWords } from "./context.ts";
import { CopyButton } from "./copy_button.tsx";
import { ImageGrid } from "./reply_images.tsx";
import { IconButton, StateDot } from "./parts.tsx";
import type { TurnProps } from "./turn_props.ts";

export function QuestionView({ turn, thread, onEdit }: TurnProps): JSX.Element {
  const page = usePage();
  const words = useWords();
  // A text that seldom changes: of five hundred questions only those that got another version are
  // drawn again.
  const place = useComputed(() => {
    const versions = thread.versions(turn);
    return `${versions.indexOf(turn)}/${versions.length}`;
  }).value;
  const at = Number(place.split("/")[0]);
  const versions = untracked(() => thread.versions(turn));
  return (
    <div class="question">
      <span class="off-screen">{words.said(words.you)}:</span>
      <ImageGrid images={turn.question.images} />
      {turn.question.text && <div class="question-text" dir="auto">{turn.question.text}</div>}
      <div class="actions">
        {versions.length > 1 && (
          <span class="versions" role="group" aria-label={words.branch(at + 1, versions.length)}>
            <IconButton
              icon="left"
              size={16}
              label={words.earlier}
              disabled={at === 0}
              onClick={() =>
                thread.choose(versions[at - 1]!)}
            />
            <span class="tabular">{at + 1}/{versions.length}</span>
            <IconButton
              icon="right"
              size={16}
              label={words.later}
              disabled={at === versions.length - 1}
              onClick={() =>
                thread.choose(versions[at + 1]!)}
            />
          </span>
        )}
        {turn.question.text && <CopyButton text={() => turn.question.text} />}
        {turn.ended && turn.id.value && (
          <IconButton
            icon="pen"
            size={16}
            label={words.edit}
            onClick={() => onEdit(turn)}
          />
        )}
      </div>
      {turn.state.value === "offline" && (
        <p class="question-state" role="status">
          <StateDot state="away" />
          {words.stateOffline}
          <button type="button" class="link" onClick={() => page.retrySleeper.wake()}>
            {words.retry}
          </button>
          <button type="button" class="link" onClick={() => void page.chat.sender.stop(turn)}>
            {words.cancel}
          </button>
        </p>
      )}
    </div>
  );
}
