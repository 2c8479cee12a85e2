/**
 * The router gives declared routes their handlers. It rejects callers without access before the
 * handler runs, and passes the authenticated caller to the handler, so that no route is without its
 * check.
 *
 * Hono finds the route. `@hono/zod-openapi` and `hono-openapi` hold no check of the caller and read
 * a body without a bound; the first costs 65 ms of every start, either costs 2 µs of CPU a request.
 */
import { type Context, Hono } from "hono";
import { asNexusError, NexusError } from "../../core/error.ts";
import type { Person } from "../../core/message.ts";
import type { Observer } from "../../core/observer.ts";
import type { Auth, Caller } from "./auth.ts";
import { headOf, pathOf } from "./edge.ts";
import {
  type ConnectionInfo,
  errorResponse,
  json,
  languageOfRequest,
  readBody,
  readQuery,
  RouteError,
} from "./response.ts";
import {
  type Audience,
  type BodyOf,
  member,
  type OkOf,
  type ParamOf,
  type QueryOf,
  type Route,
} from "./route.ts";
import type { Language } from "./error_texts.ts";

type Env = { Bindings: ConnectionInfo };

/** Every account, with a session or any key. */
const ANY_ACCOUNT = member(["chat", "read", "admin"], "bound");

/** Bytes of a body at most where its declaration says nothing else. */
export const DEFAULT_MAX_BODY_BYTES = 64 * 1024;

/** A route for members or admins has a caller; any other has none. */
type CallerOf<W extends Audience> = W extends "member" | "admin" ? Caller : undefined;

/** One request to a route, from a caller that its declaration admits. */
export class RouteCall<R extends Route = Route> {
  readonly #context: Context<Env>;
  readonly #maxBody: number;
  readonly #auth: Auth;

  constructor(
    readonly route: R,
    /** The authenticated caller. */
    readonly caller: CallerOf<R["who"]>,
    context: Context<Env>,
    parts: { readonly auth: Auth; readonly maxBody: number },
  ) {
    this.#context = context;
    this.#maxBody = parts.maxBody;
    this.#auth = parts.auth;
  }

  /** The caller of a route for anyone, if the request has a valid session or key. */
  async visitor(): Promise<Caller | undefined> {
    try {
      return await this.#auth.authenticate(this.request, ANY_ACCOUNT);
    } catch (error) {
      if (error instanceof NexusError) return undefined;
      throw error;
    }
  }

  /**
   * Refuses a key that is about to change an admin's account, or to make one: only a session does
   * that. Throws `forbidden`.
   *
   * @param roles those that the account has, and will have
   */
  refuseKeyForAdmin(...roles: readonly (Person["role"] | undefined)[]): void {
    const key = (this.caller as Caller | undefined)?.key;
    if (key && roles.includes("admin")) {
      throw new NexusError("forbidden", "no key changes an admin's account; sign in");
    }
  }

  get request(): Request {
    return this.#context.req.raw;
  }

  get connection(): ConnectionInfo {
    return this.#context.env;
  }

  /** The client's address, after trusted proxies. */
  get address(): string {
    return this.#context.env.address;
  }

  get language(): Language {
    return languageOfRequest(this.request);
  }

  header(name: string): string | undefined {
    return this.request.headers.get(name) ?? undefined;
  }

  /** A parameter of the path, decoded. */
  param(name: ParamOf<R["path"]>): string {
    return this.#context.req.param(name) ?? "";
  }

  /** The declared query. Throws `invalid`. */
  query(): QueryOf<R> {
    return readQuery(this.request.url, this.route.query!) as QueryOf<R>;
  }

  /** The declared body. Throws `unsupported_type`, `too_large` or `invalid`. */
  async body(): Promise<BodyOf<R>> {
    return await readBody(this.request, this.route.body!, this.#maxBody) as BodyOf<R>;
  }

  /** The declared answer, with headers of its own. */
  answer(value: OkOf<R>, headers?: readonly (readonly [string, string])[]): Response {
    return json(value, this.route.status, headers);
  }
}

/** Answers a call: with the declared JSON, or with a response where that is something else. */
export type RouteHandler<R extends Route> = (
  call: RouteCall<R>,
) => OkOf<R> | Response | Promise<OkOf<R> | Response>;

/** How a group of routes words a failure before the first byte. */
export type ErrorResponder = (thrown: unknown, request: Request) => Response;

export interface RouterParts {
  readonly auth: Auth;
  readonly observer: Observer;
  /** Bytes of a body at most where its declaration says `setting`. */
  readonly maxBody: () => number;
  /** What answers where no route does; `undefined`: nothing is there. */
  readonly fallback?: (request: Request) => Response | Promise<Response> | undefined;
}

/**
 * A route that is served before anything else looks at the request: a WebSocket, a platform's
 * callback.
 */
type RawHandler = (request: Request, connection: ConnectionInfo) => Response | Promise<Response>;

export class Router {
  readonly #parts: RouterParts;
  readonly #table: Route[] = [];
  readonly #raw: {
    readonly path: string;
    readonly prefix: boolean;
    readonly handler: RawHandler;
  }[] = [];
  readonly #missing: [under: string, answer: (request: Request) => Response][] = [];
  /** With a slash at its end a path is the same: clients put addresses together as they like. */
  readonly #hono = new Hono<Env>({ strict: false });

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.#hono.onError((thrown, { req }) => this.#failed(thrown, req.raw, asNexus));
    this.#hono.notFound(({ req }) => {
      const path = pathOf(req.raw.url);
      const found = this.#missing.find(([under]) => path.startsWith(under))?.[1](req.raw);
      return found ?? parts.fallback?.(req.raw) ?? asNexus(new NexusError("not_found"), req.raw);
    });
  }

  /** Every route that has a handler, as it is declared. */
  get table(): readonly Route[] {
    return this.#table;
  }

  /** Gives a declared route its handler. */
  on<R extends Route>(route: R, handler: RouteHandler<R>): void {
    this.#add(route, handler, asNexus);
  }

  /** The same for routes that word their failures in another way. */
  withErrors(failing: ErrorResponder): Pick<Router, "on"> {
    return { on: (route, handler) => this.#add(route, handler, failing) };
  }

  /** What is answered below a path where no route is. */
  notFoundUnder(under: string, answer: (request: Request) => Response): void {
    this.#missing.push([under, answer]);
  }

  /**
   * Gives the routes of one path a handler that takes every method, sees the request as it came,
   * and does the checking itself.
   */
  raw(
    routes: readonly (Route & { readonly who: "bot" | "platform" })[],
    handler: RawHandler,
  ): void {
    this.#table.push(...routes);
    const [path = "", ...parameters] = routes[0]!.path.split("{");
    this.#raw.push({ path, prefix: parameters.length > 0, handler });
  }

  /** The answer of a raw route; `undefined` where the request is for none. */
  answerRaw(
    request: Request,
    connection: ConnectionInfo,
  ): Response | Promise<Response> | undefined {
    const asked = pathOf(request.url);
    for (const { path, prefix, handler } of this.#raw) {
      if (prefix ? asked.startsWith(path) : asked === path) return handler(request, connection);
    }
    return undefined;
  }

  fetch(request: Request, connection: ConnectionInfo): Response | Promise<Response> {
    if (request.method !== "HEAD") return this.#hono.fetch(request, connection);
    return headOf(this.fetch(new Request(request, { method: "GET" }), connection));
  }

  #add<R extends Route>(route: R, handler: RouteHandler<R>, failing: ErrorResponder): void {
    const { method, path, slashes, maxBody = DEFAULT_MAX_BODY_BYTES } = route;
    if (this.#table.some((one) => one.method === method && one.path === path)) {
      throw new Error(`${method} ${path} has a handler already`);
    }
    this.#table.push(route);
    const { auth } = this.#parts;
    const run = async (c: Context<Env>, caller: Caller | undefined) => {
      const bytes = maxBody === "setting" ? this.#parts.maxBody() : maxBody;
      try {
        const answer = await handler(
          new RouteCall(route, caller as RouteCall<R>["caller"], c, { auth, maxBody: bytes }),
        );
        return answer instanceof Response ? answer : json(answer, route.status);
      } catch (thrown) {
        return this.#failed(thrown, c.req.raw, failing);
      }
    };
    const enter = async (c: Context<Env>) => {
      let caller: Caller;
      try {
        caller = await auth.authenticate(c.req.raw, route);
      } catch (thrown) {
        return this.#failed(thrown, c.req.raw, failing);
      }
      return await run(c, caller);
    };
    const isOpen = route.who !== "member" && route.who !== "admin";
    this.#hono.on(method.toUpperCase(), honoPath(path, slashes), (c) => {
      if (isOpen) return run(c, undefined);
      // Most callers are known from memory: no promise.
      const known = auth.authenticateFromMemory(c.req.raw, route);
      return known ? run(c, known) : enter(c);
    });
  }

  #failed(thrown: unknown, request: Request, failing: ErrorResponder): Response {
    if (!(thrown instanceof RouteError) && asNexusError(thrown).code === "internal") {
      this.#parts.observer.tell({
        type: "fault",
        where: `${request.method} ${pathOf(request.url)}`,
        error: thrown,
      });
    }
    return failing(thrown, request);
  }
}

function asNexus(thrown: unknown, request: Request): Response {
  return errorResponse(thrown, languageOfRequest(request));
}

/** `/api/turns/{id}` as Hono writes it: `/api/turns/:id`. */
function honoPath(path: string, slashes = false): string {
  const plain = path.replaceAll("{", ":").replaceAll("}", "");
  return slashes ? `${plain}{.+}` : plain;
}
