/** The button that shows which bot answers next, and the menu to choose another. */
import type { ComponentChildren, JSX } from "preact";
import type { Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { BotJson } from "../../wire/chat.ts";
import { sanitizeName } from "../bot_name.ts";
import type { Thread } from "../chat/thread.ts";
import type { Words } from "../words/words.ts";
import { BotSummary } from "./bot_summary.tsx";
import { usePage, useWords } from "./context.ts";
import { Icon } from "./icons.tsx";
import { BotName, moveFocus, StateDot, useOutsideClick } from "./parts.tsx";

export function BotMenu({ target, open, onChoose, thread }: {
  target: string | undefined;
  open: Signal<boolean>;
  onChoose: (bot: BotJson | undefined) => void;
  thread: Thread;
}): JSX.Element {
  const { chat } = usePage();
  const words = useWords();
  const frame = useRef<HTMLDivElement>(null);
  const bots = chat.bots.value ?? [];
  useOutsideClick(frame, open.value, () => open.value = false);
  useEffect(() => {
    if (open.value) frame.current?.querySelector<HTMLElement>("[aria-checked=true]")?.focus();
  }, [open.value]);
  const last = thread.path.value.findLast((turn) => turn.botId.value !== "")?.botId.value;
  const { name, state } = nextBot(bots, target, last, words);
  return (
    <div
      class="menu bot-choice"
      ref={frame}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !open.value) return;
        event.stopPropagation();
        open.value = false;
        frame.current?.querySelector("button")?.focus();
      }}
    >
      <button
        type="button"
        class="chip"
        aria-haspopup="menu"
        aria-expanded={open.value}
        aria-label={`${words.chooseBot}. ${words.answersNext(name)}`}
        onClick={() => open.value = !open.value}
      >
        <StateDot state={state} />
        <bdi>{name}</bdi>
        <Icon name="chevron" size={14} />
      </button>
      {open.value && <BotMenuList bots={bots} target={target} onChoose={onChoose} />}
    </div>
  );
}

/**
 * The name and the state on the button: of the chosen bot, else of the bot that answered last, else
 * of any.
 */
function nextBot(
  bots: readonly BotJson[],
  target: string | undefined,
  last: string | undefined,
  words: Words,
): { name: string; state: string } {
  const bot = bots.find(({ id }) => id === (target ?? last));
  if (bot) return { name: sanitizeName(bot.name), state: bot.state ?? "online" };
  if (target) return { name: sanitizeName(target), state: "away" };
  return { name: words.anyBot, state: bots.length > 0 ? "online" : "away" };
}

function BotMenuList({ bots, target, onChoose }: {
  bots: readonly BotJson[];
  target: string | undefined;
  onChoose: (bot: BotJson | undefined) => void;
}): JSX.Element {
  const words = useWords();
  const isAway = target !== undefined && !bots.some(({ id }) => id === target);
  return (
    <div
      class="menu-list up bot-list"
      role="menu"
      aria-label={words.chooseBot}
      onKeyDown={(event) => moveFocus(event, "[role=menuitemradio]")}
    >
      <BotMenuItem checked={!target} onClick={() => onChoose(undefined)}>
        <StateDot state={bots.length > 0 ? "online" : "away"} />
        <span class="bot-line">
          <span>{words.anyBotLong}</span>
          <span class="muted">
            {bots.length > 0 ? words.botsOnline(bots.length) : words.noBots}
          </span>
        </span>
      </BotMenuItem>
      {isAway && (
        <BotMenuItem checked onClick={() => onChoose(undefined)}>
          <StateDot state="away" />
          <span class="bot-line">
            <BotName name={target} />
            <span class="muted">{words.botAway}</span>
          </span>
        </BotMenuItem>
      )}
      {bots.map((bot) => (
        <BotMenuItem
          key={bot.id}
          checked={bot.id === target}
          onClick={() => onChoose(bot)}
        >
          <BotSummary bot={bot} />
        </BotMenuItem>
      ))}
    </div>
  );
}

function BotMenuItem({ checked, onClick, children }: {
  checked: boolean;
  onClick: () => void;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <button type="button" role="menuitemradio" aria-checked={checked} onClick={onClick}>
      {children}
    </button>
  );
}
