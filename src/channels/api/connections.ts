/**
 * Every connection to the outside in one list: apps on chat platforms, model APIs, ways to sign in,
 * bots. It joins how each does now with what the last check found, for the admin page,
 * `/readyz?verbose` and `/metrics`.
 */
import { z } from "zod";
import type { ConnectionJson, ConnectionsJson, FindingJson } from "../../wire/admin.ts";
import type { BotReport } from "../../core/bot_monitor.ts";
import type { Checkup } from "../../core/checkup.ts";
import type { Observer } from "../../core/observer.ts";
import type { AppView } from "../im/apps.ts";
import { admins, defineRoute } from "../http/route.ts";
import type { Router } from "../http/router.ts";

const time = z.number().meta({ description: "Milliseconds since the epoch" }).optional();
const words = z.object({ en: z.string(), zh: z.string() });

const finding = z.object({
  path: z.string().meta({ description: "The setting, such as `channels.feishu.main.appSecret`" }),
  level: z.enum(["error", "hint"]).meta({ description: "`hint`: it could not be asked" }),
  what: words,
  todo: words.meta({ description: "What to do, with the page of the vendor's console" }),
  url: z.string().optional(),
  said: z.string().optional().meta({ description: "The code or the words of the service itself" }),
}).meta({ id: "Finding" }) satisfies z.ZodType<FindingJson>;

export const connectionView = z.object({
  kind: z.enum(["app", "model", "signIn", "bot"]),
  id: z.string().meta({ description: "Its place in the configuration, or the bot's id" }),
  connected: z.boolean().optional().meta({
    description: "Absent: it holds no connection, or has not been seen",
  }),
  since: time,
  lastOkAt: time.meta({ description: "When something last came from it, or an answer went well" }),
  lastError: z.object({ at: time, code: z.string(), words: z.string().optional() }).optional(),
  checkedAt: time,
  findings: z.array(finding),
}).meta({ id: "Connection" }) satisfies z.ZodType<ConnectionJson>;

export type ConnectionView = z.infer<typeof connectionView>;

const connectionsView = z.object({
  connections: z.array(connectionView),
  checkedAt: time.meta({ description: "When the last check of all ended" }),
  checking: z.boolean(),
}).meta({ id: "Connections" }) satisfies z.ZodType<ConnectionsJson>;

const common = { tag: "admin", ...admins } as const;

export const connectionRoutes = {
  connections: defineRoute({
    ...common,
    method: "get",
    path: "/api/admin/connections",
    summary:
      "Apps, model APIs, ways to sign in and bots: how each does, and what its last check found.",
    ok: connectionsView,
  }),
  check: defineRoute({
    ...common,
    method: "post",
    path: "/api/admin/connections/check",
    summary:
      "Try every app, model API and way to sign in once more. Within 10 s of the last check its result is answered.",
    ok: connectionsView,
  }),
} as const;

export interface ConnectionParts {
  readonly checkup: Checkup;
  readonly apps: () => readonly AppView[];
  readonly bots: () => readonly BotReport[];
}

/** The list: what is wrong first within each kind stays the page's business. */
export function connectionsOf({ checkup, apps, bots }: ConnectionParts): ConnectionView[] {
  const rows = new Map<string, ConnectionView>();
  for (const { target, at, findings } of checkup.results) {
    const [first] = target.split(".");
    const kind = first === "bots"
      ? "model" as const
      : first === "signIn"
      ? "signIn" as const
      : "app" as const;
    rows.set(target, {
      kind,
      id: target,
      checkedAt: at,
      findings: findings.map((one) => ({ ...one })),
    });
  }
  for (const { platform, name, connected, connectedSince, lastEventAt, lastError } of apps()) {
    const id = `channels.${platform}.${name}`;
    const known = rows.get(id) ?? { kind: "app", id, findings: [] };
    // An app that is called holds no connection.
    const isHeld = !connected || connectedSince !== undefined;
    rows.set(id, {
      ...known,
      connected: isHeld ? connected : undefined,
      since: connectedSince,
      lastOkAt: lastEventAt,
      lastError,
    });
  }
  for (const { id, wire, state, since, succeededAt, failedAt, failure, note, why } of bots()) {
    const isModel = wire === "model";
    const key = isModel ? `bots.${id}` : `bot ${id}`;
    const known = rows.get(key) ??
      { kind: isModel ? "model" : "bot", id: isModel ? key : id, findings: [] };
    const isAway = state === "offline" || state === "resting";
    const words = note ?? why;
    const lastError = failedAt === undefined
      ? (isAway && words !== undefined ? { code: state, words } : undefined)
      : { at: failedAt, code: failure!, words };
    rows.set(key, { ...known, connected: !isAway, since, lastOkAt: succeededAt, lastError });
  }
  return [...rows.values()];
}

export function mountConnections(
  routes: Router,
  parts: ConnectionParts & { readonly observer: Observer },
): void {
  const { checkup, observer } = parts;
  const view = () => ({
    connections: connectionsOf(parts),
    checkedAt: checkup.at,
    checking: checkup.running,
  });

  routes.on(connectionRoutes.connections, view);

  routes.on(connectionRoutes.check, async ({ caller, address }) => {
    const act = {
      who: caller.person.id,
      did: "connections_checked",
      whom: "connections",
      from: address,
    };
    if (await checkup.again()) observer.tell({ type: "acted", act });
    return view();
  });
}
