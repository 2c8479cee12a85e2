/**
 * What admins see and do over HTTP: people, sessions, keys, bots and their tokens, turns in flight,
 * the state of things, the audit log. To everybody else these routes do not exist. Every change is
 * told to the audit log. Nothing here shows what people said.
 */
import type { z } from "zod";
import type { Accounts } from "../../core/people/accounts.ts";
import type { AccountView } from "../../core/people/account_view.ts";
import type { Allowance, Allowances } from "../../core/people/allowance.ts";
import type { ApiKeys } from "../../core/people/api_key.ts";
import type { Audit } from "../../core/people/audit.ts";
import type { ReservedNames } from "../../core/bot_name.ts";
import type { BotTokens } from "../../core/people/bot_token.ts";
import { NexusError } from "../../core/error.ts";
import type { Gateway } from "../../core/gateway.ts";
import type { Observer } from "../../core/observer.ts";
import type { Sessions } from "../../core/people/session.ts";
import type { Turn } from "../../core/turn.ts";
import { keyViewOf } from "./account.ts";
import { adminRoutes, type modelView, type turnView } from "./admin_routes.ts";
import type { RouteCall, Router } from "../http/router.ts";

export interface AdminParts {
  readonly gateway: Gateway;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly keys: ApiKeys;
  readonly allowances: Allowances;
  readonly audit: Audit;
  readonly botTokens: BotTokens;
  /** Names that no token may take. */
  readonly reserved: () => ReservedNames;
  /** Asks again which of the connected bots may stay. */
  readonly recheck: () => void;
  /** Removes a person and everything that is theirs. */
  readonly remove: (personId: string) => Promise<void>;
  /** Closes a bot's socket; whether there was one. */
  readonly dismiss: (botId: string) => boolean;
  readonly observer: Observer;
  /** The model APIs and what is used of their budgets. */
  readonly models: () => Promise<z.infer<typeof modelView>[]>;
  /** What everybody may ask. */
  readonly limits: () => Allowance;
  readonly troubles: () => readonly string[];
}

export function mountAdmin(routes: Router, parts: AdminParts): void {
  onPeople(routes, parts);
  onAccess(routes, parts);
  onBots(routes, parts);

  routes.on(adminRoutes.state, () => {
    const { gateway, sessions, accounts } = parts;
    return {
      troubles: parts.troubles(),
      draining: gateway.draining,
      answering: gateway.answering,
      waiting: gateway.waiting,
      bots: gateway.roster.list().length,
      sessions: sessions.size,
      people: accounts.list().length,
      limits: parts.limits(),
    };
  });

  routes.on(adminRoutes.audit, async (call) => {
    const { before, limit } = call.query();
    return { lines: await parts.audit.entries(before, limit) };
  });
}

/** Tells the audit log what an admin did. */
function told(
  { observer }: AdminParts,
  { caller, address }: RouteCall,
  did: string,
  whom: string,
  detail?: string,
): void {
  observer.tell({
    type: "acted",
    act: { who: caller!.person.id, did, whom, from: address, detail },
  });
}

/** The person that a route names. */
function named({ accounts }: AdminParts, id: string): AccountView {
  const view = accounts.view(id);
  if (!view) throw new NexusError("not_found");
  return view;
}

function onPeople(routes: Router, parts: AdminParts): void {
  const { accounts, sessions } = parts;

  routes.on(adminRoutes.people, () => ({ people: accounts.list() }));

  routes.on(adminRoutes.addPerson, async (call) => {
    const { id, username = id, ...fields } = await call.body();
    if (username === undefined) throw new NexusError("invalid", "username: must be a name");
    call.refuseKeyForAdmin(fields.role);
    const view = await accounts.editor.add(username, fields);
    told(parts, call, "person_added", view.id, view.role);
    return view;
  });

  routes.on(adminRoutes.person, (call) => named(parts, call.param("id")));

  routes.on(adminRoutes.changePerson, async (call) => {
    const { id, role } = named(parts, call.param("id"));
    const fields = await call.body();
    call.refuseKeyForAdmin(role, fields.role);
    const view = await accounts.editor.change(id, fields);
    if (fields.password !== undefined || fields.disabled) await sessions.endOf(id, {});
    told(parts, call, "person_changed", id, Object.keys(fields).join(","));
    return view;
  });

  routes.on(adminRoutes.removePerson, async (call) => {
    const { id, role } = named(parts, call.param("id"));
    call.refuseKeyForAdmin(role);
    await parts.remove(id);
    told(parts, call, "person_removed", id);
    return { success: true };
  });

  routes.on(adminRoutes.removed, () => {
    const barred = accounts.tombstones.list().filter((tombstone) => tombstone.barred);
    return { removed: barred.map(({ username, at }) => ({ username, at })) };
  });

  routes.on(adminRoutes.allowAgain, async (call) => {
    const username = call.param("username");
    if (!await accounts.editor.allow(username)) throw new NexusError("not_found");
    told(parts, call, "person_allowed", username);
    return { success: true };
  });
}

/** How people come in: their sessions, keys and second factor; and what they use. */
function onAccess(routes: Router, parts: AdminParts): void {
  const { accounts, sessions, keys, allowances } = parts;

  routes.on(adminRoutes.sessions, async (call) => {
    const found = await sessions.of(named(parts, call.param("id")).id);
    return {
      sessions: found.map(({ id, createdAt, lastSeenAt, expiresAt, agent, address }) => ({
        id,
        createdAt,
        lastSeenAt,
        expiresAt,
        agent,
        address,
      })),
    };
  });

  routes.on(adminRoutes.endSessions, async (call) => {
    const { id, role } = named(parts, call.param("id"));
    call.refuseKeyForAdmin(role);
    const ended = await sessions.endOf(id, {});
    told(parts, call, "sessions_ended", id);
    return { ended };
  });

  routes.on(adminRoutes.keys, async (call) => ({
    keys: (await keys.of(named(parts, call.param("id")).id)).map(keyViewOf),
  }));

  routes.on(adminRoutes.revokeKeys, async (call) => {
    const { id, role } = named(parts, call.param("id"));
    call.refuseKeyForAdmin(role);
    const revoked = await keys.revoke(id);
    told(parts, call, "keys_revoked", id);
    return { revoked };
  });

  routes.on(adminRoutes.revokeKey, async (call) => {
    const { id, role } = named(parts, call.param("id"));
    call.refuseKeyForAdmin(role);
    const key = call.param("key");
    if (await keys.revoke(id, key) === 0) throw new NexusError("not_found");
    told(parts, call, "key_revoked", id, key);
    return { success: true };
  });

  routes.on(adminRoutes.dropFactor, async (call) => {
    const { id, role } = named(parts, call.param("id"));
    call.refuseKeyForAdmin(role);
    await accounts.secondFactors.remove(id);
    told(parts, call, "second_factor_removed", id);
    return { success: true };
  });

  routes.on(
    adminRoutes.usage,
    async (call) => ({ days: await allowances.usage(named(parts, call.param("id")).id) }),
  );
}

function onBots(routes: Router, parts: AdminParts): void {
  const { gateway, accounts, botTokens } = parts;

  routes.on(adminRoutes.models, async () => ({ models: await parts.models() }));

  routes.on(adminRoutes.turns, () => ({ turns: gateway.running().map(turnViewOf) }));

  routes.on(adminRoutes.cancelTurn, async (call) => {
    const asked = call.param("id");
    const turn = gateway.running().find(({ id }) => id === asked);
    if (!turn) throw new NexusError("not_found");
    told(parts, call, "turn_cancelled", turn.message.person.id, turn.id);
    const confirmed = await gateway.cancel(turn);
    return { status: turn.ending!.status, confirmed };
  });

  routes.on(adminRoutes.disconnectBot, (call) => {
    const id = call.param("id");
    if (!parts.dismiss(id)) throw new NexusError("not_found");
    told(parts, call, "bot_disconnected", id);
    return { success: true };
  });

  routes.on(adminRoutes.botTokens, () => ({ tokens: botTokens.list() }));

  routes.on(adminRoutes.makeBotToken, async (call) => {
    const { botId, overlapMinutes, pools, owner } = await call.body();
    if (owner && !accounts.person(owner)) {
      throw new NexusError("invalid", "owner: must be somebody who may come in");
    }
    const overlap = overlapMinutes * 60_000, { id } = call.caller.person;
    const token = await botTokens.make(botId, id, {
      overlap,
      pools,
      owner,
      reserved: parts.reserved(),
    });
    // A bot that came in by the common token, or by one that is no longer good, comes in again by
    // the new one.
    if (overlapMinutes === 0) parts.dismiss(botId);
    parts.recheck();
    told(parts, call, "bot_token_made", botId, pools?.join(","));
    return { botId, token };
  });

  routes.on(adminRoutes.revokeBotToken, async (call) => {
    const botId = call.param("id");
    if (!await botTokens.revoke(botId)) throw new NexusError("not_found");
    parts.dismiss(botId);
    told(parts, call, "bot_token_revoked", botId);
    return { success: true };
  });
}

function turnViewOf(turn: Turn): z.infer<typeof turnView> {
  const { id, message, bot, state, queuePosition, at, firstAt, reply } = turn;
  return {
    id,
    personId: message.person.id,
    botId: bot?.id,
    channel: message.channel,
    state,
    place: queuePosition,
    at,
    firstAt,
    units: reply.length,
  };
}
