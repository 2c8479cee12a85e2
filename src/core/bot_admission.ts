/**
 * The rules for which bot may register, under which id and in which pool. The token decides: the
 * common token admits every id and pool that is not reserved; a bot's own token admits that bot's
 * id and the pools named when the token was made.
 *
 * The rules prevent that a bot takes the name of another bot, for itself or its pool, and is then
 * given the other's messages.
 */
import { DEMO, lookAlike, type ReservedNames, reserveNames } from "./bot_name.ts";
import { type BotTokens, type CommonTokens, reservedByTokens } from "./people/bot_token.ts";
import type { Bot } from "./link.ts";

/** Why a bot is rejected. */
export interface BotRefusal {
  /** Sent to the bot. OpenClaw Nexus 1.x sends `Invalid token`. */
  readonly error: string;
  /**
   * `token`: the token is not valid here. `name`: the bot may not use this id or pool. `taken`: the
   * name is in use at the moment and may be free later.
   */
  readonly wrong: "token" | "name" | "taken";
}

/** What a bot registers with. */
export interface BotClaim {
  readonly botId: string;
  readonly token: string;
  readonly pool?: string;
}

export interface BotAdmissionParts {
  readonly tokens: BotTokens;
  /** The common tokens. */
  readonly common: () => CommonTokens;
  /** Model APIs of the configuration, by bot id. */
  readonly models: () => Readonly<Record<string, { readonly pool?: string }>>;
  /** The bots connected now. */
  readonly present: () => Iterable<Pick<Bot, "id" | "pool">>;
}

export class BotAdmission {
  readonly #parts: BotAdmissionParts;
  /** The reserved names, and what they were derived from. */
  #fixed:
    | { readonly models: object; readonly tokens: object; readonly reserved: ReservedNames }
    | undefined;

  constructor(parts: BotAdmissionParts) {
    this.#parts = parts;
  }

  /** Why this bot is rejected; nothing where it is admitted. */
  refuse(claim: BotClaim): BotRefusal | undefined {
    const { tokens, common, models } = this.#parts;
    const { botId, token } = claim;
    if (botId === DEMO) return name(`Bot id "${DEMO}" is taken by the built-in bot`);
    if (Object.hasOwn(models(), botId)) {
      return name(`Bot id ${show(botId)} is taken by the configuration`);
    }
    // The text is that of OpenClaw Nexus 1.x.
    if (!tokens.accepts(botId, token, common())) return { error: "Invalid token", wrong: "token" };
    return this.#refuseFixed(claim) ?? this.#refuseTaken(claim);
  }

  /** Whether a token is valid for any bot; checked at the upgrade. */
  isKnownToken(token: string): boolean {
    return this.#parts.tokens.isKnown(token, this.#parts.common());
  }

  /** The names reserved by the program, the configuration and tokens. */
  reserved(): ReservedNames {
    const models = this.#parts.models(), tokens = this.#parts.tokens.byBot;
    if (this.#fixed?.models !== models || this.#fixed.tokens !== tokens) {
      this.#fixed = {
        models,
        tokens,
        reserved: reserveNames([...reservedByTokens(tokens), ...reservedByModels(models)]),
      };
    }
    return this.#fixed.reserved;
  }

  /**
   * Model APIs as they join the roster, and which of them lose their pool: a pool that is the id of
   * a bot with a token of its own would be given that bot's messages.
   */
  joinable<T extends { readonly pool?: string }>(models: Readonly<Record<string, T>>): {
    models: Record<string, T>;
    without: { botId: string; pool: string }[];
  } {
    const without: { botId: string; pool: string }[] = [];
    const joining = Object.entries(models).map(([botId, model]): [string, T] => {
      if (model.pool === undefined || !this.#parts.tokens.byBot.has(model.pool)) {
        return [botId, model];
      }
      without.push({ botId, pool: model.pool });
      return [botId, { ...model, pool: undefined }];
    });
    return { models: Object.fromEntries(joining), without };
  }

  #refuseFixed({ botId, pool }: BotClaim): BotRefusal | undefined {
    const reserved = this.reserved();
    const { ids, pools } = reserved;
    const own = this.#parts.tokens.byBot.get(botId);
    const owner = pools.get(botId);
    if (owner !== undefined) return name(`Bot id ${show(botId)} is a pool of ${owner}`);
    const other = lookAlike(botId, reserved);
    if (other !== undefined) return name(`Bot id ${show(botId)} looks like ${show(other)}`);
    if (pool === undefined) return undefined;
    if (pool === botId || ids.has(pool)) return name(`Pool ${show(pool)} is the id of a bot`);
    if (own?.pools?.includes(pool)) return undefined;
    if (own) return name(`Pool ${show(pool)} is not one that this bot's token opens`);
    const whose = pools.get(pool);
    if (whose !== undefined) return name(`Pool ${show(pool)} is reserved by ${whose}`);
    const like = lookAlike(pool, reserved);
    return like === undefined ? undefined : name(`Pool ${show(pool)} looks like ${show(like)}`);
  }

  /** A name that is not reserved belongs to the bot that registers it first. */
  #refuseTaken({ botId, pool }: BotClaim): BotRefusal | undefined {
    for (const bot of this.#parts.present()) {
      if (bot.id === botId) continue;
      if (bot.pool === botId) {
        return { error: `Bot id ${show(botId)} is in use as the name of a pool`, wrong: "taken" };
      }
      if (pool !== undefined && bot.id === pool) {
        return { error: `Pool ${show(pool)} is in use as the id of a bot`, wrong: "taken" };
      }
    }
    return undefined;
  }
}

/** The names that model APIs reserve. */
export function reservedByModels(models: Readonly<Record<string, { readonly pool?: string }>>) {
  return Object.entries(models).map(([id, { pool }]) => (
    { id, pools: pool === undefined ? [] : [pool], by: "the configuration" }
  ));
}

function name(error: string): BotRefusal {
  return { error, wrong: "name" };
}

function show(text: string): string {
  return JSON.stringify(text);
}
