/**
 * A route, declared once: where it is, who may take it, what comes in and what goes out. The
 * router, the access check, `/openapi.json`, the table in docs/security.md and the tests all
 * read this declaration.
 *
 * ```ts
 * const rename = declare({
 *   method: "patch",
 *   path: "/api/conversations/{id}",
 *   ...member(["chat"], "bound"),
 *   summary: "Rename or pin.",
 *   tag: "history",
 *   body: change,
 *   ok: conversationView,
 * });
 * ```
 */
import type { z } from "zod";
import type { ApiKeyScope } from "../../core/people/api_key.ts";
import type { ErrorCode } from "../../core/error.ts";

/**
 * `anyone`: nobody is asked who they are. `member`: whoever has an account, admins too. `admin`: to
 * everybody else the route does not exist. `bot`: a bot's token decides. `platform`: a chat
 * platform's signature decides.
 */
export type Audience = "anyone" | "member" | "admin" | "bot" | "platform";

/**
 * What a route does for a key that is bound to some bots. `bound`: it sees and changes only what
 * those bots answered. `closed`: such a key is refused. `free`: nothing here is about bots.
 */
export type BotRule = "bound" | "closed" | "free";

/** Who may take a route, and by which keys. */
export type Access =
  | { readonly who: "anyone" | "bot" | "platform" }
  /** No key opens it, only a session. */
  | { readonly who: "member" | "admin"; readonly keys: readonly [] }
  /** A session opens it, and a key with one of these scopes. */
  | {
    readonly who: "member" | "admin";
    readonly keys: readonly [ApiKeyScope, ...ApiKeyScope[]];
    readonly bots: BotRule;
    /** Upon an admin's account no key does it. */
    readonly guarded?: true;
  };

/** Nobody is asked who they are. */
export const anyone = { who: "anyone" } as const;

/** Whoever is signed in; no key opens it. */
export const signedIn = { who: "member", keys: [] } as const;

/** Whoever is signed in, or has a key with one of these scopes. */
export function member<const K extends readonly [ApiKeyScope, ...ApiKeyScope[]]>(
  keys: K,
  bots: BotRule,
) {
  return { who: "member", keys, bots } as const;
}

/**
 * An admin who is signed in, or an admin's key with the scope `admin` that is not bound to bots.
 */
export const admins = { who: "admin", keys: ["admin"], bots: "closed" } as const;

/**
 * The same for what changes somebody's account. Upon an admin's account only a session does it: no
 * key raises its owner, or itself. The handler asks {@linkcode HttpCall.guard}.
 */
export const accountAdmins = { ...admins, guarded: true } as const;

/** What a success answers where it is no JSON. */
export type MediaType = "text/event-stream" | "text/plain" | "text/markdown" | "text/html";

interface Shape {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  /** With parameters in braces: `/api/turns/{id}`. */
  readonly path: string;
  /** The last parameter takes slashes, too. */
  readonly slashes?: true;
  readonly summary: string;
  readonly tag: string;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Bytes of the body at most, or `setting`: as many as `maxBody` says. Default: 64 KiB. */
  readonly maxBody?: number | "setting";
  /** What a success answers: a schema, or a media type. */
  readonly ok: z.ZodType | MediaType;
  /** The status of a success. Default: 200. */
  readonly status?: number;
  /** Failures besides those of the access check. */
  readonly errors?: readonly ErrorCode[];
}

/** One route as it is declared. */
export type Route = Shape & Access;

/** Keeps the types of a declaration exact; they type its handler. */
export function defineRoute<const R extends Route>(route: R): R {
  return route;
}

/** The names of a path's parameters. */
export type ParamOf<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamOf<Rest>
  : never;

/** Its declared body once it is checked. */
export type BodyOf<R extends Route> = R["body"] extends z.ZodType ? z.output<R["body"]> : never;

/** Its declared query once it is checked. */
export type QueryOf<R extends Route> = R["query"] extends z.ZodType ? z.output<R["query"]> : never;

/** What its handler may answer with: the declared JSON, which nobody changes on its way out. */
export type OkOf<R extends Route> = R["ok"] extends z.ZodType ? Unchanged<z.input<R["ok"]>> : never;

type Unchanged<T> = T extends object ? { readonly [K in keyof T]: Unchanged<T[K]> } : T;
