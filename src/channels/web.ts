/**
 * The HTTP API of the page and of programs: the original's routes with their shapes, and what was added to them.
 */
import { type Context, Hono } from "hono";
import { z } from "zod";
import type { Accounts } from "../core/account.ts";
import { NexusError } from "../core/error.ts";
import type { Gateway } from "../core/gateway.ts";
import type { Message, Person } from "../core/message.ts";
import type { Numbered } from "../core/notice.ts";
import type { Seat } from "../core/roster.ts";
import type { Session, Sessions } from "../core/session.ts";
import type { Turn } from "../core/turn.ts";
import { type Caller, cookieNamed, DEVICE_COOKIE, deviceCookie, type Door, sessionCookie } from "./door.ts";
import {
  type Connection,
  failure,
  json,
  languageOfRequest,
  readBody,
  readQuery,
  requestIds,
  statusOf,
} from "./http.ts";
import type { HangUps } from "./hang_up.ts";
import type { RouteDoc } from "./openapi.ts";
import type { Pulse } from "./pulse.ts";
import { eventStream, newsStream, turnStream } from "./sse.ts";
import { say } from "./words.ts";

export interface WebParts {
  readonly gateway: Gateway;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly door: Door;
  readonly pulse: Pulse;
  readonly hangUps: HangUps;
  /** Bytes of a body at most. */
  readonly maxBody: () => number;
}

/** What Hono carries besides the request. */
export type Env = { Bindings: Connection };

const word = (max: number) => z.string({ error: "must be a text" }).max(max, `must have at most ${max} characters`);
const image = z.string({ error: "must be base64 or a data URL" }).min(1).meta({ description: "Base64 or a data URL" });

const login = z.object({
  username: word(200).nullish(),
  password: word(10_000).nullish(),
  code: word(100).nullish().meta({
    description: "The one-time code, or a recovery code, where there is a second factor.",
  }),
}, { error: "must be an object" }).meta({ id: "Login" });

/** A message as programs send it. `null` counts as absent, because the original took it so. */
const chat = z.object({
  message: z.string({ error: "must be a text" }).nullish(),
  target: word(128).nullish().meta({
    description: "A bot id or a pool. Else `@bot-id ` at the beginning of the message counts.",
  }),
  image: image.nullish(),
  images: z.array(image, { error: "must be a list of images" }).max(20).nullish(),
  conversationId: word(100).nullish().meta({
    description: "Absent: your default conversation with the bot that answers.",
  }),
  parentTurnId: word(100).nullish().meta({
    description: "The turn this one follows, after an edit or a regenerate. Empty: the beginning of the conversation.",
  }),
}, { error: "must be an object" }).meta({ id: "Chat" });

const user = z.object({
  id: z.string(),
  username: z.string(),
  displayName: z.string(),
  role: z.enum(["admin", "member"]),
});

const botView = z.object({
  id: z.string(),
  name: z.string(),
  connectedAt: z.string().meta({ description: "ISO 8601" }),
  pool: z.string().optional(),
  description: z.string().optional(),
  capabilities: z.array(z.string()),
  busy: z.number(),
  maxConcurrent: z.number().nullable(),
  state: z.enum(["online", "busy", "resting", "draining"]),
}).meta({ id: "Bot" });

const success = z.object({ success: z.boolean() });

const resumeQuery = z.object({ after: z.coerce.number({ error: "must be a whole number" }).int().min(0).optional() });

const chatErrors = [
  "invalid",
  "not_found",
  "too_large",
  "unsupported_type",
  "no_bot",
  "bot_offline",
  "queue_full",
  "limited",
  "shutting_down",
] as const;

/** The routes of {@linkcode web}, for `/openapi.json`. */
export const webRoutes: RouteDoc[] = [
  {
    method: "post",
    path: "/api/login",
    summary: "Sign in. The token is also set as a cookie for browsers.",
    tag: "session",
    auth: "none",
    body: login,
    ok: z.object({
      token: z.string(),
      user,
      expiresAt: z.number().meta({ description: "Milliseconds since the epoch" }),
    }),
    errors: ["invalid", "wrong_credentials", "second_factor", "limited"],
  },
  { method: "post", path: "/api/logout", summary: "Sign out.", tag: "session", auth: "person", ok: success },
  {
    method: "get",
    path: "/api/me",
    summary: "Who is signed in.",
    tag: "session",
    auth: "person",
    ok: z.object({ user, expiresAt: z.number() }),
  },
  {
    method: "get",
    path: "/api/sessions",
    summary: "Your sessions.",
    tag: "session",
    auth: "person",
    ok: z.object({
      sessions: z.array(z.object({
        id: z.string(),
        current: z.boolean(),
        createdAt: z.number(),
        lastSeenAt: z.number(),
        expiresAt: z.number(),
        agent: z.string().optional(),
        address: z.string().optional(),
      })),
    }),
  },
  {
    method: "delete",
    path: "/api/sessions/{id}",
    summary: "End one of your sessions; `others` ends all but this one.",
    tag: "session",
    auth: "person",
    ok: z.object({ ended: z.number() }),
    errors: ["not_found"],
  },
  {
    method: "get",
    path: "/api/bots",
    summary: "The bots you may talk to.",
    tag: "chat",
    auth: "person",
    ok: z.object({ bots: z.array(botView) }),
  },
  {
    method: "post",
    path: "/api/chat",
    summary: "Ask, and wait for the whole answer. Hanging up stops the bot, unless an Idempotency-Key says that you " +
      "will ask again.",
    tag: "chat",
    auth: "person",
    body: chat,
    ok: z.object({
      botId: z.string(),
      content: z.string(),
      timestamp: z.number(),
      turnId: z.string(),
      conversationId: z.string(),
      images: z.array(z.string()).optional(),
    }),
    errors: [
      ...chatErrors,
      "bot_gone",
      "bot_failed",
      "bot_misconfigured",
      "question_refused",
      "context_too_long",
      "answer_unsupported",
      "reply_timeout",
      "reply_too_large",
      "cancelled",
      "queue_timeout",
    ],
  },
  {
    method: "post",
    path: "/api/chat/stream",
    summary:
      "Ask, and read the answer as it is made. Hanging up does not stop the bot; resume with GET /api/turns/{id}/stream.",
    tag: "chat",
    auth: "person",
    body: chat,
    ok: "text/event-stream",
    errors: chatErrors,
  },
  {
    method: "get",
    path: "/api/turns/{id}/stream",
    summary: "Read a turn's reply from an offset (`after`, or the Last-Event-ID header), running or long ended.",
    tag: "chat",
    auth: "person",
    query: resumeQuery,
    ok: "text/event-stream",
    errors: ["not_found", "invalid", "limited"],
  },
  {
    method: "post",
    path: "/api/turns/{id}/cancel",
    summary: "Stop a turn. `confirmed` says whether the bot said that it stopped.",
    tag: "chat",
    auth: "person",
    ok: z.object({ status: z.string(), confirmed: z.boolean() }),
    errors: ["not_found"],
  },
  {
    method: "get",
    path: "/api/events",
    summary: "What a page is told: bots coming and going, pushes, turns begun elsewhere.",
    tag: "chat",
    auth: "person",
    ok: "text/event-stream",
    errors: ["limited"],
  },
];

export function web(parts: WebParts): Hono<Env> {
  const { gateway, accounts, sessions, door, pulse, hangUps } = parts;
  const requestIdOf = requestIds();
  const app = new Hono<Env>();

  app.post("/api/login", async (c) => {
    door.refuseForeign(c.req.raw);
    const { username, password, code } = await readBody(c.req.raw, login, 64 * 1024);
    if (!username || !password) throw new NexusError("invalid", "username, password");
    const { address } = c.env;
    const known = cookieNamed(c.req.raw, DEVICE_COOKIE);
    const person = await accounts.signIn(username, password, address, code ?? undefined, known);
    const device = await accounts.remember(person.id, { address, device: known });
    const { token, session } = await sessions.begin(person.id, { address, agent: c.req.header("user-agent") });
    return json({ token, user: userOf(person), expiresAt: session.expiresAt }, 200, [
      sessionCookie(token, sessions.cookieSeconds, c.env.secure === true),
      deviceCookie(device, c.env.secure === true),
    ]);
  });

  app.post("/api/logout", async (c) => {
    const { token } = await door.caller(c.req.raw, "person");
    await sessions.end(token);
    return json({ success: true }, 200, [sessionCookie(undefined, 0, c.env.secure === true)]);
  });

  app.get("/api/me", async (c) => {
    const { person, session } = await door.caller(c.req.raw, "any");
    return json({ user: userOf(person), expiresAt: session.expiresAt });
  });

  app.get("/api/sessions", async (c) => {
    const { person, session } = await door.caller(c.req.raw, "person");
    const all = await sessions.of(person.id);
    return json({ sessions: all.map((one) => sessionView(one, one.id === session.id)) });
  });

  app.delete("/api/sessions/:id", async (c) => {
    const { person, session } = await door.caller(c.req.raw, "person");
    const id = c.req.param("id");
    const ended = await sessions.endOf(person.id, id === "others" ? { allBut: session.id } : { id });
    if (ended === 0 && id !== "others") throw new NexusError("not_found");
    return json({ ended });
  });

  app.get("/api/bots", async (c) => {
    const { person } = await door.caller(c.req.raw, "any");
    return json({ bots: botsFor(person, gateway) });
  });

  app.post("/api/chat", async (c) => {
    const request = c.req.raw;
    const { person } = door.recall(request) ?? await door.caller(request);
    const requestId = requestIdOf(request);
    const turn = await gateway.ask(await messageOf(request, person, "api", parts.maxBody(), requestId));
    if (!turn.ending) {
      const over = hangUps.watch(request, turn);
      await turn.reply.ended();
      over();
    }
    if (turn.unkept) await turn.kept;
    return wholeAnswer(turn, request, requestId);
  });

  app.post("/api/chat/stream", async (c) => {
    const request = c.req.raw;
    const caller = door.recall(request) ?? await door.caller(request);
    const requestId = requestIdOf(request);
    const reader = door.reader(caller);
    return await pulse.seat(reader, async () => {
      const turn = await gateway.ask(await messageOf(request, caller.person, "web", parts.maxBody(), requestId));
      const body = turnStream(turn, { after: 0, language: languageOfRequest(request), pulse, reader });
      return eventStream(body, [["x-request-id", requestId]]);
    });
  });

  app.get("/api/turns/:id/stream", async (c) => {
    const caller = await door.caller(c.req.raw);
    const turn = await turnOf(c, caller, gateway);
    const { after } = readQuery(c.req.url, resumeQuery);
    const from = after ?? offsetOf(c.req.header("last-event-id"), turn.id);
    const reader = door.reader(caller);
    const language = languageOfRequest(c.req.raw);
    return await pulse.seat(reader, () => eventStream(turnStream(turn, { after: from, language, pulse, reader })));
  });

  app.post("/api/turns/:id/cancel", async (c) => {
    const turn = await turnOf(c, await door.caller(c.req.raw), gateway);
    const confirmed = await gateway.cancel(turn);
    return json({ status: turn.ending!.status, confirmed });
  });

  app.get("/api/events", async (c) => {
    const caller = await door.caller(c.req.raw);
    const { id } = caller.person;
    const last = Number(c.req.header("last-event-id") || undefined);
    const listen = (send: (event: unknown, id?: number) => void) => {
      let told = "";
      const tellBots = (number?: number) => {
        const person = door.personNow(caller);
        const bots = person ? botsFor(person, gateway) : [];
        const text = JSON.stringify(bots);
        if (text === told) return;
        told = text;
        send({ type: "bots", bots }, number);
      };
      let missed: Numbered[] | undefined = [];
      const stopNotices = gateway.notices.subscribe(
        id,
        Number.isFinite(last) ? last : undefined,
        (one) => missed ? missed.push(one) : send(one.notice, one.number),
      );
      // The bots come first, with a number by which even a page that was told nothing else can read on.
      tellBots(missed.length === 0 ? gateway.notices.last : undefined);
      for (const { number, notice } of missed) send(notice, number);
      missed = undefined;
      const stopBots = gateway.roster.watch(() => tellBots());
      return () => {
        stopBots();
        stopNotices();
      };
    };
    const reader = door.reader(caller);
    return await pulse.seat(reader, () => eventStream(newsStream(pulse, reader, listen)));
  });

  return app;
}

/** The turn that a route names, if it is the caller's own. */
async function turnOf(c: Context<Env>, { person }: Caller, gateway: Gateway): Promise<Turn> {
  const turn = await gateway.turn(c.req.param("id")!, person.id);
  if (!turn) throw new NexusError("not_found");
  return turn;
}

async function messageOf(
  request: Request,
  person: Person,
  channel: "web" | "api",
  maxBody: number,
  requestId: string,
): Promise<Message> {
  const body = await readBody(request, chat, maxBody);
  const images = body.images ?? [];
  return {
    person,
    text: body.message ?? "",
    images: body.image && !images.includes(body.image) ? [body.image, ...images] : images,
    target: body.target || undefined,
    conversationId: body.conversationId ?? undefined,
    parentTurnId: body.parentTurnId ?? undefined,
    channel,
    requestId,
    idempotencyKey: request.headers.get("idempotency-key")?.slice(0, 200) || undefined,
  };
}

/** The answer of a turn that has ended; one that was cut is never given out as whole. */
function wholeAnswer(turn: Turn, request: Request, requestId: string): Response {
  const { status, code, detail, retryAfter } = turn.ending!;
  const { reply, bot, id, conversationId } = turn;
  const content = reply.text;
  if (status === "done") {
    const { images } = reply;
    return json(
      {
        botId: bot!.id,
        content,
        timestamp: turn.endedAt,
        turnId: id,
        conversationId,
        images: images.length > 0 ? images : undefined,
      },
      200,
      [["x-request-id", requestId]],
    );
  }
  const reason = status === "cancelled" ? "cancelled" : code ?? "internal";
  const language = languageOfRequest(request);
  if (!content) return failure(new NexusError(reason, detail, { retryAfter }), language, { status, turnId: id });
  const error = say(reason, language, detail);
  return json({ error, code: reason, status, turnId: id, botId: bot?.id, content }, statusOf(reason));
}

/** Where a reader stands by the `id` of the last event it got: `<turn>:<offset>`. */
function offsetOf(lastEventId: string | undefined, turnId: string): number {
  if (!lastEventId?.startsWith(`${turnId}:`)) return 0;
  const offset = Number(lastEventId.slice(turnId.length + 1));
  return Number.isInteger(offset) && offset >= 0 ? offset : 0;
}

function userOf({ id, username = id, name, role }: Person) {
  return { id, username, displayName: name, role };
}

function sessionView({ id, createdAt, lastSeenAt, expiresAt, agent, address }: Session, current: boolean) {
  return { id, current, createdAt, lastSeenAt, expiresAt, agent, address };
}

/** The bots this person may use, as `/api/bots` and the page see them. */
export function botsFor(person: Person, gateway: Gateway) {
  return gateway.roster.visibleTo(person).map((seat) => botViewOf(seat, gateway));
}

function botViewOf(seat: Seat, gateway: Gateway): z.infer<typeof botView> {
  const { id, name, connectedAt, pool, description, capabilities, maxConcurrent } = seat.bot;
  return {
    id,
    name,
    connectedAt: new Date(connectedAt).toISOString(),
    pool,
    description,
    capabilities: [...capabilities],
    busy: seat.busy,
    maxConcurrent: Number.isFinite(maxConcurrent) ? maxConcurrent : null,
    state: gateway.roster.state(seat),
  };
}

export type { Caller };
