/** The open conversation: its turns in a column that follows the answer. */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo } from "preact/hooks";
import type { Thread } from "../chat/thread.ts";
import type { PageTurn } from "../chat/turn.ts";
import type { Page } from "../page.ts";
import { usePage, useWords } from "./context.ts";
import { Icon } from "./icons.tsx";
import { ReaderScroll } from "./reader_scroll.ts";
import { TurnView } from "./turn_view.tsx";

/** Pages of earlier turns that are loaded to reach a turn that was searched for. */
const MAX_REVEAL_PAGES = 40;

interface ThreadViewProps {
  readonly thread: Thread;
  readonly onEdit: (turn: PageTurn) => void;
  readonly onQuote: (text: string) => void;
}

export function ThreadView(props: ThreadViewProps): JSX.Element {
  const { thread } = props;
  const page = usePage();
  const words = useWords();
  const scroll = useReaderScroll(page, thread);
  const loadEarlier = () =>
    scroll.holdPosition(async () => {
      const first = thread.turns.value[0];
      await page.chat.threads.loadEarlier(thread);
      return thread.turns.value[0] !== first;
    });
  return (
    <div class="thread">
      <div
        class="scroller"
        ref={(element) => {
          if (element) scroll.scroller = element;
        }}
        onScroll={() => {
          if (scroll.onScroll() && thread.more.value) void loadEarlier();
        }}
        onWheel={(event) => scroll.wheel(event.deltaY)}
        onTouchMove={() => scroll.touch()}
        onPointerDown={() => scroll.touch()}
        onKeyDown={() => scroll.touch()}
        tabIndex={-1}
        role="region"
        aria-label={words.conversations}
      >
        <div
          class="column"
          ref={(element) => {
            if (element) scroll.column = element;
          }}
          role="log"
          aria-live="off"
        >
          {thread.more.value && (
            <button
              type="button"
              class="button small earlier"
              onClick={() => void loadEarlier()}
            >
              {words.loadEarlier}
            </button>
          )}
          <ThreadNote thread={thread} />
          <Turns {...props} />
        </div>
      </div>
      <ToEnd scroll={scroll} />
    </div>
  );
}

function useReaderScroll(page: Page, thread: Thread): ReaderScroll {
  const scroll = useMemo(() => new ReaderScroll(), []);
  useLayoutEffect(() => scroll.observe(), []);
  useLayoutEffect(() => scroll.followEnd(), [thread]);
  // A person who has just sent a message wants to see the answer.
  const lastSent = thread.path.value.findLast((turn) => !turn.id.value)?.key;
  useLayoutEffect(() => {
    if (lastSent) scroll.followEnd();
  }, [lastSent]);
  const wanted = page.route.value.turn;
  useEffect(() => {
    if (wanted && thread.state.value === "ready") void reveal(page, thread, wanted, scroll);
  }, [wanted, thread.state.value, thread]);
  return scroll;
}

/** Loads earlier turns until the wanted one is there, and scrolls to it. */
async function reveal(page: Page, thread: Thread, id: string, scroll: ReaderScroll) {
  for (let at = 0; at < MAX_REVEAL_PAGES && !thread.find(id) && thread.more.value; at++) {
    await page.chat.threads.loadEarlier(thread);
  }
  const turn = thread.find(id);
  if (!turn) return;
  thread.reveal(turn);
  scroll.reveal(turn.key);
}

function Turns({ thread, onEdit, onQuote }: ThreadViewProps): JSX.Element {
  const path = thread.path.value;
  const last = path.at(-1);
  return (
    <>
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
    </>
  );
}

/** The state of a conversation that is not loaded. */
function ThreadNote({ thread }: { thread: Thread }): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  switch (thread.state.value) {
    case "loading":
      return thread.path.value.length === 0 ? <p class="muted centre">{words.loading}</p> : null;
    case "failed":
      return (
        <p class="centre">
          {words.loadFailed}{" "}
          <button
            type="button"
            class="button small"
            onClick={() => void page.chat.threads.load(thread)}
          >
            {words.retry}
          </button>
        </p>
      );
    case "gone":
      return (
        <p class="centre">
          {words.conversationGone}{" "}
          <button type="button" class="button small" onClick={() => page.go({})}>
            {words.newConversation}
          </button>
        </p>
      );
    default:
      return null;
  }
}

function ToEnd({ scroll }: { scroll: ReaderScroll }): JSX.Element | null {
  const words = useWords();
  if (!scroll.isAway.value) return null;
  return (
    <button type="button" class="to-end" onClick={() => scroll.followEnd()}>
      <Icon name="down" size={16} />
      {scroll.hasNews.value ? words.newText : words.toBottom}
    </button>
  );
}
