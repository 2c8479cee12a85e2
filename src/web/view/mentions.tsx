/** Choosing a bot by typing `@` and a part of its name. */
import type { JSX } from "preact";
import { useEffect, useImperativeHandle, useState } from "preact/hooks";
import type { BotJson } from "../../wire/chat.ts";
import { BotSummary } from "./bot_summary.tsx";
import { useWords } from "./context.ts";

/** An `@word` in a text. */
export interface Mention {
  /** The index of the `@`. */
  readonly from: number;
  /** The letters after the `@`. */
  readonly query: string;
}

/** The keys that the list takes from the text field. */
export interface MentionListControl {
  /** Returns whether the list has used the key. */
  onKey(event: KeyboardEvent): boolean;
}

/** Bots in the list. */
const MAX_BOTS = 8;

/** Returns the `@word` that ends at the caret, if there is one. */
export function mentionAt(text: string, caret: number): Mention | undefined {
  const match = /(?:^|\s)@([^\s@]{0,40})$/.exec(text.slice(0, caret));
  return match ? { from: caret - match[1]!.length - 1, query: match[1]! } : undefined;
}

/** The list above the composer while an `@word` is typed. The focus stays in the text field. */
export function MentionList({ bots, query, onChoose, control }: {
  bots: readonly BotJson[];
  query: string;
  onChoose: (bot: BotJson) => void;
  control: { current: MentionListControl | undefined };
}): JSX.Element | null {
  const words = useWords();
  const [at, setAt] = useState(0);
  const wanted = query.toLowerCase();
  const found = bots.filter(({ id, name }) =>
    id.toLowerCase().includes(wanted) || name.toLowerCase().includes(wanted)
  ).slice(0, MAX_BOTS);
  const chosen = Math.min(at, found.length - 1);
  useEffect(() => setAt(0), [query]);
  useImperativeHandle(control, () => ({
    onKey(event: KeyboardEvent) {
      if (found.length === 0) return false;
      if (event.key === "ArrowDown") setAt((chosen + 1) % found.length);
      else if (event.key === "ArrowUp") setAt((chosen - 1 + found.length) % found.length);
      else if (event.key === "Enter" || event.key === "Tab") onChoose(found[chosen]!);
      else return false;
      return true;
    },
  }));
  if (found.length === 0) return null;
  return (
    <div id="mention-list" class="mention-list" role="listbox" aria-label={words.chooseBot}>
      {found.map((bot, index) => (
        <div
          key={bot.id}
          role="option"
          aria-selected={index === chosen}
          onPointerDown={(event) => {
            event.preventDefault();
            onChoose(bot);
          }}
        >
          <BotSummary bot={bot} />
        </div>
      ))}
    </div>
  );
}
