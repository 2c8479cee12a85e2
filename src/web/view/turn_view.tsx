/** A turn on the screen: the question and its answer. */
import type { JSX } from "preact";
import { memo } from "preact/compat";
import { AnswerView } from "./answer_view.tsx";
import { QuestionView } from "./question_view.tsx";
import type { TurnProps } from "./turn_props.ts";

export const TurnView = memo(function TurnView(props: TurnProps): JSX.Element {
  const { turn, last } = props;
  return (
    <article
      class={`turn ${last ? "last" : ""}`}
      data-turn={turn.key}
      data-state={turn.state.value}
    >
      {!turn.pushed && <QuestionView {...props} />}
      <AnswerView {...props} />
    </article>
  );
});
