/** A person's API keys: creating and revoking them. */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { ApiKeyJson } from "../../wire/account.ts";
import { sanitizeName } from "../bot_name.ts";
import { usePage, useWords } from "../view/context.ts";
import { NewApiKey } from "./new_api_key.tsx";
import { useAccountWords } from "./parts.tsx";

export function ApiKeys(): JSX.Element | null {
  const page = usePage();
  const words = useAccountWords();
  const { locale } = useWords();
  const keys = useSignal<readonly ApiKeyJson[] | undefined>(undefined);
  const making = useSignal(false);
  const load = async () => {
    try {
      keys.value = (await page.gateway.get<{ keys: ApiKeyJson[] }>("/api/keys")).keys;
    } catch {
      // A gateway that does not tell has none to show.
      keys.value = undefined;
    }
  };
  useEffect(() => void load(), []);
  if (!keys.value) return null;
  const revoke = async (key: ApiKeyJson) => {
    if (!confirm(words.revokeSure(key.name))) return;
    try {
      await page.gateway.delete(`/api/keys/${encodeURIComponent(key.id)}`);
      page.toast(words.keyRevoked(key.name));
    } catch (error) {
      page.toast((error as Error).message);
    }
    await load();
  };
  const day = (at: number) => new Date(at).toLocaleDateString(locale);
  return (
    <section class="keys-of">
      <h3>{words.keys}</h3>
      <div class="setting">
        <span class="muted">{words.keysHint}</span>
        {!making.value && (
          <button
            type="button"
            class="button small"
            onClick={() => making.value = true}
          >
            {words.makeKey}
          </button>
        )}
      </div>
      {making.value && <NewApiKey onClose={() => making.value = false} onMade={load} />}
      <ul class="sessions">
        {keys.value.map((key) => (
          <li key={key.id} class="setting">
            <span>
              <bdi>{key.name}</bdi> <code>{key.begins}…</code>
              <small class="muted">
                {[
                  key.scopes.join(", "),
                  key.bots && key.bots.map(sanitizeName).join(", "),
                  key.lastUsedAt
                    ? words.keyUsed(new Date(key.lastUsedAt).toLocaleString(locale))
                    : words.keyUnused,
                  key.expiresAt && words.keyUntil(day(key.expiresAt)),
                ].filter(Boolean).join(" · ")}
              </small>
            </span>
            <button type="button" class="button small danger" onClick={() => void revoke(key)}>
              {words.revoke}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
