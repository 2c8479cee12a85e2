/**
 * This is the administration: what the gateway does now, and who may do what. It is fetched when an
 * admin opens it. Each page asks for what it shows again every few seconds while it is looked at.
 */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { type BotCard, sanitizeName } from "../bot_name.ts";
import { usePage, useWords } from "../view/context.ts";
import { BotName, botStateLabel, copyText, Dialog, Menu, StateDot } from "../view/parts.tsx";
import { Chart, Shares } from "./chart.tsx";
import { type Figures, readMetrics } from "./metrics.ts";
import { type Channels, ChatApps } from "./chat_apps.tsx";
import { Connections } from "./connections.tsx";
import { AllKeys } from "./api_keys.tsx";
import { Budgets } from "./budgets.tsx";
import {
  ErrorNote,
  Table,
  toastFailure,
  useAdminWords,
  useDateFormat,
  usePolling,
} from "./parts.tsx";

const PLACES = [
  "overview",
  "connections",
  "bots",
  "turns",
  "people",
  "keys",
  "tokens",
  "budgets",
  "apps",
  "audit",
] as const;
type AdminPlace = typeof PLACES[number];

export function Admin({ place }: { place: string }): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const open = PLACES.find((name) => name === place) ?? "overview";
  // Where no chat platform is configured there is nothing to see of them.
  const hasApps = useSignal(false);
  useEffect(() => {
    page.gateway.get<Channels>("/api/admin/channels").then(
      ({ apps, budgets }) => hasApps.value = apps.length + budgets.length > 0,
      () => {},
    );
  }, []);
  // On a phone the tabs do not all fit beside each other.
  const tabs = useRef<HTMLDivElement>(null);
  useEffect(() => {
    tabs.current?.querySelector("[aria-selected=true]")?.scrollIntoView({
      block: "nearest",
      inline: "center",
    });
  }, [open, hasApps.value]);
  return (
    <div class="admin">
      <div class="admin-column">
        <div ref={tabs} class="tabs" role="tablist" aria-label={page.words.value.admin}>
          {PLACES.filter((name) => name !== "apps" || hasApps.value || open === "apps").map((
            name,
          ) => (
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
          <Panel open={open} />
        </div>
      </div>
    </div>
  );
}

function Panel({ open }: { open: AdminPlace }): JSX.Element {
  switch (open) {
    case "overview":
      return <Overview />;
    case "connections":
      return <Connections />;
    case "bots":
      return <Bots />;
    case "turns":
      return <Turns />;
    case "people":
      return <People />;
    case "keys":
      return <AllKeys />;
    case "budgets":
      return <Budgets />;
    case "apps":
      return <ChatApps />;
    case "tokens":
      return <Tokens />;
    case "audit":
      return <AuditLog />;
  }
}

/*
 * ── overview
 * ────────────────────────────────────────────────────────────────────────────────────────────────────────
 */

interface State {
  readonly troubles: readonly string[];
  readonly draining: boolean;
  readonly answering: number;
  readonly waiting: number;
  readonly bots: number;
  readonly sessions: number;
  readonly people: number;
  readonly limits: Readonly<Record<string, number>>;
}

/** Two minutes. */
const SAMPLES = 60;
const SAMPLE_EVERY = 2000;

function Overview(): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const { found, failed } = usePolling(
    (page) => page.gateway.get<State>("/api/admin/state"),
    SAMPLE_EVERY,
  );
  const rates = useSignal<readonly { chunks?: number; first?: number }[]>([]);
  const newest = useSignal<Figures | undefined>(undefined);
  useEffect(() => {
    let before: { at: number; figures: Figures } | undefined;
    const sample = async () => {
      let figures: Figures;
      try {
        figures = readMetrics(await (await page.gateway.blob("/metrics")).text());
      } catch {
        // Metrics behind a token of their own: the charts stay away.
        return clearInterval(timer);
      }
      const at = performance.now();
      if (before) {
        const count = figures.firstCount - before.figures.firstCount;
        const rate = {
          chunks: Math.max(0, figures.chunks - before.figures.chunks) / ((at - before.at) / 1000),
          first: count > 0 ? (figures.firstSum - before.figures.firstSum) / count : undefined,
        };
        rates.value = [...rates.value.slice(1 - SAMPLES), rate];
      }
      before = { at, figures };
      newest.value = figures;
    };
    const timer = setInterval(
      () => document.visibilityState === "visible" && void sample(),
      SAMPLE_EVERY,
    );
    void sample();
    return () => clearInterval(timer);
  }, []);
  const state = found.value;
  const limits = Object.entries(state?.limits ?? {}).filter(([name]) =>
    Object.hasOwn(words.limit, name)
  );
  return (
    <>
      <ErrorNote text={failed.value} />
      {state?.draining && <p class="ending warning">{words.draining}</p>}
      {state && (
        <dl class="figures">
          {([
            [words.bots, state.bots],
            [words.answering, state.answering],
            [words.waiting, state.waiting],
            [words.people, state.people],
            [words.sessions, state.sessions],
          ] as const).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd class="tabular">{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {state && state.troubles.length > 0 && (
        <section>
          <h2>{words.troubles}</h2>
          <ul>
            {state.troubles.map((trouble) => (
              <li key={trouble} class="ending warning">{trouble}</li>
            ))}
          </ul>
        </section>
      )}
      {newest.value && (
        <div class="charts">
          <Chart title={words.chunks} values={rates.value.map((rate) => rate.chunks)} />
          <Chart
            title={words.firstChunk}
            values={carried(rates.value.map((rate) => rate.first))}
            digits={2}
          />
          <Shares
            title={words.endings}
            shares={Object.entries(newest.value.endings).map(([kind, count]) => ({
              name: words.statuses[kind]!,
              count,
              kind,
            }))}
          />
        </div>
      )}
      {state && (
        <section>
          <h2>{words.limits}</h2>
          {limits.length === 0 ? <p class="muted">{words.noLimits}</p> : (
            <ul class="plain">
              {limits.map(([name, value]) => (
                <li key={name}>
                  <strong class="tabular">{value.toLocaleString(page.words.value.locale)}</strong>
                  {" "}
                  {words.limit[name]}
                </li>
              ))}
            </ul>
          )}
        </section>
      )}
    </>
  );
}

/** A moment without a first chunk shows the one before it. */
function carried(values: readonly (number | undefined)[]): (number | undefined)[] {
  let last: number | undefined;
  return values.map((value) => last = value ?? last);
}

/*
 * ── bots and turns
 * ──────────────────────────────────────────────────────────────────────────────────────────────────
 */

function Bots(): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const when = useDateFormat();
  const bots = page.chat.bots.value ?? [];
  const disconnect = async (bot: BotCard) => {
    if (!confirm(words.disconnectSure(sanitizeName(bot.name)))) return;
    await toastFailure(
      page,
      () => page.gateway.post(`/api/admin/bots/${encodeURIComponent(bot.id)}/disconnect`),
    );
  };
  return (
    <Table
      label={words.bots}
      head={[words.bot, words.state, words.load, words.pool, words.since, ""]}
      empty={bots.length === 0}
    >
      {bots.map((bot) => (
        <tr key={bot.id}>
          <th scope="row">
            <BotName name={bot.name} />
            <bdi class="muted">@{sanitizeName(bot.id)}</bdi>
          </th>
          <td>
            <StateDot state={bot.state ?? "online"} /> {botStateLabel(page.words.value, bot)}
          </td>
          <td class="tabular">
            {bot.busy ?? 0}
            {bot.maxConcurrent ? ` / ${bot.maxConcurrent}` : ""}
          </td>
          <td>
            <bdi>{sanitizeName(bot.pool ?? "")}</bdi>
          </td>
          <td class="tabular">{when(bot.connectedAt)}</td>
          <td>
            <button type="button" class="button small" onClick={() => void disconnect(bot)}>
              {words.disconnect}
            </button>
          </td>
        </tr>
      ))}
    </Table>
  );
}

interface TurnRow {
  readonly id: string;
  readonly personId: string;
  readonly botId?: string;
  readonly channel: string;
  readonly state: string;
  readonly place?: number;
  readonly at: number;
  readonly units: number;
}

function Turns(): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const all = useWords();
  const when = useDateFormat();
  const { found, failed, again } = usePolling(
    async (page) => (await page.gateway.get<{ turns: TurnRow[] }>("/api/admin/turns")).turns,
    2000,
  );
  const stop = async (turn: TurnRow) => {
    await toastFailure(
      page,
      () => page.gateway.post(`/api/admin/turns/${encodeURIComponent(turn.id)}/cancel`),
    );
    await again();
  };
  const word = (turn: TurnRow) =>
    turn.state === "queued"
      ? all.stateQueued(turn.place ?? 0)
      : turn.state === "answering"
      ? all.stateAnswering
      : all.stateWaiting;
  return (
    <>
      <ErrorNote text={failed.value} />
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
        empty={!found.value?.length}
      >
        {found.value?.map((turn) => (
          <tr key={turn.id}>
            <th scope="row">
              <bdi>{turn.personId}</bdi>
            </th>
            <td>
              <bdi>{sanitizeName(turn.botId ?? "")}</bdi>
            </td>
            <td>{word(turn)}</td>
            <td>{turn.channel}</td>
            <td class="tabular">{when(turn.at)}</td>
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

/*
 * ── people
 * ──────────────────────────────────────────────────────────────────────────────────────────────────────────
 */

interface Person {
  readonly id: string;
  readonly name: string;
  readonly role: "admin" | "member";
  readonly bots?: readonly string[];
  readonly source: string;
  readonly disabled: boolean;
  readonly totp: boolean;
  readonly limits: Readonly<Record<string, number>>;
}

interface Day {
  readonly day: string;
  readonly messages: number;
}

function People(): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const adding = useSignal(false);
  const resetting = useSignal<Person | undefined>(undefined);
  const usage = useSignal<Readonly<Record<string, number>>>({});
  const { found, failed, again } = usePolling(async (page) => {
    const { people } = await page.gateway.get<{ people: Person[] }>("/api/admin/people");
    const today = new Date().toISOString().slice(0, 10);
    // Beyond a hundred people the figure of each would be a request too many.
    for (const { id } of people.slice(0, 100)) {
      const { days } = await page.gateway.get<{ days: Day[] }>(
        `/api/admin/people/${encodeURIComponent(id)}/usage`,
      );
      usage.value = { ...usage.value, [id]: days.find((day) => day.day === today)?.messages ?? 0 };
    }
    return people;
  }, 15_000);
  const change = async (person: Person, body: unknown) => {
    await toastFailure(page, () => page.gateway.patch(pathOf(person), body));
    await again();
  };
  const act = async (run: () => Promise<unknown>) => {
    await toastFailure(page, run);
    await again();
  };
  const me = page.me.value?.id ?? page.me.value?.username;
  const remove = (person: Person) => ({
    label: words.remove,
    icon: "trash" as const,
    danger: true,
    run: () =>
      confirm(words.removeSure(person.id)) && void act(() => page.gateway.delete(pathOf(person))),
  });
  const actions = (person: Person) => [
    { label: words.resetPassword, icon: "pen" as const, run: () => resetting.value = person },
    {
      label: person.role === "admin" ? words.makeMember : words.makeAdmin,
      run: () => void change(person, { role: person.role === "admin" ? "member" : "admin" }),
    },
    {
      label: words.endSessions,
      icon: "out" as const,
      run: () =>
        void act(async () => {
          const { ended } = await page.gateway.delete<{ ended: number }>(
            `${pathOf(person)}/sessions`,
          );
          page.toast(words.sessionsEnded(ended));
        }),
    },
    {
      label: words.revokeKeys,
      run: () =>
        void act(async () => {
          const { revoked } = await page.gateway.delete<{ revoked: number }>(
            `${pathOf(person)}/keys`,
          );
          page.toast(words.keysRevoked(revoked));
        }),
    },
    ...(person.totp
      ? [{
        label: words.dropFactor,
        run: () =>
          void act(async () => {
            await page.gateway.delete(`${pathOf(person)}/totp`);
            page.toast(words.factorDropped);
          }),
      }]
      : []),
    ...(person.id === me ? [] : [
      {
        label: person.disabled ? words.enable : words.disable,
        danger: !person.disabled,
        run: () => void change(person, { disabled: !person.disabled }),
      },
      remove(person),
    ]),
  ];
  return (
    <>
      <div class="row end">
        <button type="button" class="button primary" onClick={() => adding.value = true}>
          {words.add}
        </button>
      </div>
      <ErrorNote text={failed.value} />
      <Table
        label={words.people}
        head={[words.name, words.role, words.from, words.usageToday, words.bots, ""]}
        empty={!found.value?.length}
      >
        {found.value?.map((person) => (
          <tr key={person.id}>
            <th scope="row">
              <bdi>{sanitizeName(person.name)}</bdi>
              <bdi class="muted">{person.id}</bdi>
            </th>
            <td>
              {person.role === "admin" ? words.admin : words.member}
              {person.disabled && person.source !== "former" && (
                <strong class="danger-text">· {words.disabled}</strong>
              )}
              {person.totp && <span class="muted">· {words.secondFactor}</span>}
            </td>
            <td>{person.source === "former" ? words.former : person.source}</td>
            <td class="tabular">
              {words.usage(usage.value[person.id] ?? 0, person.limits.messagesPerDay)}
            </td>
            <td>{person.bots ? person.bots.join(", ") : words.allBots}</td>
            <td>
              <Menu
                icon="more"
                label={words.actions(person.id)}
                items={person.source === "former" ? [remove(person)] : actions(person)}
              />
            </td>
          </tr>
        ))}
      </Table>
      {adding.value && <AddPerson onClose={() => adding.value = false} onDone={again} />}
      {resetting.value && (
        <ResetPassword
          person={resetting.value}
          onClose={() => resetting.value = undefined}
        />
      )}
    </>
  );
}

function pathOf({ id }: Person): string {
  return `/api/admin/people/${encodeURIComponent(id)}`;
}

function AddPerson(
  { onClose, onDone }: { onClose: () => void; onDone: () => Promise<void> },
): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const form = useRef<HTMLFormElement>(null);
  const error = useSignal("");
  const submit = async (event: Event) => {
    event.preventDefault();
    const fields = new FormData(form.current!);
    try {
      await page.gateway.post("/api/admin/people", {
        id: String(fields.get("id")),
        displayName: String(fields.get("displayName")) || undefined,
        password: String(fields.get("password")),
        role: fields.get("admin") ? "admin" : "member",
      });
      onClose();
      await onDone();
    } catch (failure) {
      error.value = (failure as Error).message;
    }
  };
  return (
    <Dialog title={words.add} onClose={onClose}>
      <form ref={form} class="password" onSubmit={submit}>
        <label class="field">
          <span>{words.id}</span>
          <input name="id" required autocomplete="off" autocapitalize="none" spellcheck={false} />
        </label>
        <label class="field">
          <span>{words.displayName}</span>
          <input name="displayName" autocomplete="off" />
        </label>
        <PasswordField />
        <label class="check">
          <input type="checkbox" name="admin" /> {words.admin}
        </label>
        <p class="error" role="alert">{error.value}</p>
        <div class="row">
          <button type="submit" class="button primary">{words.save}</button>
          <button type="button" class="button" onClick={onClose}>{words.cancel}</button>
        </div>
      </form>
    </Dialog>
  );
}

function ResetPassword({ person, onClose }: { person: Person; onClose: () => void }): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const form = useRef<HTMLFormElement>(null);
  const error = useSignal("");
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      await page.gateway.patch(pathOf(person), {
        password: String(new FormData(form.current!).get("password")),
      });
      page.toast(words.passwordSet(person.id));
      onClose();
    } catch (failure) {
      error.value = (failure as Error).message;
    }
  };
  return (
    <Dialog title={`${words.resetPassword} · ${person.id}`} onClose={onClose}>
      <form ref={form} class="password" onSubmit={submit}>
        <PasswordField />
        <p class="error" role="alert">{error.value}</p>
        <div class="row">
          <button type="submit" class="button primary">{words.save}</button>
          <button type="button" class="button" onClick={onClose}>{words.cancel}</button>
        </div>
      </form>
    </Dialog>
  );
}

/** A password for somebody else is seen while it is typed: it has to be told to them. */
function PasswordField(): JSX.Element {
  const words = useAdminWords();
  const field = useRef<HTMLInputElement>(null);
  const make = () => {
    const letters = "abcdefghijkmnpqrstuvwxyz23456789";
    const random = crypto.getRandomValues(new Uint8Array(16));
    field.current!.value = Array.from(random, (byte) => letters[byte % letters.length]).join("")
      .replace(
        /(.{4})(?=.)/g,
        "$1-",
      );
  };
  return (
    <div class="field">
      <label for="admin-password">{words.newPassword}</label>
      <span class="row">
        <input
          id="admin-password"
          ref={field}
          name="password"
          class="text-input mono"
          required
          minLength={8}
          autocomplete="new-password"
          spellcheck={false}
        />
        <button type="button" class="button" onClick={make}>{words.makePassword}</button>
      </span>
      <small>{words.passwordHint}</small>
    </div>
  );
}

/*
 * ── bot tokens
 * ──────────────────────────────────────────────────────────────────────────────────────────────────────
 */

interface Token {
  readonly botId: string;
  readonly createdAt: number;
  readonly by: string;
  readonly owner?: string;
  readonly locked?: boolean;
  readonly oldUntil?: number;
}

function Tokens(): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const when = useDateFormat();
  const form = useRef<HTMLFormElement>(null);
  const made = useSignal<{ botId: string; token: string } | undefined>(undefined);
  const { found, failed, again } = usePolling(
    async (page) => (await page.gateway.get<{ tokens: Token[] }>("/api/admin/bot-tokens")).tokens,
    15_000,
  );
  const make = async (event: Event) => {
    event.preventDefault();
    const fields = new FormData(form.current!);
    const botId = String(fields.get("botId")).trim(), owner = String(fields.get("owner")).trim();
    await toastFailure(page, async () => {
      made.value = await page.gateway.post("/api/admin/bot-tokens", {
        botId,
        owner: owner || undefined,
      });
      form.current!.reset();
    });
    await again();
  };
  const revoke = async (token: Token) => {
    if (!confirm(words.revokeSure(token.botId))) return;
    await toastFailure(
      page,
      () => page.gateway.delete(`/api/admin/bot-tokens/${encodeURIComponent(token.botId)}`),
    );
    await again();
  };
  return (
    <>
      <form ref={form} class="row bottom" onSubmit={make}>
        <label class="field">
          <span>{words.botId}</span>
          <input
            name="botId"
            required
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
          />
        </label>
        <label class="field">
          <span>{words.owner}</span>
          <input name="owner" autocomplete="off" autocapitalize="none" spellcheck={false} />
        </label>
        <button type="submit" class="button primary">{words.makeToken}</button>
      </form>
      {made.value && (
        <div class="connect" role="status">
          <p>{words.tokenMade(made.value.botId)}</p>
          <div class="command">
            <code tabIndex={0}>{made.value.token}</code>
            <button
              type="button"
              class="button small"
              onClick={async () =>
                page.toast(
                  await copyText(made.value!.token)
                    ? page.words.value.copied
                    : page.words.value.copyFailed,
                )}
            >
              {words.copy}
            </button>
          </div>
        </div>
      )}
      <ErrorNote text={failed.value} />
      <Table
        label={words.tokens}
        head={[words.botId, words.made, words.by, words.owner, ""]}
        empty={!found.value?.length}
      >
        {found.value?.map((token) => (
          <tr key={token.botId}>
            <th scope="row">
              <bdi>{token.botId}</bdi>
            </th>
            <td class="tabular">
              {when(token.createdAt)}
              {token.oldUntil && <span class="muted">· {words.oldUntil(when(token.oldUntil))}
              </span>}
            </td>
            <td>{token.by}</td>
            <td>{token.locked ? words.locked : token.owner}</td>
            <td>
              <button type="button" class="button small danger" onClick={() => void revoke(token)}>
                {words.revoke}
              </button>
            </td>
          </tr>
        ))}
      </Table>
    </>
  );
}

/*
 * ── the audit log
 * ───────────────────────────────────────────────────────────────────────────────────────────────────
 */

interface AuditLine {
  readonly n: number;
  readonly at: number;
  readonly who: string;
  readonly did: string;
  readonly whom?: string;
  readonly from?: string;
  readonly detail?: string;
}

function AuditLog(): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const when = useDateFormat();
  const lines = useSignal<readonly AuditLine[] | undefined>(undefined);
  const more = useSignal(false);
  const load = () =>
    toastFailure(page, async () => {
      const last = lines.value?.at(-1);
      const query = `limit=100${last ? `&before=${last.n}` : ""}`;
      const found = await page.gateway.get<{ lines: AuditLine[] }>(`/api/admin/audit?${query}`);
      lines.value = [...lines.value ?? [], ...found.lines];
      more.value = found.lines.length === 100;
    });
  useEffect(() => void load(), []);
  return (
    <>
      <Table
        label={words.audit}
        head={[words.when, words.who, words.did, words.whom, words.from]}
        empty={!lines.value?.length}
      >
        {lines.value?.map((line) => (
          <tr key={line.n}>
            <td class="tabular">{when(line.at)}</td>
            <th scope="row">
              <bdi>{line.who}</bdi>
            </th>
            <td>
              {line.did.replaceAll("_", " ")}
              {line.detail && <bdi class="muted">· {line.detail}</bdi>}
            </td>
            <td>
              <bdi>{line.whom}</bdi>
            </td>
            <td class="tabular">{line.from}</td>
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
