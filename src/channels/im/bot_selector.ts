/**
 * Selects the bot that answers in a chat: the person's choice, else that of the first matching
 * rule, else the app's bot, else the bot that the message mentions, else any.
 */
import { mentioned } from "../../core/mention.ts";
import type { Person } from "../../core/message.ts";
import type { Store } from "../../core/store.ts";
import type { GatewayPort } from "./gateway_port.ts";
import type { Departments } from "./departments.ts";
import { firstRule, needDepartments } from "./rules.ts";
import type { ChatAppSettings } from "./settings.ts";
import type { Incoming } from "./platform.ts";
import type { ListedBot } from "./words.ts";

export interface BotSelectorParts {
  readonly store: Store;
  readonly gateway: Pick<GatewayPort, "bots" | "knownBots" | "conversationBot">;
  readonly settings: Pick<ChatAppSettings, "bot" | "rules">;
  readonly departments: Departments;
  /** The key under which a choice is stored. */
  readonly key: (incoming: Incoming) => string;
}

export class BotSelector {
  constructor(private readonly parts: BotSelectorParts) {}

  /** Returns the target of a question, and its text without the mention of a bot at its start. */
  async of(
    incoming: Incoming,
    person: Person,
  ): Promise<{ readonly target?: string; readonly text: string }> {
    const text = incoming.text.trim();
    const target = await this.#set(incoming);
    if (target !== undefined) return { target, text };
    const { gateway } = this.parts;
    const named = mentioned(text, gateway.knownBots?.(person) ?? gateway.bots(person));
    // A message of a name alone is a message, not a mention.
    return named && (named.text !== "" || incoming.images.length > 0) ? named : { text };
  }

  /** Chooses a bot or pool by id, pool or name. Returns `undefined` where there is none. */
  async choose(incoming: Incoming, person: Person, name: string): Promise<string | undefined> {
    const wanted = name.replace(/^@/, "").toLowerCase();
    const bots = this.parts.gateway.bots(person);
    const is = (called: string | undefined) => called?.toLowerCase() === wanted;
    // Names come last: a bot may have chosen another bot's id as its name.
    const bot = bots.find(({ id }) => is(id)) ?? bots.find(({ pool }) => is(pool)) ??
      bots.find(({ name }) => is(name));
    if (!bot) return undefined;
    await this.parts.store.set(this.parts.key(incoming), {
      bot: !is(bot.id) && is(bot.pool) ? bot.pool : bot.id,
    });
    return bot.name;
  }

  async chooseNone(incoming: Incoming): Promise<void> {
    await this.parts.store.delete(this.parts.key(incoming));
  }

  /**
   * Returns the bots that a person may use. `chosen` marks the bot that answers: the target, or the
   * one that the conversation has among those of a pool, or of all.
   */
  async list(
    incoming: Incoming,
    person: Person,
    conversationId: string | undefined,
  ): Promise<ListedBot[]> {
    const { gateway } = this.parts;
    const target = await this.#set(incoming);
    const bots = gateway.bots(person);
    const own = conversationId === undefined
      ? undefined
      : await gateway.conversationBot?.(person, conversationId);
    const isMeant = (bot: typeof bots[number]) =>
      target === undefined || bot.id === target || bot.pool === target;
    const meant = bots.filter((bot) => bot.id === target).concat(bots.filter(isMeant));
    const one = bots.some(({ id }) => id === target)
      ? target
      : meant.find(({ id }) => id === own)?.id;
    return bots.map((bot) => ({
      id: bot.id,
      name: bot.name,
      chosen: one === undefined ? target !== undefined && isMeant(bot) : bot.id === one,
    }));
  }

  async #set(incoming: Incoming): Promise<string | undefined> {
    const { store, settings, departments } = this.parts;
    const chosen = await store.get(this.parts.key(incoming));
    if (chosen) return chosen.bot;
    const own = needDepartments(settings.rules) ? await departments.of(incoming) : [];
    return firstRule(settings.rules, incoming, own)?.bot ?? settings.bot;
  }
}
