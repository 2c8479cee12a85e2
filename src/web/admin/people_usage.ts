/** People and what each used today. */
import type { PersonJson, UsageDayJson } from "../../wire/admin.ts";
import type { Page } from "../page.ts";

/** People whose figures are loaded: each takes a request. */
export const MAX_PEOPLE = 100;

export async function fetchPeople(page: Page): Promise<readonly PersonJson[]> {
  return (await page.gateway.get<{ people: PersonJson[] }>("/api/admin/people")).people;
}

/** Loads today's usage of the first {@linkcode MAX_PEOPLE} people, one after the other. */
export async function fetchUsageToday(
  page: Page,
  people: readonly PersonJson[],
  onUsage: (person: PersonJson, day: UsageDayJson | undefined) => void,
): Promise<void> {
  const today = new Date().toISOString().slice(0, 10);
  for (const person of people.slice(0, MAX_PEOPLE)) {
    const { days } = await page.gateway.get<{ days: UsageDayJson[] }>(
      `/api/admin/people/${encodeURIComponent(person.id)}/usage`,
    );
    onUsage(person, days.find(({ day }) => day === today));
  }
}
