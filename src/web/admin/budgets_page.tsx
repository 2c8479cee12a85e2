/** What people and model APIs have used, and their limits. */
import type { JSX } from "preact";
import type { LimitsJson, ModelBudgetJson, PersonJson, UsageDayJson } from "../../wire/admin.ts";
import { sanitizeName } from "../bot_name.ts";
import type { Page } from "../page.ts";
import { BotName } from "../view/parts.tsx";
import { ErrorNote, Meter, Table, useAdminWords, usePolling } from "./parts.tsx";
import { fetchPeople, fetchUsageToday, MAX_PEOPLE } from "./people_usage.ts";

const PEOPLE_REFRESH_MS = 15_000;
const MODELS_REFRESH_MS = 5000;

const MEGABYTE = 1 << 20;

interface PersonUsage {
  readonly person: PersonJson;
  readonly limits: LimitsJson;
  readonly day: UsageDayJson | undefined;
}

export function BudgetsPage(): JSX.Element {
  const words = useAdminWords();
  const people = usePolling(fetchUsage, PEOPLE_REFRESH_MS);
  const models = usePolling(
    async (page) =>
      (await page.gateway.get<{ models: ModelBudgetJson[] }>("/api/admin/models")).models,
    MODELS_REFRESH_MS,
  );
  return (
    <>
      <ErrorNote text={people.error.value ?? models.error.value} />
      {!!models.data.value?.length && (
        <section>
          <h2>{words.models}</h2>
          <div class="meters">
            {models.data.value.map((model) => <ModelBudget key={model.botId} model={model} />)}
          </div>
        </section>
      )}
      <section>
        <h2>{words.usedToday}</h2>
        <Table
          label={words.usedToday}
          head={[
            words.person,
            words.messages,
            words.images,
            words.answersEnded,
            words.characters,
            words.bounds,
          ]}
          empty={!people.data.value?.rows.length}
        >
          {people.data.value?.rows.map((row) => <UsageRow key={row.person.id} {...row} />)}
        </Table>
        {people.data.value?.more && <p class="muted">{words.firstPeople(MAX_PEOPLE)}</p>}
      </section>
    </>
  );
}

async function fetchUsage(page: Page): Promise<{ rows: PersonUsage[]; more: boolean }> {
  const [people, { limits }] = await Promise.all([
    fetchPeople(page),
    page.gateway.get<{ limits: LimitsJson }>("/api/admin/state"),
  ]);
  const rows: PersonUsage[] = [];
  await fetchUsageToday(page, people, (person, day) => {
    rows.push({ person, limits: { ...limits, ...person.limits }, day });
  });
  return { rows, more: people.length > MAX_PEOPLE };
}

function UsageRow({ person, limits, day }: PersonUsage): JSX.Element {
  const words = useAdminWords();
  const { messagesPerDay, imageBytesPerDay, messagesPerMinute, turnsAtOnce } = limits;
  const rates = [
    messagesPerMinute && `${messagesPerMinute} ${words.limit.messagesPerMinute}`,
    turnsAtOnce && `${turnsAtOnce} ${words.limit.turnsAtOnce}`,
  ];
  return (
    <tr>
      <th scope="row">
        <bdi>{sanitizeName(person.name)}</bdi>
        <bdi class="muted">{person.id}</bdi>
      </th>
      <td>
        <Usage used={day?.messages ?? 0} limit={messagesPerDay} label={words.messages} />
      </td>
      <td>
        <Usage
          used={(day?.imageBytes ?? 0) / MEGABYTE}
          limit={imageBytesPerDay === undefined ? undefined : imageBytesPerDay / MEGABYTE}
          label={words.images}
          unit="MB"
        />
      </td>
      <td class="tabular">{day?.turns ?? 0}</td>
      <td class="tabular">{(day?.units ?? 0).toLocaleString()}</td>
      <td class="muted">{rates.filter(Boolean).join(" · ")}</td>
    </tr>
  );
}

/** A bar where there is a limit, else a figure. */
function Usage({ used, limit, label, unit = "" }: {
  used: number;
  limit: number | undefined;
  label: string;
  unit?: string;
}): JSX.Element {
  if (limit !== undefined) return <Meter used={used} limit={limit} label={label} unit={unit} />;
  return (
    <span class="tabular">
      {used.toLocaleString(undefined, { maximumFractionDigits: 1 })} {unit}
    </span>
  );
}

function ModelBudget({ model }: { model: ModelBudgetJson }): JSX.Element {
  const words = useAdminWords();
  const { requests, tokens, spend, note } = model;
  return (
    <div class="meter-card">
      <h3>
        <BotName name={model.name} /> <bdi class="muted">@{sanitizeName(model.botId)}</bdi>
      </h3>
      {requests && <Meter {...requests} label={words.requestsPerMinute} />}
      {tokens && <Meter {...tokens} label={words.tokensPerMinute} />}
      {spend && (spend.limit === undefined
        ? (
          <p>
            {words.spentThisMonth} <strong class="tabular">{spend.used.toFixed(2)}</strong>
          </p>
        )
        : <Meter used={spend.used} limit={spend.limit} label={words.spentThisMonth} />)}
      {!requests && !tokens && !spend && <p class="muted">{words.noBudget}</p>}
      {note && <p class="ending warning">{note}</p>}
    </div>
  );
}
