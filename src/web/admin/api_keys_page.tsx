/** The API keys of all people: an admin revokes any of them, and creates own ones. */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import type { ApiKeyJson } from "../../wire/account.ts";
import { NewApiKey } from "../account/new_api_key.tsx";
import { sanitizeName } from "../bot_name.ts";
import { usePage } from "../view/context.ts";
import { fetchPeople, MAX_PEOPLE } from "./people_usage.ts";
import {
  ErrorNote,
  Table,
  toastFailure,
  useAdminWords,
  useDateFormat,
  usePolling,
} from "./parts.tsx";

const REFRESH_MS = 15_000;

type OwnedKey = ApiKeyJson & { readonly personId: string };

export function ApiKeysPage(): JSX.Element {
  const words = useAdminWords();
  const making = useSignal(false);
  const { data, error, refresh } = usePolling(async (page) => {
    const people = await fetchPeople(page);
    const all: OwnedKey[] = [];
    for (const { id } of people.slice(0, MAX_PEOPLE)) {
      const { keys } = await page.gateway.get<{ keys: ApiKeyJson[] }>(
        `/api/admin/people/${encodeURIComponent(id)}/keys`,
      );
      all.push(...keys.map((key) => ({ ...key, personId: id })));
    }
    return {
      keys: all.sort((a, b) => b.createdAt - a.createdAt),
      more: people.length > MAX_PEOPLE,
    };
  }, REFRESH_MS);
  return (
    <>
      {making.value
        ? <NewApiKey onClose={() => making.value = false} onMade={refresh} />
        : (
          <div class="row end">
            <button type="button" class="button primary" onClick={() => making.value = true}>
              {words.makeKey}
            </button>
          </div>
        )}
      <ErrorNote text={error.value} />
      <Table
        label={words.keys}
        head={[
          words.person,
          words.name,
          words.scopes,
          words.bots,
          words.made,
          words.used,
          words.until,
          "",
        ]}
        empty={!data.value?.keys.length}
      >
        {data.value?.keys.map((key) => <KeyRow key={key.id} owned={key} onRevoked={refresh} />)}
      </Table>
      {data.value?.more && <p class="muted">{words.firstPeople(MAX_PEOPLE)}</p>}
    </>
  );
}

function KeyRow({ owned: key, onRevoked }: {
  owned: OwnedKey;
  onRevoked: () => Promise<void>;
}): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const formatDate = useDateFormat();
  const revoke = async () => {
    const { personId, id, name } = key;
    if (!confirm(words.revokeKeySure(name, personId))) return;
    await toastFailure(
      page,
      () =>
        page.gateway.delete(
          `/api/admin/people/${encodeURIComponent(personId)}/keys/${encodeURIComponent(id)}`,
        ),
    );
    await onRevoked();
  };
  return (
    <tr>
      <th scope="row">
        <bdi>{key.personId}</bdi>
      </th>
      <td>
        <bdi>{key.name}</bdi> <code class="muted">{key.begins}…</code>
      </td>
      <td>{key.scopes.join(", ")}</td>
      <td>
        <bdi>{key.bots ? key.bots.map(sanitizeName).join(", ") : words.allBots}</bdi>
      </td>
      <td class="tabular">{formatDate(key.createdAt)}</td>
      <td class="tabular">{key.lastUsedAt ? formatDate(key.lastUsedAt) : words.never}</td>
      <td class="tabular">{key.expiresAt ? formatDate(key.expiresAt) : words.noEnd}</td>
      <td>
        <button type="button" class="button small danger" onClick={() => void revoke()}>
          {words.revoke}
        </button>
      </td>
    </tr>
  );
}
