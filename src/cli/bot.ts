/**
 * `nexus bot token`: tokens that belong to one bot. A running gateway knows of a change within
 * seconds and closes the bot's socket.
 */
import { createHash } from "node:crypto";
import type { Config } from "../config/config.ts";
import { Accounts } from "../core/people/accounts.ts";
import { Audit } from "../core/people/audit.ts";
import { reservedByModels } from "../core/bot_admission.ts";
import { reserveNames } from "../core/bot_name.ts";
import { type BotToken, BotTokens } from "../core/people/bot_token.ts";
import { systemClock } from "../core/clock.ts";
import { NexusError } from "../core/error.ts";
import { silentObserver } from "../core/observer.ts";
import type { Store } from "../core/store.ts";
import { readOptions } from "./command.ts";
import { withStore } from "./store.ts";

const USAGE = `Usage: nexus bot token list             [--dir DIR] [--json]
       nexus bot token make BOT_ID      [--overlap MINUTES] [--pool POOL]… [--owner NAME]
       nexus bot token revoke BOT_ID

A bot with a token of its own connects with that token only, and nobody else can use its id.
\`make\` again rotates it; with --overlap the old token stays valid for that long. The token is
printed once.

--pool (may be repeated) names a pool that the bot may join; the common token no longer opens that
pool. Without it, a bot that had pools keeps them, and a new one has none.

--owner says whose bot it is, by name or id: the token is valid only while that person's account is
active. --owner - removes the owner.`;

export async function bot(args: readonly string[]): Promise<number> {
  const read = readOptions(
    args,
    {
      dir: { type: "string", default: "." },
      json: { type: "boolean" },
      overlap: { type: "string", default: "0" },
      pool: { type: "string", multiple: true },
      owner: { type: "string" },
    },
    USAGE,
    3,
  );
  if (typeof read === "number") return read;
  const { values, positionals: [noun, verb, botId] } = read;
  const known = verb === "list"
    ? botId === undefined
    : ["make", "revoke"].includes(verb ?? "") && botId !== undefined;
  if (noun !== "token" || !known || !/^\d{1,5}$/.test(values.overlap)) {
    console.error(USAGE);
    return 2;
  }
  return await withStore(values.dir, values.json, async (store, config) => {
    const clock = systemClock;
    const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
    const tokens = new BotTokens({ store, clock, sha256 });
    await tokens.load();
    if (verb === "list") {
      const list = tokens.list();
      return {
        text: list.map(lineOf).join("\n"),
        json: list,
      };
    }
    const reserved = reserveNames(reservedByModels(config.bots));
    const audit = new Audit({ store, clock, node: "cli" });
    const done = (did: string) => {
      audit.write({ who: "command line", did, whom: botId, detail: values.pool?.join(",") });
      return audit.settled();
    };
    if (verb === "revoke") {
      if (!await tokens.revoke(botId!)) {
        throw new NexusError("not_found", `${botId} has no token of its own`);
      }
      await done("bot_token_revoked");
      return { text: `${botId}: token revoked`, json: { botId, revoked: true } };
    }
    const overlap = Number(values.overlap) * 60_000;
    const owner = values.owner === undefined || values.owner === "-"
      ? values.owner && null
      : await ownerOf(store, config, values.owner);
    const token = await tokens.make(botId!, "command line", {
      overlap,
      pools: values.pool,
      owner,
      reserved,
    });
    await done("bot_token_made");
    return { text: `${botId}: ${token}\n(shown only now)`, json: { botId, token } };
  });
}

function lineOf(
  { botId, createdAt, by, pools = [], owner, locked }: Omit<BotToken, "hash" | "old">,
): string {
  return [
    botId,
    new Date(createdAt).toISOString(),
    by,
    ...(owner === undefined ? [] : [`owner ${owner}`]),
    ...(locked ? ["locked: its owner was removed"] : []),
    ...pools.map((pool) => `pool ${pool}`),
  ].join("  ");
}

/** The id of somebody who may come in, by their name or id. */
async function ownerOf(store: Store, config: Config, name: string): Promise<string> {
  const accounts = new Accounts({ store, clock: systemClock, observer: silentObserver });
  try {
    await accounts.load();
    await accounts.replace(config.users);
    const found = accounts.person(accounts.find(name)?.id ?? "");
    if (!found) {
      throw new NexusError("not_found", `there is nobody with the name ${name} who may come in`);
    }
    return found.id;
  } finally {
    accounts.close();
  }
}
