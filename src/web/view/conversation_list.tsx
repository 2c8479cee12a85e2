/** The conversations in the sidebar, grouped by day. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ConversationJson } from "../../wire/chat.ts";
import { saveFile } from "../download.ts";
import type { Page } from "../page.ts";
import type { Words } from "../words/words.ts";
import { usePage, useWords } from "./context.ts";
import { Menu, type MenuItem, StateDot } from "./parts.tsx";

const DAY_MS = 24 * 3600 * 1000;

export function ConversationList({ onLeave }: { onLeave: () => void }): JSX.Element {
  const { chat } = usePage();
  const words = useWords();
  const cards = chat.conversations.visible.value;
  if (cards.length === 0) return <p class="muted sidebar-empty">{words.noConversations}</p>;
  return (
    <>
      {groupByDay(cards, words).map(([title, group]) => (
        <section key={title} aria-label={title}>
          <h3>{title}</h3>
          <ul>
            {group.map((card) => (
              <ConversationItem key={card.id} conversation={card} onLeave={onLeave} />
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

/** Conversations by the day of their last change; pinned ones first. */
function groupByDay(
  cards: readonly ConversationJson[],
  words: Words,
): [string, ConversationJson[]][] {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const named = new Map<string, ConversationJson[]>();
  for (const card of [...cards].sort((a, b) => b.updatedAt - a.updatedAt)) {
    const title = card.pinned ? words.pinned : dayLabel(card.updatedAt, midnight, words);
    const group = named.get(title);
    if (group) group.push(card);
    else named.set(title, [card]);
  }
  return [...named].sort(([a], [b]) => Number(b === words.pinned) - Number(a === words.pinned));
}

function dayLabel(at: number, midnight: number, words: Words): string {
  if (at >= midnight) return words.today;
  if (at >= midnight - DAY_MS) return words.yesterday;
  return at >= midnight - 6 * DAY_MS ? words.week : words.older;
}

interface ConversationItemProps {
  readonly conversation: ConversationJson;
  readonly onLeave: () => void;
}

function ConversationItem(props: ConversationItemProps): JSX.Element {
  const { conversation } = props;
  const { chat } = usePage();
  const [isRenaming, setRenaming] = useState(false);
  if (!isRenaming) return <ConversationLink {...props} onRename={() => setRenaming(true)} />;
  return (
    <RenameField
      conversation={conversation}
      onDone={(title) => {
        setRenaming(false);
        if (title) void chat.conversations.rename(conversation.id, title);
      }}
    />
  );
}

function ConversationLink(
  { conversation, onLeave, onRename }: ConversationItemProps & { readonly onRename: () => void },
): JSX.Element {
  const page = usePage();
  const words = useWords();
  const { id, running } = conversation;
  const title = conversation.title || words.untitled;
  const isOpen = page.chat.threads.open.value.id.value === id;
  const unread = page.chat.unread.counts.value[id] ?? 0;
  return (
    <li class={`conversation ${isOpen ? "open" : ""}`}>
      <a
        href={`#/c/${encodeURIComponent(id)}`}
        aria-current={isOpen ? "page" : undefined}
        onClick={onLeave}
        onDblClick={onRename}
      >
        <span class="conversation-title" dir="auto">{title}</span>
        {running && (
          <>
            <StateDot state="answering" />
            <span class="off-screen">{words.answeringNow}</span>
          </>
        )}
        {unread > 0 && (
          <span class="badge" aria-label={words.unread(unread)}>
            {unread > 99 ? "99+" : unread}
          </span>
        )}
      </a>
      <Menu
        label={words.conversationActions(title)}
        icon="more"
        items={actionsFor(conversation, page, onRename)}
      />
    </li>
  );
}

function actionsFor(
  conversation: ConversationJson,
  page: Page,
  onRename: () => void,
): readonly MenuItem[] {
  const words = page.words.value;
  const { conversations } = page.chat;
  const { id, pinned } = conversation;
  return [
    {
      label: pinned ? words.unpin : words.pin,
      icon: "pin",
      run: () => void conversations.pin(id, !pinned),
    },
    { label: words.rename, icon: "pen", run: onRename },
    {
      label: words.exportMarkdown,
      icon: "download",
      run: () => void exportConversation(conversation, page, "md"),
    },
    {
      label: words.exportJson,
      icon: "download",
      run: () => void exportConversation(conversation, page, "json"),
    },
    {
      label: words.remove,
      icon: "trash",
      danger: true,
      run: () => conversations.remove(conversation),
    },
  ];
}

async function exportConversation(
  { id, title }: ConversationJson,
  page: Page,
  format: "md" | "json",
): Promise<void> {
  const path = `/api/conversations/${encodeURIComponent(id)}/export?format=${format}`;
  const name = (title || page.words.value.untitled).replace(/[\\/:*?"<>|\s]+/g, " ").trim();
  try {
    saveFile(await page.gateway.blob(path), `${name.slice(0, 60) || "nexus"}.${format}`);
  } catch (error) {
    page.toast((error as Error).message);
  }
}

/** A field for the title. `onDone` gets the new title; `undefined`: it stays. */
function RenameField({ conversation, onDone }: {
  conversation: ConversationJson;
  onDone: (title: string | undefined) => void;
}): JSX.Element {
  const words = useWords();
  const field = useRef<HTMLInputElement>(null);
  const isDone = useRef(false);
  useEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, []);
  const finish = (title?: string) => {
    // Removing the field blurs it, which would finish it again.
    if (isDone.current) return;
    isDone.current = true;
    onDone(title && title !== conversation.title ? title : undefined);
  };
  return (
    <li class="conversation renaming">
      <input
        ref={field}
        aria-label={words.rename}
        defaultValue={conversation.title || words.untitled}
        maxLength={200}
        onBlur={(event) => finish(event.currentTarget.value.trim())}
        onKeyDown={(event) => {
          if (event.isComposing || event.keyCode === 229) return;
          if (event.key === "Enter") finish(event.currentTarget.value.trim());
          if (event.key === "Escape") {
            event.stopPropagation();
            finish();
          }
        }}
      />
    </li>
  );
}
