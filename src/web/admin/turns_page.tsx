/** The turns that are running now; an admin can stop one. */
import type { JSX } from "preact";
import type { RunningTurnJson } from "../../wire/admin.ts";
import { sanitizeName } from "../bot_name.ts";
import { usePage, useWords } from "../view/context.ts";
import type { Words } from "../words/words.ts";
import {
  ErrorNote,
  Table,
  toastFailure,
  useAdminWords,
  useDateFormat,
  usePolling,
} from "./parts.tsx";

const REFRESH_MS = 2000;

export function TurnsPage(): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const all = useWords();
  const formatDate = useDateFormat();
  const { data, error, refresh } = usePolling(
    async (page) =>
      (await page.gateway.get<{ turns: RunningTurnJson[] }>("/api/admin/turns")).turns,
    REFRESH_MS,
  );
  const stop = async (turn: RunningTurnJson) => {
    await toastFailure(
      page,
      () => page.gateway.post(`/api/admin/turns/${encodeURIComponent(turn.id)}/cancel`),
    );
    await refresh();
  };
  return (
    <>
      <ErrorNote text={error.value} />
      <Table
        label={words.turns}
        head={[
          words.person,
          words.bot,
          words.state,
          words.channel,
          words.began,
          words.characters,
          "",
        ]}
        empty={!data.value?.length}
      >
        {data.value?.map((turn) => (
          <tr key={turn.id}>
            <th scope="row">
              <bdi>{turn.personId}</bdi>
            </th>
            <td>
              <bdi>{sanitizeName(turn.botId ?? "")}</bdi>
            </td>
            <td>{stateLabel(turn, all)}</td>
            <td>{turn.channel}</td>
            <td class="tabular">{formatDate(turn.at)}</td>
            <td class="tabular">{turn.units.toLocaleString(all.locale)}</td>
            <td>
              <button type="button" class="button small" onClick={() => void stop(turn)}>
                {words.stop}
              </button>
            </td>
          </tr>
        ))}
      </Table>
    </>
  );
}

function stateLabel({ state, place }: RunningTurnJson, words: Words): string {
  if (state === "queued") return words.stateQueued(place ?? 0);
  return state === "answering" ? words.stateAnswering : words.stateWaiting;
}
