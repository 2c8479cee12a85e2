/**
 * This is everybody's API keys: whose, for what, when used; an admin revokes any, and makes own
 * ones.
 */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { type KeyCard, NewApiKey } from "../account/api_keys.tsx";
import { sanitizeName } from "../bot_name.ts";
import { usePage } from "../view/context.ts";
import {
  ErrorNote,
  Table,
  toastFailure,
  useAdminWords,
  useDateFormat,
  usePolling,
} from "./parts.tsx";

/**
 * People whose keys are asked for one after the other; beyond that it would be a request too many.
 */
const MOST = 100;

type Owned = KeyCard & { readonly personId: string };

export function AllKeys(): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const when = useDateFormat();
  const making = useSignal(false);
  const { found, failed, again } = usePolling(async (page) => {
    const { people } = await page.gateway.get<{ people: { id: string }[] }>("/api/admin/people");
    const all: Owned[] = [];
    for (const { id } of people.slice(0, MOST)) {
      const { keys } = await page.gateway.get<{ keys: KeyCard[] }>(
        `/api/admin/people/${encodeURIComponent(id)}/keys`,
      );
      all.push(...keys.map((key) => ({ ...key, personId: id })));
    }
    return { keys: all.sort((a, b) => b.createdAt - a.createdAt), more: people.length > MOST };
  }, 15_000);
  const revoke = async ({ personId, id, name }: Owned) => {
    if (!confirm(words.revokeKeySure(name, personId))) return;
    await toastFailure(
      page,
      () =>
        page.gateway.delete(
          `/api/admin/people/${encodeURIComponent(personId)}/keys/${encodeURIComponent(id)}`,
        ),
    );
    await again();
  };
  return (
    <>
      {making.value
        ? <NewApiKey onClose={() => making.value = false} onMade={again} />
        : (
          <div class="row end">
            <button type="button" class="button primary" onClick={() => making.value = true}>
              {words.makeKey}
            </button>
          </div>
        )}
      <ErrorNote text={failed.value} />
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
        empty={!found.value?.keys.length}
      >
        {found.value?.keys.map((key) => (
          <tr key={key.id}>
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
            <td class="tabular">{when(key.createdAt)}</td>
            <td class="tabular">{key.lastUsedAt ? when(key.lastUsedAt) : words.never}</td>
            <td class="tabular">{key.expiresAt ? when(key.expiresAt) : words.noEnd}</td>
            <td>
              <button type="button" class="button small danger" onClick={() => void revoke(key)}>
                {words.revoke}
              </button>
            </td>
          </tr>
        ))}
      </Table>
      {found.value?.more && <p class="muted">{words.firstPeople(MOST)}</p>}
    </>
  );
}
