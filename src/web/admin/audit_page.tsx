/** The audit log, the newest entries first. */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { AuditEntryJson } from "../../wire/admin.ts";
import { usePage } from "../view/context.ts";
import { Table, toastFailure, useAdminWords, useDateFormat } from "./parts.tsx";

/** Entries in one request. */
const PAGE_SIZE = 100;

export function AuditPage(): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const formatDate = useDateFormat();
  const entries = useSignal<readonly AuditEntryJson[] | undefined>(undefined);
  const more = useSignal(false);
  const load = () =>
    toastFailure(page, async () => {
      const last = entries.value?.at(-1);
      const query = `limit=${PAGE_SIZE}${last ? `&before=${last.n}` : ""}`;
      const { lines } = await page.gateway.get<{ lines: AuditEntryJson[] }>(
        `/api/admin/audit?${query}`,
      );
      entries.value = [...entries.value ?? [], ...lines];
      more.value = lines.length === PAGE_SIZE;
    });
  useEffect(() => void load(), []);
  return (
    <>
      <Table
        label={words.audit}
        head={[words.when, words.who, words.did, words.whom, words.from]}
        empty={!entries.value?.length}
      >
        {entries.value?.map((entry) => (
          <tr key={entry.n}>
            <td class="tabular">{formatDate(entry.at)}</td>
            <th scope="row">
              <bdi>{entry.who}</bdi>
            </th>
            <td>
              {entry.did.replaceAll("_", " ")}
              {entry.detail && <bdi class="muted">· {entry.detail}</bdi>}
            </td>
            <td>
              <bdi>{entry.whom}</bdi>
            </td>
            <td class="tabular">{entry.from}</td>
          </tr>
        ))}
      </Table>
      {more.value && (
        <button type="button" class="button small" onClick={() => void load()}>
          {words.earlier}
        </button>
      )}
    </>
  );
}
