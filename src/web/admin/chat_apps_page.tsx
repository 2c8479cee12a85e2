/** The apps on chat platforms: their state, send budgets, and linked people. */
import type { JSX } from "preact";
import type { IdentityJson } from "../../wire/account.ts";
import type { ChannelsJson, PairingsJson, SendBudgetJson } from "../../wire/admin.ts";
import { sanitizeName } from "../bot_name.ts";
import { usePage, useWords } from "../view/context.ts";
import { StateDot } from "../view/parts.tsx";
import { fetchPeople } from "./people_usage.ts";
import {
  ErrorNote,
  Meter,
  Table,
  toastFailure,
  useAdminWords,
  useDateFormat,
  usePolling,
} from "./parts.tsx";

const REFRESH_MS = 5000;

export function ChatAppsPage(): JSX.Element {
  const words = useAdminWords();
  const { locale } = useWords();
  const { data, error } = usePolling(
    (page) => page.gateway.get<ChannelsJson>("/api/admin/channels"),
    REFRESH_MS,
  );
  // A person's or chat's own scope comes and goes with each answer; what is used or shut is what an
  // admin looks for.
  const budgets =
    data.value?.budgets.filter(({ windows, quota, closedFor, waiting }) =>
      quota || closedFor > 0 || waiting > 0 || windows.some(({ used }) => used > 0)
    ) ?? [];
  return (
    <>
      <ErrorNote text={error.value} />
      <Table
        label={words.apps}
        head={[
          words.app,
          words.state,
          words.answering,
          words.answers,
          words.calls,
          words.callsEach,
        ]}
        empty={!data.value?.apps.length}
      >
        {data.value?.apps.map(({ platform, name, connected, open, answers, calls }) => (
          <tr key={`${platform}/${name}`}>
            <th scope="row">
              <bdi>{platform}/{name}</bdi>
            </th>
            <td>
              <StateDot state={connected ? "online" : "away"} />{" "}
              {connected ? words.connected : words.notConnected}
            </td>
            <td class="tabular">{open}</td>
            <td class="tabular">{answers.toLocaleString(locale)}</td>
            <td class="tabular">{calls.toLocaleString(locale)}</td>
            <td class="tabular">{answers > 0 ? (calls / answers).toFixed(1) : "–"}</td>
          </tr>
        ))}
      </Table>
      <section>
        <h2>{words.platformBudgets}</h2>
        {budgets.length === 0 ? <p class="muted">{words.nothingUsed}</p> : (
          <div class="meters">
            {budgets.map((budget) => <BudgetCard key={budget.key} budget={budget} />)}
          </div>
        )}
      </section>
      <Linked />
    </>
  );
}

function BudgetCard({ budget }: { budget: SendBudgetJson }): JSX.Element {
  const words = useAdminWords();
  return (
    <div class="meter-card">
      <h3>
        <bdi class="mono">{budget.key}</bdi>
      </h3>
      {budget.windows.map(({ limit, per, used }) => (
        <Meter
          key={`${limit} ${per}`}
          used={used}
          limit={limit}
          label={words.callsPer(per / 1000)}
        />
      ))}
      {budget.quota && (
        <Meter {...budget.quota} label={words.quota[budget.quota.period] ?? budget.quota.period} />
      )}
      {budget.waiting > 0 && <p>{words.sendsWaiting(budget.waiting)}</p>}
      {budget.closedFor > 0 && (
        <p class="ending warning">{words.closedFor(Math.ceil(budget.closedFor / 1000))}</p>
      )}
    </div>
  );
}

function Linked(): JSX.Element {
  const { data, error, refresh } = usePolling(async (page) => {
    const [pairings, people] = await Promise.all([
      page.gateway.get<PairingsJson>("/api/admin/pairings"),
      fetchPeople(page),
    ]);
    return { ...pairings, people: people.map(({ id }) => id) };
  }, REFRESH_MS);
  return (
    <>
      <ErrorNote text={error.value} />
      <WaitingPairings
        pairings={data.value?.waiting ?? []}
        people={data.value?.people ?? []}
        onChanged={refresh}
      />
      <LinkedIdentities identities={data.value?.bound ?? []} onChanged={refresh} />
    </>
  );
}

/** People who asked for a code; an admin can link them to an account. */
function WaitingPairings({ pairings, people, onChanged }: {
  pairings: PairingsJson["waiting"];
  people: readonly string[];
  onChanged: () => Promise<void>;
}): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const formatDate = useDateFormat();
  const link = async (event: Event, code: string) => {
    event.preventDefault();
    const account = String(new FormData(event.currentTarget as HTMLFormElement).get("account"));
    await toastFailure(page, () => page.gateway.post("/api/admin/pairings", { code, account }));
    await onChanged();
  };
  return (
    <section>
      <h2>{words.pairings}</h2>
      <Table
        label={words.pairings}
        head={[words.code, words.app, words.who, words.when, words.account]}
        empty={pairings.length === 0}
      >
        {pairings.map(({ code, who, at }) => (
          <tr key={code}>
            <th scope="row" class="mono">{code}</th>
            <td>
              <bdi>{who.channel}/{who.app}</bdi>
            </td>
            <td>
              <Who who={who} />
            </td>
            <td class="tabular">{formatDate(at)}</td>
            <td>
              <form class="row" onSubmit={(event) => void link(event, code)}>
                <select name="account" class="text-input small" aria-label={words.account} required>
                  <option value="" />
                  {people.map((id) => <option key={id} value={id}>{id}</option>)}
                </select>
                <button type="submit" class="button small">{words.link}</button>
              </form>
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function LinkedIdentities({ identities, onChanged }: {
  identities: PairingsJson["bound"];
  onChanged: () => Promise<void>;
}): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const formatDate = useDateFormat();
  const unlink = async ({ channel, app, id, account }: PairingsJson["bound"][number]) => {
    if (!confirm(words.unlinkSure(account))) return;
    await toastFailure(
      page,
      () => page.gateway.delete("/api/admin/pairings", { channel, app, id }),
    );
    await onChanged();
  };
  return (
    <section>
      <h2>{words.linked}</h2>
      <Table
        label={words.linked}
        head={[words.account, words.app, words.who, words.since, ""]}
        empty={identities.length === 0}
      >
        {identities.map((one) => (
          <tr key={`${one.channel} ${one.app} ${one.id}`}>
            <th scope="row">
              <bdi>{one.account}</bdi>
            </th>
            <td>
              <bdi>{one.channel}/{one.app}</bdi>
            </td>
            <td>
              <Who who={one} />
            </td>
            <td class="tabular">{formatDate(one.at)}</td>
            <td>
              {!one.vouched && (
                <button
                  type="button"
                  class="button small danger"
                  onClick={() => void unlink(one)}
                >
                  {words.unlink}
                </button>
              )}
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Who({ who }: { who: IdentityJson }): JSX.Element {
  return (
    <>
      {who.name && <bdi>{sanitizeName(who.name)}</bdi>}{" "}
      <bdi class="muted mono">{sanitizeName(who.id)}</bdi>
    </>
  );
}
