/** This is the page put together: sign-in or the three zones, and what stands in front of them. */
import type { JSX } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { sanitizeName } from "../bot_name.ts";
import type { Page } from "../page.ts";
import type { PageTurn } from "../chat/turn.ts";
import { Composer, type ComposerControl } from "./composer.tsx";
import { usePage, useWords } from "./context.ts";
import { EmptyConversation } from "./empty_conversation.tsx";
import { Lazy } from "./lazy.tsx";
import { Lightbox, Shortcuts, Toasts } from "./overlays.tsx";
import { BotName, botStateLabel, copyText, IconButton, StateDot } from "./parts.tsx";
import { Settings } from "./settings.tsx";
import { Sidebar } from "./sidebar.tsx";
import { SignIn } from "./sign_in.tsx";
import { ThreadView } from "./thread_view.tsx";

export function App(): JSX.Element {
  const page = usePage();
  const words = useWords();
  const me = page.me.value;
  return (
    <>
      {me === undefined && page.unreachable.value && (
        <p class="splash" role="status">{words.unreachable} {words.reconnecting}</p>
      )}
      {me === null && <SignIn />}
      {me && <Shell />}
      <Toasts />
      <p class="off-screen" role="status" aria-live="polite">{page.announcement.value}</p>
    </>
  );
}

/** Under this the list is a drawer over the conversation. */
const NARROW = "(max-width: 899px)";

function Shell(): JSX.Element {
  const page = usePage();
  const words = useWords();
  const { chat } = page;
  const control = useRef<ComposerControl>();
  const [drawer, setDrawer] = useState(false);
  const [dropping, setDropping] = useState(false);
  const narrow = useMedia(NARROW);
  const thread = chat.openThread.value;
  const conversation = page.route.value.conversation;

  useEffect(() => {
    if (conversation) void chat.show(conversation);
    if (!matchMedia("(pointer: coarse)").matches) control.current?.focus();
  }, [conversation]);
  useTitle(page);
  useShortcuts(page, control, narrow ? () => setDrawer((open) => !open) : undefined);
  useEffect(() => {
    const seen = () =>
      document.visibilityState === "visible" && thread.id.value && chat.markRead(thread.id.value);
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, [thread]);
  const swipe = useSwipe(() => narrow && setDrawer(true), () => setDrawer(false));

  // The same functions each time, or every turn would be drawn again with the frame.
  const onEdit = useCallback((turn: PageTurn) => control.current?.edit(turn), []);
  const onQuote = useCallback((text: string) => control.current?.quote(text), []);
  const adminPlace = page.me.value?.role === "admin" ? page.route.value.admin : undefined;
  const empty = !conversation && thread.path.value.length === 0;
  const listShown = narrow ? drawer : page.listShown.value;
  return (
    <div
      class={`shell ${listShown ? "with-list" : ""} ${narrow ? "narrow" : ""}`}
      onDragOver={(event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        setDropping(true);
      }}
      onDragLeave={(event) => {
        if (!event.relatedTarget) setDropping(false);
      }}
      onDrop={(event) => {
        event.preventDefault();
        setDropping(false);
        control.current?.addFiles([...event.dataTransfer?.files ?? []]);
      }}
      {...swipe}
    >
      <a
        class="skip"
        href="#composer"
        onClick={(event) => {
          event.preventDefault();
          control.current?.focus();
        }}
      >
        {words.skipToComposer}
      </a>
      {narrow && drawer && <div class="scrim" onClick={() => setDrawer(false)} />}
      {listShown && <Sidebar onLeave={() => setDrawer(false)} />}
      <main class="main">
        <LineNote />
        <Head
          listShown={listShown}
          onList={() => narrow ? setDrawer(true) : page.showList(true)}
        />
        {adminPlace
          ? <Lazy load={loadAdmin} props={{ place: adminPlace }} />
          : empty
          ? <EmptyConversation onChoose={(id) => chooseBot(page, id, control)} />
          : (
            <ThreadView
              thread={thread}
              onEdit={onEdit}
              onQuote={onQuote}
            />
          )}
        <div class="composer-place" hidden={adminPlace !== undefined}>
          <Composer thread={thread} control={control} key={thread.id.value && "open"} />
        </div>
      </main>
      {dropping && <div class="drop" aria-hidden="true">{words.dropImages}</div>}
      <Overlays />
    </div>
  );
}

const loadAdmin = () => import("../admin/admin.tsx").then(({ Admin }) => Admin);

function chooseBot(
  page: Page,
  id: string,
  control: { current: ComposerControl | undefined },
): void {
  control.current?.setTarget(id);
  control.current?.focus();
  const bot = page.chat.bots.value?.find((bot) => bot.id === id);
  if (bot) page.announce(page.words.value.answersNext(sanitizeName(bot.name)));
}

function Head({ listShown, onList }: { listShown: boolean; onList: () => void }): JSX.Element {
  const page = usePage();
  const words = useWords();
  const { chat } = page;
  const thread = chat.openThread.value;
  const id = thread.id.value;
  const card = chat.conversations.value.find((card) => card.id === id);
  const botId = thread.path.value.findLast((turn) => turn.botId.value !== "")?.botId.value ??
    card?.botId;
  const bot = chat.bots.value?.find((bot) => bot.id === botId);
  const first = thread.path.value[0]?.question.text ?? "";
  const title = id || thread.path.value.length > 0
    ? card?.title || first.slice(0, 80) || words.untitled
    : words.newConversation;
  if (page.route.value.admin && page.me.value?.role === "admin") {
    return <AdminHead listShown={listShown} onList={onList} />;
  }
  const others = Object.values(chat.unread.value).reduce((sum, count) => sum + count, 0);
  return (
    <header class="head">
      {!listShown && (
        <span class="with-badge">
          <IconButton icon="list" label={words.showList} keys="Ctrl+B" onClick={onList} />
          {others > 0 && <span class="badge" aria-label={words.unread(others)}>{others}</span>}
        </span>
      )}
      <h1 dir="auto">{title}</h1>
      <span class="head-bot">
        {bot
          ? (
            <>
              <StateDot state={bot.state ?? "online"} />
              <BotName name={bot.name} />
              <span class="muted">{botStateLabel(words, bot)}</span>
            </>
          )
          : botId
          ? (
            <>
              <StateDot state="away" />
              <BotName name={botId} />
              <span class="muted">{words.botAway}</span>
            </>
          )
          : chat.bots.value && (
            <>
              <StateDot state={chat.bots.value.length > 0 ? "online" : "away"} />
              <span class="muted">
                {chat.bots.value.length > 0
                  ? words.botsOnline(chat.bots.value.length)
                  : words.noBots}
              </span>
            </>
          )}
      </span>
      {!listShown && (
        <IconButton
          icon="pen"
          label={words.newConversation}
          keys="Alt+N"
          onClick={() => page.go({})}
        />
      )}
    </header>
  );
}

function AdminHead({ listShown, onList }: { listShown: boolean; onList: () => void }): JSX.Element {
  const page = usePage();
  const words = useWords();
  return (
    <header class="head">
      {!listShown && (
        <IconButton icon="list" label={words.showList} keys="Ctrl+B" onClick={onList} />
      )}
      <h1>{words.admin}</h1>
      <button type="button" class="button small" onClick={() => page.go({})}>
        {words.backToChat}
      </button>
    </header>
  );
}

/** Offline and reconnecting are a thin line on top, not a dialog. */
function LineNote(): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  const line = page.chat.connection.value;
  if (line === "good") return null;
  return (
    <p class={`line-note ${line}`} role="status">
      {line === "away" ? words.offlineLine : words.reconnecting}
    </p>
  );
}

function Overlays(): JSX.Element | null {
  const page = usePage();
  const overlay = page.overlay.value;
  const close = () => page.overlay.value = undefined;
  switch (overlay?.kind) {
    case "settings":
      return <Settings onClose={close} />;
    case "shortcuts":
      return <Shortcuts onClose={close} />;
    case "image":
      return <Lightbox images={overlay.images} index={overlay.index} onClose={close} />;
    default:
      return null;
  }
}

function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const look = () => setMatches(list.matches);
    list.addEventListener("change", look);
    return () => list.removeEventListener("change", look);
  }, [query]);
  return matches;
}

/** The window's title tells the conversation, and how much is new elsewhere. */
function useTitle(page: Page): void {
  const id = page.chat.openThread.value.id.value;
  const card = page.chat.conversations.value.find((card) => card.id === id);
  const count = Object.values(page.chat.unread.value).reduce((sum, each) => sum + each, 0);
  useEffect(() => {
    document.title = `${count > 0 ? `(${count}) ` : ""}${
      card?.title ? `${card.title} · ` : ""
    }Nexus`;
  }, [card?.title, count]);
}

function useShortcuts(
  page: Page,
  control: { current: ComposerControl | undefined },
  toggleDrawer: (() => void) | undefined,
): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing || page.overlay.value) return;
      const command = event.ctrlKey || event.metaKey;
      const writing = (event.target as HTMLElement).closest("input, textarea, [contenteditable]");
      const act = (run: () => void) => {
        event.preventDefault();
        run();
      };
      if (command && event.key === "k") return act(() => focusSearch(page));
      if (command && event.key === "b") {
        return act(() => toggleDrawer ? toggleDrawer() : page.showList(!page.listShown.value));
      }
      if (command && event.key === ",") return act(() => page.overlay.value = { kind: "settings" });
      if (command && event.key === "/") return act(() => control.current?.chooseBot());
      if (
        command && event.shiftKey && event.key.toLowerCase() === "c" && !getSelection()?.toString()
      ) {
        return act(() => void copyLast(page));
      }
      if (event.altKey && event.code === "KeyN") return act(() => page.go({}));
      if (command || event.altKey || writing) return;
      if (event.key === "?") return act(() => page.overlay.value = { kind: "shortcuts" });
      if (event.key === "/") return act(() => control.current?.focus());
      if (event.key === "Escape") {
        const running = page.chat.openThread.value.path.value.findLast((turn) => !turn.ended);
        if (running) return act(() => void page.chat.stop(running));
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [toggleDrawer !== undefined]);
}

function focusSearch(page: Page): void {
  if (!document.querySelector("#search")) page.showList(true);
  setTimeout(() => document.querySelector<HTMLElement>("#search")?.focus());
}

async function copyLast(page: Page): Promise<void> {
  const answer = page.chat.openThread.value.path.value.findLast((turn) => turn.text !== "");
  const words = page.words.value;
  if (answer) page.toast(await copyText(answer.text) ? words.copied : words.copyFailed);
}

/** A finger from the left edge opens the list, one to the left closes it. */
function useSwipe(open: () => void, close: () => void) {
  const start = useRef<{ x: number; y: number }>();
  return {
    onTouchStart: (event: TouchEvent) => {
      const touch = event.touches[0]!;
      start.current = { x: touch.clientX, y: touch.clientY };
    },
    onTouchEnd: (event: TouchEvent) => {
      const touch = event.changedTouches[0]!;
      const from = start.current;
      if (!from || Math.abs(touch.clientY - from.y) > 60) return;
      if (from.x < 32 && touch.clientX - from.x > 60) open();
      if (from.x - touch.clientX > 80) close();
    },
  };
}
