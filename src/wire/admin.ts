/**
 * The JSON of the admin pages. There is no code here. Times are milliseconds since 1970.
 */
import type { IdentityJson, LinkedIdentityJson } from "./account.ts";

/** `GET /api/admin/state`. */
export interface GatewayStateJson {
  readonly troubles: readonly string[];
  readonly draining: boolean;
  readonly answering: number;
  readonly waiting: number;
  readonly bots: number;
  readonly sessions: number;
  readonly people: number;
  readonly limits: LimitsJson;
}

/** Limits by name. */
export type LimitsJson = Readonly<Partial<Record<string, number>>>;

/** A person, as `GET /api/admin/people` lists it. */
export interface PersonJson {
  readonly id: string;
  readonly name: string;
  readonly role: "admin" | "member";
  readonly bots?: readonly string[];
  /** `config`, `store`, the provider that vouches, or `former`. */
  readonly source: string;
  readonly disabled: boolean;
  readonly totp: boolean;
  readonly limits: LimitsJson;
}

/** What a person used on one day. */
export interface UsageDayJson {
  /** `2026-11-28`. */
  readonly day: string;
  readonly messages: number;
  readonly imageBytes: number;
  readonly turns: number;
  /** UTF-16 units of the answers. */
  readonly units: number;
}

/** A turn that is running now, without its text. */
export interface RunningTurnJson {
  readonly id: string;
  readonly personId: string;
  readonly botId?: string;
  readonly channel: string;
  readonly state: string;
  /** The position in the queue. */
  readonly place?: number;
  readonly at: number;
  /** UTF-16 units of the answer so far. */
  readonly units: number;
}

/** A bot's token, without the token itself. */
export interface BotTokenJson {
  readonly botId: string;
  readonly createdAt: number;
  readonly by: string;
  readonly owner?: string;
  /** The owner was removed. */
  readonly locked?: boolean;
  /** Until then the previous token is accepted, too. */
  readonly oldUntil?: number;
}

/** An entry of the audit log. */
export interface AuditEntryJson {
  readonly n: number;
  readonly at: number;
  readonly who: string;
  readonly did: string;
  readonly whom?: string;
  readonly from?: string;
  readonly detail?: string;
}

/** The budget of a model API, as `GET /api/admin/models` lists it. */
export interface ModelBudgetJson {
  readonly botId: string;
  readonly name: string;
  readonly note?: string;
  /** In this minute. */
  readonly requests?: { readonly used: number; readonly limit: number };
  /** In this minute. */
  readonly tokens?: { readonly used: number; readonly limit: number };
  /** In this month. */
  readonly spend?: { readonly used: number; readonly limit?: number };
}

/** `GET /api/admin/channels`: the apps on chat platforms and their send budgets. */
export interface ChannelsJson {
  readonly apps: readonly ChatAppJson[];
  readonly budgets: readonly SendBudgetJson[];
}

export interface ChatAppJson {
  readonly platform: string;
  readonly name: string;
  readonly connected: boolean;
  /** Answers that are being sent now. */
  readonly open: number;
  readonly answers: number;
  readonly calls: number;
}

/** What one scope of a platform may still send. */
export interface SendBudgetJson {
  readonly key: string;
  readonly windows: readonly {
    readonly limit: number;
    /** Milliseconds. */
    readonly per: number;
    readonly used: number;
  }[];
  readonly quota?: { readonly limit: number; readonly used: number; readonly period: string };
  /** Milliseconds. */
  readonly closedFor: number;
  readonly waiting: number;
}

/** `GET /api/admin/pairings`. */
export interface PairingsJson {
  readonly waiting: readonly {
    readonly code: string;
    readonly who: IdentityJson;
    readonly at: number;
  }[];
  readonly bound: readonly (LinkedIdentityJson & { readonly account: string })[];
}

/** `GET /api/admin/connections`. */
export interface ConnectionsJson {
  readonly connections: readonly ConnectionJson[];
  readonly checkedAt?: number;
  readonly checking: boolean;
}

/** A connection to the outside: a chat app, a model API, a way to sign in, a bot. */
export interface ConnectionJson {
  readonly kind: "app" | "model" | "signIn" | "bot";
  readonly id: string;
  readonly connected?: boolean;
  /** When it was connected, or disconnected. */
  readonly since?: number;
  readonly lastOkAt?: number;
  readonly lastError?: { readonly at?: number; readonly code: string; readonly words?: string };
  readonly checkedAt?: number;
  readonly findings: readonly FindingJson[];
}

/** Something that a check found. */
export interface FindingJson {
  readonly path: string;
  readonly level: "error" | "hint";
  readonly what: Readonly<Record<"en" | "zh", string>>;
  readonly todo: Readonly<Record<"en" | "zh", string>>;
  readonly url?: string;
  /** The other side's own words. */
  readonly said?: string;
}
