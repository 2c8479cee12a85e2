/**
 * This is the company's apps on chat platforms: how they do, what their answers cost, their
 * budgets, and who is linked.
 */
import type { JSX } from "preact";
import { sanitizeName } from "../bot_name.ts";
import { usePage, useWords } from "../view/context.ts";
import { StateDot } from "../view/parts.tsx";
import {
  ErrorNote,
  Meter,
  Table,
  toastFailure,
  useAdminWords,
  useDateFormat,
  usePolling,
} from "./parts.tsx";

interface AppRow {
  readonly platform: string;
  readonly name: string;
  readonly connected: boolean;
  readonly open: number;
  readonly answers: number;
  readonly calls: number;
}

interface Budget {
  readonly key: string;
  readonly windows: readonly {
    readonly limit: number;
    readonly per: number;
    readonly used: number;
  }[];
  readonly quota?: { readonly limit: number; readonly used: number; readonly period: string };
  readonly closedFor: number;
  readonly waiting: number;
}

/** What `/api/admin/channels` tells. */
export interface Channels {
  readonly apps: readonly AppRow[];
  readonly budgets: readonly Budget[];
}

interface Identity {
  readonly channel: string;
  readonly app: string;
  readonly id: string;
  readonly name?: string;
}

interface Pairings {
  readonly waiting: readonly {
    readonly code: string;
    readonly who: Identity;
    readonly at: number;
  }[];
  readonly bound: readonly (Identity & {
    readonly account: string;
    readonly at: number;
    /** The platform itself says whose it is. */
    readonly vouched?: boolean;
  })[];
}

export function ChatApps(): JSX.Element {
  const words = useAdminWords();
  const { locale } = useWords();
  const { found, failed } = usePolling(
    (page) => page.gateway.get<Channels>("/api/admin/channels"),
    5000,
  );
  // A person's or chat's own scope comes and goes with each answer; what is used or shut is what an
  // admin looks for.
  const budgets =
    found.value?.budgets.filter(({ windows, quota, closedFor, waiting }) =>
      quota || closedFor > 0 || waiting > 0 || windows.some(({ used }) => used > 0)
    ) ?? [];
  return (
    <>
      <ErrorNote text={failed.value} />
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
        empty={!found.value?.apps.length}
      >
        {found.value?.apps.map(({ platform, name, connected, open, answers, calls }) => (
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

function BudgetCard({ budget }: { budget: Budget }): JSX.Element {
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
  const page = usePage();
  const words = useAdminWords();
  const when = useDateFormat();
  const { found, failed, again } = usePolling(async (page) => {
    const [pairings, { people }] = await Promise.all([
      page.gateway.get<Pairings>("/api/admin/pairings"),
      page.gateway.get<{ people: { id: string }[] }>("/api/admin/people"),
    ]);
    return { ...pairings, people: people.map(({ id }) => id) };
  }, 5000);
  const link = async (event: Event, code: string) => {
    event.preventDefault();
    const account = String(new FormData(event.currentTarget as HTMLFormElement).get("account"));
    await toastFailure(page, () => page.gateway.post("/api/admin/pairings", { code, account }));
    await again();
  };
  const unlink = async ({ channel, app, id, account }: Pairings["bound"][number]) => {
    if (!confirm(words.unlinkSure(account))) return;
    await toastFailure(
      page,
      () => page.gateway.delete("/api/admin/pairings", { channel, app, id }),
    );
    await again();
  };
  return (
    <>
      <ErrorNote text={failed.value} />
      <section>
        <h2>{words.pairings}</h2>
        <Table
          label={words.pairings}
          head={[words.code, words.app, words.who, words.when, words.account]}
          empty={!found.value?.waiting.length}
        >
          {found.value?.waiting.map(({ code, who, at }) => (
            <tr key={code}>
              <th scope="row" class="mono">{code}</th>
              <td>
                <bdi>{who.channel}/{who.app}</bdi>
              </td>
              <td>
                <Who who={who} />
              </td>
              <td class="tabular">{when(at)}</td>
              <td>
                <form class="row" onSubmit={(event) => void link(event, code)}>
                  <select
                    name="account"
                    class="text-input small"
                    aria-label={words.account}
                    required
                  >
                    <option value="" />
                    {found.value?.people.map((id) => <option key={id} value={id}>{id}</option>)}
                  </select>
                  <button type="submit" class="button small">{words.link}</button>
                </form>
              </td>
            </tr>
          ))}
        </Table>
      </section>
      <section>
        <h2>{words.linked}</h2>
        <Table
          label={words.linked}
          head={[words.account, words.app, words.who, words.since, ""]}
          empty={!found.value?.bound.length}
        >
          {found.value?.bound.map((one) => (
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
              <td class="tabular">{when(one.at)}</td>
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
    </>
  );
}

function Who({ who }: { who: Identity }): JSX.Element {
  return (
    <>
      {who.name && <bdi>{sanitizeName(who.name)}</bdi>}{" "}
      <bdi class="muted mono">{sanitizeName(who.id)}</bdi>
    </>
  );
}
