/**
 * This is the bots: the chip that says who answers next, the list to choose from, and the list that
 * opens with `@`.
 */
import type { JSX } from "preact";
import type { Signal } from "@preact/signals";
import { useEffect, useImperativeHandle, useRef, useState } from "preact/hooks";
import { type BotCard, sanitizeName } from "../bot_name.ts";
import type { Thread } from "../chat/thread.ts";
import type { Words } from "../words/words.ts";
import { usePage, useWords } from "./context.ts";
import { Icon } from "./icons.tsx";
import { BotName, botStateLabel, moveFocus, StateDot, useOutsideClick } from "./parts.tsx";

export function BotChoice({ target, open, onChoose, thread }: {
  target: string | undefined;
  open: Signal<boolean>;
  onChoose: (bot: BotCard | undefined) => void;
  thread: Thread;
}): JSX.Element {
  const { chat } = usePage();
  const words = useWords();
  const frame = useRef<HTMLDivElement>(null);
  const bots = chat.bots.value ?? [];
  const chosen = bots.find((bot) => bot.id === target);
  useOutsideClick(frame, open.value, () => open.value = false);
  useEffect(() => {
    if (open.value) frame.current?.querySelector<HTMLElement>("[aria-checked=true]")?.focus();
  }, [open.value]);
  const last = thread.path.value.findLast((turn) => turn.botId.value !== "")?.botId.value;
  const own = bots.find((bot) => bot.id === last);
  const shown = chosen ?? own;
  const name = target
    ? sanitizeName(chosen?.name ?? target)
    : own
    ? sanitizeName(own.name)
    : words.anyBot;
  const state = target && !chosen ? "away" : shown?.state ?? (bots.length > 0 ? "online" : "away");
  return (
    <div
      class="menu bot-choice"
      ref={frame}
      onKeyDown={(event) => {
        if (event.key === "Escape" && open.value) {
          event.stopPropagation();
          open.value = false;
          frame.current?.querySelector("button")?.focus();
        }
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
      {open.value && (
        <div
          class="menu-list up bot-list"
          role="menu"
          aria-label={words.chooseBot}
          onKeyDown={(event) => moveFocus(event, "[role=menuitemradio]")}
        >
          <button
            type="button"
            role="menuitemradio"
            aria-checked={!target}
            onClick={() => onChoose(undefined)}
          >
            <StateDot state={bots.length > 0 ? "online" : "away"} />
            <span class="bot-line">
              <span>{words.anyBotLong}</span>
              <span class="muted">
                {bots.length > 0 ? words.botsOnline(bots.length) : words.noBots}
              </span>
            </span>
          </button>
          {target && !chosen && (
            <button
              type="button"
              role="menuitemradio"
              aria-checked
              onClick={() => onChoose(undefined)}
            >
              <StateDot state="away" />
              <span class="bot-line">
                <BotName name={target} />
                <span class="muted">{words.botAway}</span>
              </span>
            </button>
          )}
          {bots.map((bot) => (
            <button
              key={bot.id}
              type="button"
              role="menuitemradio"
              aria-checked={bot.id === target}
              onClick={() => onChoose(bot)}
            >
              <BotLine bot={bot} words={words} />
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

/** A bot in one or two lines: name, state, load, what it can do. */
export function BotLine({ bot, words }: { bot: BotCard; words: Words }): JSX.Element {
  const can = (bot.capabilities ?? []).flatMap((word) =>
    Object.hasOwn(words.canDo, word) ? [words.canDo[word]!] : []
  );
  const parts = [
    botStateLabel(words, bot),
    bot.busy ? words.load(bot.busy, bot.maxConcurrent ?? null) : "",
    bot.pool ? words.pool(sanitizeName(bot.pool)) : "",
    ...can,
  ].filter(Boolean);
  return (
    <>
      <StateDot state={bot.state ?? "online"} />
      <span class="bot-line">
        <span>
          <BotName name={bot.name} />{" "}
          {bot.name !== bot.id && <bdi class="muted">@{sanitizeName(bot.id)}</bdi>}
        </span>
        {bot.description && <bdi class="bot-description">{cleanLine(bot.description)}</bdi>}
        <span class="muted">{parts.join(" · ")}</span>
      </span>
    </>
  );
}

function cleanLine(text: string): string {
  // deno-lint-ignore no-control-regex -- they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, " ").slice(0, 160);
}

/** The `@word` in which the caret stands, if it stands in one. */
export function mentionAt(
  text: string,
  caret: number,
): { from: number; query: string } | undefined {
  const match = /(?:^|\s)@([^\s@]{0,40})$/.exec(text.slice(0, caret));
  return match ? { from: caret - match[1]!.length - 1, query: match[1]! } : undefined;
}

/** The list over the composer while an `@word` is being typed. The focus stays in the text. */
export function MentionList({ bots, query, onChoose, control }: {
  bots: readonly BotCard[];
  query: string;
  onChoose: (bot: BotCard) => void;
  control: { current: { key(event: KeyboardEvent): boolean } | undefined };
}): JSX.Element | null {
  const words = useWords();
  const [at, setAt] = useState(0);
  const wanted = query.toLowerCase();
  const found = bots.filter((bot) =>
    bot.id.toLowerCase().includes(wanted) || bot.name.toLowerCase().includes(wanted)
  )
    .slice(0, 8);
  const chosen = Math.min(at, found.length - 1);
  useEffect(() => setAt(0), [query]);
  useImperativeHandle(control, () => ({
    key(event: KeyboardEvent) {
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
          <BotLine bot={bot} words={words} />
        </div>
      ))}
    </div>
  );
}
