/** The admin pages and their tabs. They are loaded when an admin opens them. */
import type { ComponentType, JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ChannelsJson } from "../../wire/admin.ts";
import { usePage } from "../view/context.ts";
import { ApiKeysPage } from "./api_keys_page.tsx";
import { AuditPage } from "./audit_page.tsx";
import { BotTokensPage } from "./bot_tokens_page.tsx";
import { BotsPage } from "./bots_page.tsx";
import { BudgetsPage } from "./budgets_page.tsx";
import { ChatAppsPage } from "./chat_apps_page.tsx";
import { ConnectionsPage } from "./connections_page.tsx";
import { OverviewPage } from "./overview_page.tsx";
import { useAdminWords } from "./parts.tsx";
import { PeoplePage } from "./people_page.tsx";
import { TurnsPage } from "./turns_page.tsx";

/** The pages by their names in the address, in the order of the tabs. */
const PAGES = {
  overview: OverviewPage,
  connections: ConnectionsPage,
  bots: BotsPage,
  turns: TurnsPage,
  people: PeoplePage,
  keys: ApiKeysPage,
  tokens: BotTokensPage,
  budgets: BudgetsPage,
  apps: ChatAppsPage,
  audit: AuditPage,
} satisfies Record<string, ComponentType>;

const NAMES = Object.keys(PAGES) as (keyof typeof PAGES)[];

export function Admin({ place }: { place: string }): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const open = NAMES.find((name) => name === place) ?? "overview";
  const hasApps = useHasChatApps();
  const tabs = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // A phone does not show all tabs beside each other.
    tabs.current?.querySelector("[aria-selected=true]")?.scrollIntoView({
      block: "nearest",
      inline: "center",
    });
  }, [open, hasApps]);
  const OpenPage = PAGES[open];
  return (
    <div class="admin">
      <div class="admin-column">
        <div ref={tabs} class="tabs" role="tablist" aria-label={page.words.value.admin}>
          {NAMES.filter((name) => name !== "apps" || hasApps || open === "apps").map((name) => (
            <button
              key={name}
              type="button"
              role="tab"
              id={`tab-${name}`}
              aria-selected={name === open}
              aria-controls="admin-panel"
              onClick={() => page.go({ admin: name })}
            >
              {words[name]}
            </button>
          ))}
        </div>
        <div id="admin-panel" role="tabpanel" aria-labelledby={`tab-${open}`}>
          <OpenPage key={open} />
        </div>
      </div>
    </div>
  );
}

/** Whether a chat platform is configured: without one its tab is hidden. */
function useHasChatApps(): boolean {
  const page = usePage();
  const hasApps = useSignal(false);
  useEffect(() => {
    page.gateway.get<ChannelsJson>("/api/admin/channels").then(
      ({ apps, budgets }) => hasApps.value = apps.length + budgets.length > 0,
      () => {},
    );
  }, []);
  return hasApps.value;
}
