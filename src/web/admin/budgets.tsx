/** This is what people and model APIs used, against what they may. */
import type { JSX } from "preact";
import { sanitizeName } from "../bot_name.ts";
import { BotName } from "../view/parts.tsx";
import { ErrorNote, Meter, Table, useAdminWords, usePolling } from "./parts.tsx";

interface Person {
  readonly id: string;
  readonly name: string;
  readonly limits: Readonly<Record<string, number>>;
}

interface Day {
  readonly day: string;
  readonly messages: number;
  readonly imageBytes: number;
  readonly turns: number;
  readonly units: number;
}

interface Model {
  readonly botId: string;
  readonly name: string;
  readonly note?: string;
  readonly requests?: { readonly used: number; readonly limit: number };
  readonly tokens?: { readonly used: number; readonly limit: number };
  readonly spend?: { readonly used: number; readonly limit?: number };
}

/** Beyond a hundred people the figures of each would be a request too many. */
const MOST = 100;
const MB = 1 << 20;

export function Budgets(): JSX.Element {
  const words = useAdminWords();
  const people = usePolling(async (page) => {
    const [{ people }, { limits }] = await Promise.all([
      page.gateway.get<{ people: Person[] }>("/api/admin/people"),
      page.gateway.get<{ limits: Record<string, number> }>("/api/admin/state"),
    ]);
    const today = new Date().toISOString().slice(0, 10);
    const rows: {
      person: Person;
      limits: Readonly<Record<string, number>>;
      day: Day | undefined;
    }[] = [];
    for (const person of people.slice(0, MOST)) {
      const path = `/api/admin/people/${encodeURIComponent(person.id)}/usage`;
      const { days } = await page.gateway.get<{ days: Day[] }>(path);
      rows.push({
        person,
        limits: { ...limits, ...person.limits },
        day: days.find(({ day }) => day === today),
      });
    }
    return { rows, more: people.length > MOST };
  }, 15_000);
  const models = usePolling(
    async (page) => (await page.gateway.get<{ models: Model[] }>("/api/admin/models")).models,
    5000,
  );
  return (
    <>
      <ErrorNote text={people.failed.value ?? models.failed.value} />
      {!!models.found.value?.length && (
        <section>
          <h2>{words.models}</h2>
          <div class="meters">
            {models.found.value.map((model) => <ModelBudget key={model.botId} model={model} />)}
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
          empty={!people.found.value?.rows.length}
        >
          {people.found.value?.rows.map(({ person, limits, day }) => (
            <tr key={person.id}>
              <th scope="row">
                <bdi>{sanitizeName(person.name)}</bdi>
                <bdi class="muted">{person.id}</bdi>
              </th>
              <td>
                <Used
                  used={day?.messages ?? 0}
                  limit={limits.messagesPerDay}
                  label={words.messages}
                />
              </td>
              <td>
                <Used
                  used={(day?.imageBytes ?? 0) / MB}
                  limit={limits.imageBytesPerDay === undefined
                    ? undefined
                    : limits.imageBytesPerDay / MB}
                  label={words.images}
                  unit="MB"
                />
              </td>
              <td class="tabular">{day?.turns ?? 0}</td>
              <td class="tabular">{(day?.units ?? 0).toLocaleString()}</td>
              <td class="muted">
                {[
                  limits.messagesPerMinute &&
                  `${limits.messagesPerMinute} ${words.limit.messagesPerMinute}`,
                  limits.turnsAtOnce && `${limits.turnsAtOnce} ${words.limit.turnsAtOnce}`,
                ].filter(Boolean).join(" · ")}
              </td>
            </tr>
          ))}
        </Table>
        {people.found.value?.more && <p class="muted">{words.firstPeople(MOST)}</p>}
      </section>
    </>
  );
}

/** With a limit as a bar, without one as a figure. */
function Used({ used, limit, label, unit = "" }: {
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

function ModelBudget({ model }: { model: Model }): JSX.Element {
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
