/**
 * These are all model APIs of the configuration, on the roster: who is new joins, who is gone
 * leaves, who changed goes on with what is new.
 */
import type { Roster } from "../../core/roster.ts";
import type { BudgetUse } from "./budget.ts";
import type { UpstreamSettings } from "./settings.ts";
import { Upstream, type UpstreamParts } from "./upstream.ts";

export class Upstreams {
  readonly #parts: UpstreamParts;
  readonly #roster: Roster;
  readonly #present = new Map<string, { bot: Upstream; leave: () => void; settings: string }>();
  readonly #leaving = new Set<Promise<void>>();

  constructor(parts: Omit<UpstreamParts, "changed"> & { readonly roster: Roster }) {
    this.#roster = parts.roster;
    this.#parts = { ...parts, changed: () => this.#roster.changed() };
  }

  /**
   * Takes over what stands in the configuration now. A bot that is gone answers what it has begun.
   */
  set(all: Readonly<Record<string, UpstreamSettings>>): void {
    for (const [id, { bot, leave }] of this.#present) {
      if (Object.hasOwn(all, id)) continue;
      leave();
      this.#present.delete(id);
      const left = bot.leave().finally(() => this.#leaving.delete(left));
      this.#leaving.add(left);
    }
    for (const [id, settings] of Object.entries(all)) {
      const text = JSON.stringify(settings);
      const known = this.#present.get(id);
      if (known?.settings === text) continue;
      if (known) {
        known.bot.configure(settings);
        known.settings = text;
        continue;
      }
      const bot = new Upstream(id, settings, this.#parts);
      this.#present.set(id, { bot, leave: this.#roster.join(bot), settings: text });
    }
  }

  get(id: string): Upstream | undefined {
    return this.#present.get(id)?.bot;
  }

  /** Every model API and what is used of its budget. */
  budgets(): Promise<({ botId: string; name: string; note?: string } & BudgetUse)[]> {
    return Promise.all([...this.#present].map(async ([botId, { bot }]) => (
      { botId, name: bot.bot.name, note: bot.note, ...await bot.used() }
    )));
  }

  /** What is wrong with which of them, in lines for admins. */
  troubles(): string[] {
    return [...this.#present].flatMap(([id, { bot: { note } }]) =>
      note === undefined ? [] : [`bot ${id}: ${note}`]
    );
  }

  /** Stops every call. Resolves when no socket is held any more. */
  async close(): Promise<void> {
    const bots = [...this.#present.values()];
    this.#present.clear();
    for (const { leave } of bots) leave();
    await Promise.all([...bots.map(({ bot }) => bot.close()), ...this.#leaving]);
    this.#parts.http.close();
  }
}
