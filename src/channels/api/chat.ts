/**
 * Asking and reading answers over HTTP: the routes of Nexus 1.x with their shapes, and what was
 * added to them.
 */
import { z } from "zod";
import type { BotJson } from "../../wire/chat.ts";
import { NexusError } from "../../core/error.ts";
import type { Gateway } from "../../core/gateway.ts";
import type { Message, Person } from "../../core/message.ts";
import type { Seat } from "../../core/roster.ts";
import type { Turn } from "../../core/turn.ts";
import type { Auth, Caller } from "../http/auth.ts";
import type { Language } from "../../core/languages.ts";
import { errorResponse, json, languageOfRequest, requestIds, statusOf } from "../http/response.ts";
import type { DisconnectWatcher } from "../http/disconnect_watcher.ts";
import { boundedArray } from "../http/bounded_array.ts";
import type { StreamRegistry } from "../http/stream_registry.ts";
import { type BodyOf, defineRoute, member } from "../http/route.ts";
import type { Router } from "../http/router.ts";
import { eventStream, turnStream } from "../http/event_stream.ts";
import { errorText } from "../http/error_texts.ts";

export interface ChatParts {
  readonly gateway: Gateway;
  readonly auth: Auth;
  readonly streams: StreamRegistry;
  readonly disconnects: DisconnectWatcher;
  /** Learns the language of somebody's page. */
  readonly learnLanguage?: (personId: string, language: Language) => void;
}

const word = (max: number) =>
  z.string({ error: "must be a text" }).max(max, `must have at most ${max} characters`);
const image = z.string({ error: "must be base64 or a data URL" }).min(1).meta({
  description: "Base64 or a data URL",
});

/** A message as programs send it. `null` counts as absent, because Nexus 1.x took it so. */
const chatBody = z.object({
  message: z.string({ error: "must be a text" }).nullish(),
  target: word(128).nullish().meta({
    description: "A bot id or a pool. Else `@bot-id ` at the beginning of the message counts.",
  }),
  image: image.nullish(),
  images: boundedArray(image, { most: 20, error: "must be a list of images" }).nullish(),
  conversationId: word(100).nullish().meta({
    description: "Absent: your default conversation with the bot that answers.",
  }),
  parentTurnId: word(100).nullish().meta({
    description:
      "The turn this one follows, after an edit or a regenerate. Empty: the beginning of the conversation.",
  }),
}, { error: "must be an object" }).meta({ id: "Chat" });

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
}).meta({ id: "Bot" }) satisfies z.ZodType<BotJson>;

const resumeQuery = z.object({
  after: z.coerce.number({ error: "must be a whole number" }).int().min(0).optional(),
});

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

export const chatRoutes = {
  bots: defineRoute({
    method: "get",
    path: "/api/bots",
    ...member(["chat", "read", "admin"], "bound"),
    summary: "The bots you may talk to.",
    tag: "chat",
    ok: z.object({ bots: z.array(botView) }),
  }),
  ask: defineRoute({
    method: "post",
    path: "/api/chat",
    ...member(["chat"], "bound"),
    summary:
      "Ask, and wait for the whole answer. Hanging up stops the bot, unless an Idempotency-Key says that you " +
      "will ask again.",
    tag: "chat",
    body: chatBody,
    maxBody: "setting",
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
      "bot_declined",
      "bot_misconfigured",
      "question_refused",
      "context_too_long",
      "answer_unsupported",
      "reply_timeout",
      "reply_too_large",
      "cancelled",
      "queue_timeout",
    ],
  }),
  stream: defineRoute({
    method: "post",
    path: "/api/chat/stream",
    ...member(["chat"], "bound"),
    summary:
      "Ask, and read the answer as it is made. Hanging up does not stop the bot; resume with GET /api/turns/{id}/stream.",
    tag: "chat",
    body: chatBody,
    maxBody: "setting",
    ok: "text/event-stream",
    errors: chatErrors,
  }),
  resume: defineRoute({
    method: "get",
    path: "/api/turns/{id}/stream",
    ...member(["chat", "read"], "bound"),
    summary:
      "Read a turn's reply from an offset (`after`, or the Last-Event-ID header), running or long ended.",
    tag: "chat",
    query: resumeQuery,
    ok: "text/event-stream",
    errors: ["not_found", "invalid", "limited"],
  }),
  cancel: defineRoute({
    method: "post",
    path: "/api/turns/{id}/cancel",
    ...member(["chat"], "bound"),
    summary: "Stop a turn. `confirmed` says whether the bot said that it stopped.",
    tag: "chat",
    ok: z.object({ status: z.string(), confirmed: z.boolean() }),
    errors: ["not_found"],
  }),
} as const;

export function mountChat(
  routes: Router,
  { gateway, auth, streams, disconnects, learnLanguage }: ChatParts,
): void {
  const requestIdOf = requestIds();

  routes.on(chatRoutes.bots, ({ caller: { person } }) => ({ bots: botsFor(person, gateway) }));

  routes.on(chatRoutes.ask, async (call) => {
    const { request, caller } = call;
    const requestId = requestIdOf(request);
    const turn = await gateway.ask(messageOf(await call.body(), request, caller, "api", requestId));
    if (!turn.reply.isSettled) {
      const over = disconnects.watch(request, turn);
      await turn.reply.ended();
      over();
    }
    return wholeAnswer(turn, request, requestId);
  });

  routes.on(chatRoutes.stream, async (call) => {
    const { request, caller } = call;
    const requestId = requestIdOf(request);
    const reader = auth.streamReader(caller);
    return await streams.open(reader, async () => {
      const turn = await gateway.ask(
        messageOf(await call.body(), request, caller, "web", requestId),
      );
      if (!caller.key && call.header("accept-language")) {
        learnLanguage?.(caller.person.id, call.language);
      }
      const body = turnStream(turn, { after: 0, language: call.language, streams, reader });
      return eventStream(body, [["x-request-id", requestId]]);
    });
  });

  routes.on(chatRoutes.resume, async (call) => {
    const { caller, language } = call;
    const turn = await turnOf(call.param("id"), caller.person, gateway);
    const { after } = call.query();
    const from = after ?? offsetOf(call.header("last-event-id"), turn.id);
    const reader = auth.streamReader(caller);
    return await streams.open(
      reader,
      () => eventStream(turnStream(turn, { after: from, language, streams, reader })),
    );
  });

  routes.on(chatRoutes.cancel, async (call) => {
    const turn = await turnOf(call.param("id"), call.caller.person, gateway);
    const confirmed = await gateway.cancel(turn);
    return { status: turn.ending!.status, confirmed };
  });
}

/** The turn that a route names, if it is the caller's own. */
async function turnOf(id: string, person: Person, gateway: Gateway): Promise<Turn> {
  const turn = await gateway.history.turn(id, person);
  if (!turn) throw new NexusError("not_found");
  return turn;
}

function messageOf(
  body: BodyOf<typeof chatRoutes.ask>,
  request: Request,
  { person, key }: Caller,
  channel: "web" | "api",
  requestId: string,
): Message {
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
    temporary: key?.history === false || undefined,
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
  if (!content) {
    return errorResponse(new NexusError(reason, detail, { retryAfter }), language, {
      status,
      turnId: id,
    });
  }
  const error = errorText(reason, language, detail);
  return json(
    { error, code: reason, status, turnId: id, botId: bot?.id, content },
    statusOf(reason),
  );
}

/** Where a reader stands by the `id` of the last event it got: `<turn>:<offset>`. */
function offsetOf(lastEventId: string | undefined, turnId: string): number {
  if (!lastEventId?.startsWith(`${turnId}:`)) return 0;
  const offset = Number(lastEventId.slice(turnId.length + 1));
  return Number.isInteger(offset) && offset >= 0 ? offset : 0;
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
