/** The page put together: the sign-in, or the chat with its sidebar, and the overlays. */
import type { JSX } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { sanitizeName } from "../bot_name.ts";
import type { PageTurn } from "../chat/turn.ts";
import type { Page } from "../page.ts";
import { Composer } from "./composer.tsx";
import type { ComposerControl } from "./composer_state.ts";
import { usePage, useWords } from "./context.ts";
import { EmptyConversation } from "./empty_conversation.tsx";
import { Header } from "./header.tsx";
import { Lazy } from "./lazy.tsx";
import { Lightbox } from "./lightbox.tsx";
import { Shortcuts, Toasts } from "./overlays.tsx";
import { useMedia, useSwipe, useTitle } from "./page_hooks.ts";
import { Settings } from "./settings.tsx";
import { useShortcuts } from "./shortcuts.ts";
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

/** In a narrower window the list is a drawer over the conversation. */
const NARROW = "(max-width: 899px)";

type ComposerRef = { current: ComposerControl | undefined };

function Shell(): JSX.Element {
  const page = usePage();
  const words = useWords();
  const composer = useRef<ComposerControl>();
  const [isDrawerOpen, setDrawerOpen] = useState(false);
  const isNarrow = useMedia(NARROW);
  const closeDrawer = () => setDrawerOpen(false);
  useOpenConversation(page, composer);
  useTitle(page);
  useShortcuts(page, composer, isNarrow ? () => setDrawerOpen((open) => !open) : undefined);
  const swipe = useSwipe(() => isNarrow && setDrawerOpen(true), closeDrawer);
  const { isDropping, ...dropZone } = useDropZone((files) => {
    void composer.current?.addFiles(files);
  });
  const listShown = isNarrow ? isDrawerOpen : page.listShown.value;
  return (
    <div
      class={`shell ${listShown ? "with-list" : ""} ${isNarrow ? "narrow" : ""}`}
      {...dropZone}
      {...swipe}
    >
      <a
        class="skip"
        href="#composer"
        onClick={(event) => {
          event.preventDefault();
          composer.current?.focus();
        }}
      >
        {words.skipToComposer}
      </a>
      {isNarrow && isDrawerOpen && <div class="scrim" onClick={closeDrawer} />}
      {listShown && <Sidebar onLeave={closeDrawer} />}
      <main class="main">
        <ConnectionNote />
        <Header
          listShown={listShown}
          onList={() => isNarrow ? setDrawerOpen(true) : page.showList(true)}
        />
        <MainPane composer={composer} />
      </main>
      {isDropping && <div class="drop" aria-hidden="true">{words.dropImages}</div>}
      <Overlays />
    </div>
  );
}

/** An admin page, a new conversation or the open one, with the composer below. */
function MainPane({ composer }: { composer: ComposerRef }): JSX.Element {
  const page = usePage();
  const thread = page.chat.threads.open.value;
  // Stable functions: with new ones every turn would render again.
  const onEdit = useCallback((turn: PageTurn) => composer.current?.edit(turn), []);
  const onQuote = useCallback((text: string) => composer.current?.quote(text), []);
  const { admin, conversation } = page.route.value;
  const adminPage = page.me.value?.role === "admin" ? admin : undefined;
  const isEmpty = !conversation && thread.path.value.length === 0;
  return (
    <>
      {adminPage && <Lazy load={loadAdmin} props={{ place: adminPage }} />}
      {!adminPage && isEmpty && (
        <EmptyConversation onChoose={(id) => chooseBot(page, id, composer)} />
      )}
      {!adminPage && !isEmpty && <ThreadView thread={thread} onEdit={onEdit} onQuote={onQuote} />}
      <div class="composer-place" hidden={adminPage !== undefined}>
        <Composer thread={thread} control={composer} key={thread.id.value && "open"} />
      </div>
    </>
  );
}

const loadAdmin = () => import("../admin/admin.tsx").then(({ Admin }) => Admin);

/** Loads the conversation of the address, and marks it as read when the page becomes visible. */
function useOpenConversation(page: Page, composer: ComposerRef): void {
  const { chat } = page;
  const thread = chat.threads.open.value;
  const { conversation } = page.route.value;
  useEffect(() => {
    if (conversation) void chat.show(conversation);
    if (!matchMedia("(pointer: coarse)").matches) composer.current?.focus();
  }, [conversation]);
  useEffect(() => {
    const onVisible = () => {
      if (document.visibilityState === "visible") chat.unread.markRead(thread.id.value);
    };
    document.addEventListener("visibilitychange", onVisible);
    return () => document.removeEventListener("visibilitychange", onVisible);
  }, [thread]);
}

/** Handlers for files that are dragged onto the page. */
function useDropZone(onFiles: (files: readonly File[]) => void) {
  const [isDropping, setDropping] = useState(false);
  return {
    isDropping,
    onDragOver(event: DragEvent) {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setDropping(true);
    },
    onDragLeave(event: DragEvent) {
      if (!event.relatedTarget) setDropping(false);
    },
    onDrop(event: DragEvent) {
      event.preventDefault();
      setDropping(false);
      onFiles([...event.dataTransfer?.files ?? []]);
    },
  };
}

function chooseBot(page: Page, id: string, composer: ComposerRef): void {
  const bot = page.chat.bots.value?.find((bot) => bot.id === id);
  composer.current?.chooseBot(bot);
  if (bot) page.announce(page.words.value.answersNext(sanitizeName(bot.name)));
}

/** A lost connection is a thin line at the top, not a dialog. */
function ConnectionNote(): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  const state = page.chat.connection.value;
  if (state === "connected") return null;
  return (
    <p class={`connection-note ${state}`} role="status">
      {state === "offline" ? words.offlineLine : words.reconnecting}
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
