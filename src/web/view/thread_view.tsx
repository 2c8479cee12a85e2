/**
 * This is the reading column: the turns of the open conversation, and a view that follows only
 * while the reader is at the end.
 */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Thread } from "../chat/thread.ts";
import type { PageTurn } from "../chat/turn.ts";
import { usePage, useWords } from "./context.ts";
import { Icon } from "./icons.tsx";
import { TurnView } from "./turn_view.tsx";

/** Pixels from the end that still count as being at the end. */
const NEAR = 60;

export function ThreadView({ thread, onEdit, onQuote }: {
  thread: Thread;
  onEdit: (turn: PageTurn) => void;
  onQuote: (text: string) => void;
}): JSX.Element {
  const page = usePage();
  const words = useWords();
  const scroller = useRef<HTMLDivElement>(null);
  const column = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const [away, setAway] = useState(false);
  const [news, setNews] = useState(false);
  const path = thread.path.value;
  const last = path.at(-1);

  const toEnd = () => {
    const element = scroller.current!;
    element.scrollTop = element.scrollHeight;
  };
  // The reader's place is the reader's: only who stands at the end is taken along.
  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => {
      if (atEnd.current) toEnd();
      else setNews(true);
    });
    observer.observe(column.current!);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    atEnd.current = true;
    setAway(false);
    setNews(false);
    toEnd();
  }, [thread]);
  // Who has just asked wants to see the answer, wherever the view was.
  const lastOwn = path.findLast((turn) => !turn.id.value)?.key;
  useLayoutEffect(() => {
    if (!lastOwn) return;
    atEnd.current = true;
    toEnd();
  }, [lastOwn]);
  // A search leads to a turn.
  const wanted = page.route.value.turn;
  useEffect(() => {
    if (wanted && thread.state.value === "ready") void reveal(wanted);
  }, [wanted, thread.state.value, thread]);
  const reveal = async (id: string) => {
    for (let pages = 0; pages < 40 && !thread.find(id) && thread.more.value; pages++) {
      await page.chat.loadEarlier(thread);
    }
    const turn = thread.find(id);
    if (!turn) return;
    thread.reveal(turn);
    atEnd.current = false;
    setTimeout(() => {
      const element = column.current?.querySelector<HTMLElement>(
        `[data-turn="${CSS.escape(turn.key)}"]`,
      );
      element?.scrollIntoView({ block: "center" });
      element?.classList.add("found");
      setTimeout(() => element?.classList.remove("found"), 2500);
    }, 60);
  };

  const touched = useRef(0);
  const onScroll = () => {
    const element = scroller.current!;
    const left = element.scrollHeight - element.scrollTop - element.clientHeight;
    // The view moves by itself when content above it gets its true height; only a person's hand
    // takes it off the end.
    if (left < NEAR) atEnd.current = true;
    else if (performance.now() - touched.current < 1200) atEnd.current = false;
    setAway(!atEnd.current && left > NEAR);
    if (atEnd.current) setNews(false);
    if (element.scrollTop < 600 && thread.more.value && !atEnd.current) void loadEarlier();
  };
  const loadEarlier = async () => {
    const element = scroller.current!;
    const before = element.scrollHeight - element.scrollTop;
    const first = thread.turns.value[0];
    await page.chat.loadEarlier(thread);
    if (thread.turns.value[0] === first) return;
    // What comes above must not push away what is being read.
    await new Promise(requestAnimationFrame);
    element.scrollTop = element.scrollHeight - before;
  };
  const touch = () => {
    touched.current = performance.now();
    // A wheel or a finger moves up: the very next growth must not pull the reader back.
  };

  const state = thread.state.value;
  return (
    <div class="thread">
      <div
        class="scroller"
        ref={scroller}
        onScroll={onScroll}
        onWheel={(event) => {
          touch();
          if (event.deltaY < 0) atEnd.current = false;
        }}
        onTouchMove={touch}
        onPointerDown={touch}
        onKeyDown={touch}
        tabIndex={-1}
        role="region"
        aria-label={words.conversations}
      >
        <div class="column" ref={column} role="log" aria-live="off">
          {thread.more.value && (
            <button type="button" class="button small earlier" onClick={loadEarlier}>
              {words.loadEarlier}
            </button>
          )}
          {state === "loading" && path.length === 0 && <p class="muted centre">{words.loading}</p>}
          {state === "failed" && (
            <p class="centre">
              {words.loadFailed}{" "}
              <button
                type="button"
                class="button small"
                onClick={() => void page.chat.reload(thread)}
              >
                {words.retry}
              </button>
            </p>
          )}
          {state === "gone" && (
            <p class="centre">
              {words.conversationGone}{" "}
              <button type="button" class="button small" onClick={() => page.go({})}>
                {words.newConversation}
              </button>
            </p>
          )}
          {path.map((turn) => (
            <TurnView
              key={turn.key}
              turn={turn}
              thread={thread}
              last={turn === last}
              onEdit={onEdit}
              onQuote={onQuote}
            />
          ))}
        </div>
      </div>
      {away && (
        <button
          type="button"
          class="to-end"
          onClick={() => {
            atEnd.current = true;
            setAway(false);
            toEnd();
          }}
        >
          <Icon name="down" size={16} />
          {news ? words.newText : words.toBottom}
        </button>
      )}
    </div>
  );
}
