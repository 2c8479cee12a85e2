/** The sidebar: search, the list of conversations, and who is signed in. */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { sanitizeName } from "../bot_name.ts";
import { usePage, useWords } from "./context.ts";
import { Icon, Mark } from "./icons.tsx";
import { ConversationList } from "./conversation_list.tsx";
import { IconButton } from "./parts.tsx";
import { SearchResults } from "./search_results.tsx";

export function Sidebar({ onLeave }: { onLeave: () => void }): JSX.Element {
  const page = usePage();
  const words = useWords();
  const { chat } = page;
  const query = useSignal("");
  const canSearch = chat.conversations.hasHistory.value === true;
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
          : <ConversationList onLeave={onLeave} />}
      </div>
      <SidebarFoot />
    </nav>
  );
}

function SidebarFoot(): JSX.Element {
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
