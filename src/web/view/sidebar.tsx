/** This is the list of conversations: search, what was said lately, and who is signed in. */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ConversationCard } from "../chat/chat.ts";
import { sanitizeName } from "../bot_name.ts";
import type { Words } from "../words/words.ts";
import { usePage, useWords } from "./context.ts";
import { Icon, Mark } from "./icons.tsx";
import { IconButton, Menu, saveFile, StateDot } from "./parts.tsx";

export function Sidebar({ onLeave }: { onLeave: () => void }): JSX.Element {
  const page = usePage();
  const words = useWords();
  const { chat } = page;
  const query = useSignal("");
  const canSearch = chat.hasHistory.value === true;
  return (
    <nav class="sidebar" aria-label={words.conversations}>
      <header class="sidebar-head">
        <Mark size={22} />
        <span class="brand">Nexus</span>
        <IconButton
          icon="list"
          label={words.hideList}
          keys="Ctrl+B"
          onClick={() => page.showList(false)}
        />
      </header>
      <div class="sidebar-top">
        <button
          type="button"
          class="button wide new"
          onClick={() => {
            page.go({});
            onLeave();
          }}
        >
          <Icon name="pen" />
          {words.newConversation}
        </button>
        {canSearch && (
          <label class="search">
            <Icon name="search" size={16} />
            <input
              id="search"
              type="search"
              aria-label={words.search}
              placeholder={words.search}
              value={query.value}
              onInput={(event) => query.value = event.currentTarget.value}
              onKeyDown={(event) => {
                if (event.key === "Escape" && query.value) {
                  event.stopPropagation();
                  query.value = "";
                }
              }}
            />
          </label>
        )}
      </div>
      <div class="sidebar-list">
        {query.value.trim()
          ? <SearchResults query={query.value.trim()} onLeave={onLeave} />
          : <Conversations onLeave={onLeave} />}
      </div>
      <Foot />
    </nav>
  );
}

function Conversations({ onLeave }: { onLeave: () => void }): JSX.Element {
  const { chat } = usePage();
  const words = useWords();
  const cards = chat.visibleConversations.value;
  if (cards.length === 0) return <p class="muted sidebar-empty">{words.noConversations}</p>;
  return (
    <>
      {groups(cards, words).map(([title, group]) => (
        <section key={title} aria-label={title}>
          <h3>{title}</h3>
          <ul>
            {group.map((card) => <Card key={card.id} card={card} onLeave={onLeave} />)}
          </ul>
        </section>
      ))}
    </>
  );
}

function groups(cards: readonly ConversationCard[], words: Words): [string, ConversationCard[]][] {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const day = 24 * 3600 * 1000;
  const named = new Map<string, ConversationCard[]>();
  for (const card of [...cards].sort((a, b) => b.updatedAt - a.updatedAt)) {
    const title = card.pinned
      ? words.pinned
      : card.updatedAt >= midnight
      ? words.today
      : card.updatedAt >= midnight - day
      ? words.yesterday
      : card.updatedAt >= midnight - 6 * day
      ? words.week
      : words.older;
    const group = named.get(title);
    if (group) group.push(card);
    else named.set(title, [card]);
  }
  return [...named].sort(([a], [b]) => Number(b === words.pinned) - Number(a === words.pinned));
}

function Card({ card, onLeave }: { card: ConversationCard; onLeave: () => void }): JSX.Element {
  const page = usePage();
  const words = useWords();
  const { chat } = page;
  const renaming = useSignal(false);
  const field = useRef<HTMLInputElement>(null);
  const title = card.title || words.untitled;
  const open = chat.openThread.value.id.value === card.id;
  const unread = chat.unread.value[card.id] ?? 0;
  useEffect(() => {
    if (!renaming.value) return;
    field.current?.focus();
    field.current?.select();
  }, [renaming.value]);
  const rename = () => {
    if (!renaming.value) return;
    renaming.value = false;
    const name = field.current!.value.trim();
    if (name && name !== card.title) void chat.rename(card.id, name);
  };
  const save = async (format: "md" | "json") => {
    try {
      const blob = await page.gateway.blob(
        `/api/conversations/${encodeURIComponent(card.id)}/export?format=${format}`,
      );
      saveFile(
        blob,
        `${title.replace(/[\\/:*?"<>|\s]+/g, " ").trim().slice(0, 60) || "nexus"}.${format}`,
      );
    } catch (error) {
      page.toast((error as Error).message);
    }
  };
  if (renaming.value) {
    return (
      <li class="conversation renaming">
        <input
          ref={field}
          aria-label={words.rename}
          defaultValue={title}
          maxLength={200}
          onBlur={rename}
          onKeyDown={(event) => {
            if (event.isComposing || event.keyCode === 229) return;
            if (event.key === "Enter") rename();
            if (event.key === "Escape") {
              event.stopPropagation();
              renaming.value = false;
            }
          }}
        />
      </li>
    );
  }
  return (
    <li class={`conversation ${open ? "open" : ""}`}>
      <a
        href={`#/c/${encodeURIComponent(card.id)}`}
        aria-current={open ? "page" : undefined}
        onClick={onLeave}
        onDblClick={() => renaming.value = true}
      >
        <span class="conversation-title" dir="auto">{title}</span>
        {card.running && (
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
        items={[
          {
            label: card.pinned ? words.unpin : words.pin,
            icon: "pin",
            run: () => void chat.pin(card.id, !card.pinned),
          },
          { label: words.rename, icon: "pen", run: () => renaming.value = true },
          { label: words.exportMarkdown, icon: "download", run: () => void save("md") },
          { label: words.exportJson, icon: "download", run: () => void save("json") },
          { label: words.remove, icon: "trash", danger: true, run: () => chat.remove(card) },
        ]}
      />
    </li>
  );
}

interface Found {
  readonly conversationId: string;
  readonly turnId: string;
  readonly title: string;
  readonly snippet: string;
  readonly at: number;
}

function SearchResults({ query, onLeave }: { query: string; onLeave: () => void }): JSX.Element {
  const page = usePage();
  const words = useWords();
  const found = useSignal<readonly Found[] | undefined>(undefined);
  const error = useSignal("");
  useEffect(() => {
    let current = true;
    const timer = setTimeout(async () => {
      try {
        const { results } = await page.gateway.get<{ results: Found[] }>(
          `/api/search?q=${encodeURIComponent(query)}`,
        );
        if (!current) return;
        found.value = results;
        error.value = "";
        page.announce(
          results.length > 0 ? words.searchResults(results.length) : words.searchNothing(query),
        );
      } catch (failure) {
        if (current) error.value = (failure as Error).message;
      }
    }, 180);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [query]);
  if (error.value) return <p class="error sidebar-empty">{error.value}</p>;
  if (!found.value) return <p class="muted sidebar-empty">{words.loading}</p>;
  if (found.value.length === 0) {
    return <p class="muted sidebar-empty">{words.searchNothing(query)}</p>;
  }
  return (
    <ul class="found-list">
      {found.value.map((place) => (
        <li key={place.turnId}>
          <a
            href={`#/c/${encodeURIComponent(place.conversationId)}/${
              encodeURIComponent(place.turnId)
            }`}
            onClick={onLeave}
          >
            <span class="conversation-title" dir="auto">{place.title || words.untitled}</span>
            <span class="snippet" dir="auto">
              <Marked text={place.snippet} query={query} />
            </span>
          </a>
        </li>
      ))}
    </ul>
  );
}

/** The searched words stand out. */
function Marked({ text, query }: { text: string; query: string }): JSX.Element {
  const words = query.split(/\s+/).filter(Boolean).map((word) =>
    word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
  );
  const parts = text.split(new RegExp(`(${words.join("|")})`, "gi"));
  return <>{parts.map((part, index) => index % 2 === 1 ? <mark key={index}>{part}</mark> : part)}
  </>;
}

function Foot(): JSX.Element {
  const page = usePage();
  const words = useWords();
  const me = page.me.value;
  return (
    <footer class="sidebar-foot">
      <span class="who">
        <bdi>{sanitizeName(me?.displayName || me?.username || "")}</bdi>
      </span>
      {me?.role === "admin" && (
        <IconButton
          icon="chart"
          label={words.admin}
          onClick={() => page.go({ admin: "overview" })}
        />
      )}
      <IconButton
        icon="keyboard"
        label={words.shortcuts}
        keys="?"
        onClick={() => page.overlay.value = { kind: "shortcuts" }}
      />
      <IconButton
        icon="gear"
        label={words.settings}
        keys="Ctrl+,"
        onClick={() => page.overlay.value = { kind: "settings" }}
      />
      <IconButton icon="out" label={words.signOut} onClick={() => void page.signOut()} />
    </footer>
  );
}
