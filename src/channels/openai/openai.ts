/**
 * The OpenAI face: any client of OpenAI's API, and any `useChat` page, talks to any bot.
 *
 * `GET /v1/models`, `POST /v1/chat/completions`, `POST /v1/responses`, and the AI SDK's `POST
 * /api/ai/chat`. What each parameter does stands in `docs/openai.md`. A client that hangs up stops
 * the bot, as it does at OpenAI; a `useChat` page does not, because it comes back and resumes.
 */
import { z } from "zod";
import type { RemainingMessages } from "../../core/people/allowance.ts";
import type { Clock } from "../../core/clock.ts";
import type { Gateway } from "../../core/gateway.ts";
import type { Message, Person } from "../../core/message.ts";
import type { Observer } from "../../core/observer.ts";
import type { Store } from "../../core/store.ts";
import type { Turn } from "../../core/turn.ts";
import type { Auth, Caller } from "../http/auth.ts";
import { pathOf } from "../http/edge.ts";
import { json } from "../http/response.ts";
import type { DisconnectWatcher } from "../http/disconnect_watcher.ts";
import { ImageLoader } from "../http/image_loader.ts";
import type { StreamReader, StreamRegistry } from "../http/stream_registry.ts";
import { defineRoute, member } from "../http/route.ts";
import type { Router } from "../http/router.ts";
import { eventStream } from "../http/event_stream.ts";
import { answerStream, Cut, firstWord, type Format, wholeAnswer } from "./answer.ts";
import { chatCompletion, chatFormat, seconds } from "./chat_completions.ts";
import { Conversations } from "./conversation_matcher.ts";
import { described, failureOf, refusal, Refused } from "./error.ts";
import { ignoredBy } from "./parameters.ts";
import {
  ANY,
  type Asked,
  chatRequest,
  type LoadImage,
  readChat,
  readResponses,
  readUi,
  responsesRequest,
  uiRequest,
} from "./request.ts";
import { withoutPictures } from "./inline_images.ts";
import { responsesFormat, wholeResponse } from "./responses.ts";
import { rateLimitHeaders } from "./rate_limit_headers.ts";
import { isTask } from "./background_task.ts";
import { storedResponses } from "./stored_responses.ts";
import { UI_HEADERS, uiFormat } from "./ui_message_stream.ts";

export interface OpenAiParts {
  readonly gateway: Gateway;
  readonly store: Store;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly auth: Auth;
  readonly streams: StreamRegistry;
  readonly disconnects: DisconnectWatcher;
  /** What is left to a person behind a message. */
  readonly left: (message: Message) => RemainingMessages | undefined;
  /** Whether images may be fetched from private addresses. */
  readonly allowPrivate: () => boolean;
}

/**
 * How long a stream's headers wait for the first word, in milliseconds. Within it a failure is
 * still a status, which official clients understand and retry on; past it the client should see
 * that it was heard.
 */
const FIRST_WORD = 2_000;

const model = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: z.number(),
  owned_by: z.string(),
  name: z.string().optional(),
  description: z.string().optional(),
}).meta({ id: "Model" });
const models = z.object({ object: z.literal("list"), data: z.array(model) });

const chatErrors = [
  "invalid",
  "not_found",
  "too_large",
  "unsupported_type",
  "forbidden",
  "limited",
  "queue_full",
  "bot_failed",
  "bot_declined",
  "bot_misconfigured",
  "question_refused",
  "context_too_long",
  "answer_unsupported",
  "bot_gone",
  "reply_timeout",
  "shutting_down",
] as const;

/** The routes of {@linkcode mountOpenAi}, for `/openapi.json`. */
export const openaiRoutes = {
  models: defineRoute({
    method: "get",
    path: "/v1/models",
    summary: "The bots and pools you may use, as models; `auto` is whoever is free.",
    tag: "openai",
    ...member(["chat", "read"], "bound"),
    ok: models,
  }),
  model: defineRoute({
    method: "get",
    path: "/v1/models/{id}",
    slashes: true,
    ...member(["chat", "read"], "bound"),
    summary: "One of them.",
    tag: "openai",
    ok: model,
    errors: ["not_found"],
  }),
  chat: defineRoute({
    method: "post",
    path: "/v1/chat/completions",
    summary:
      "OpenAI's chat completions, streamed or whole. Errors have OpenAI's shape. Hanging up stops the bot.",
    tag: "openai",
    ...member(["chat"], "bound"),
    body: chatRequest,
    maxBody: "setting",
    ok: z.looseObject({ id: z.string(), choices: z.array(z.unknown()) }).meta({
      id: "ChatCompletion",
    }),
    errors: chatErrors,
  }),
  responses: defineRoute({
    method: "post",
    path: "/v1/responses",
    summary:
      "OpenAI's responses, streamed or whole. Errors have OpenAI's shape. Hanging up stops the bot.",
    tag: "openai",
    ...member(["chat"], "bound"),
    body: responsesRequest,
    maxBody: "setting",
    ok: z.looseObject({ id: z.string(), output: z.array(z.unknown()) }).meta({ id: "Response" }),
    errors: chatErrors,
  }),
  ui: defineRoute({
    method: "post",
    path: "/api/ai/chat",
    summary: "The AI SDK's UI message stream, for `useChat`. Hanging up does not stop the bot.",
    tag: "openai",
    ...member(["chat"], "bound"),
    body: uiRequest,
    maxBody: "setting",
    ok: "text/event-stream",
    errors: chatErrors,
  }),
  uiResume: defineRoute({
    method: "get",
    path: "/api/ai/chat/{id}/stream",
    summary:
      "Goes on with the answer that runs in this chat, from its beginning; 204 where none does.",
    tag: "openai",
    ...member(["chat", "read"], "bound"),
    ok: "text/event-stream",
  }),
  uiStop: defineRoute({
    method: "delete",
    path: "/api/ai/chat/{id}/stream",
    summary: "Stops the answer that runs in this chat.",
    tag: "openai",
    ...member(["chat"], "bound"),
    ok: z.object({ stopped: z.boolean() }),
  }),
} as const;

export function mountOpenAi(all: Router, parts: OpenAiParts): void {
  const { gateway, auth, streams, disconnects, clock, observer } = parts;
  const conversations = new Conversations(parts);
  const routes = all.withErrors((thrown, request) => refusal(thrown, request, clock.now()));
  all.notFoundUnder("/v1/", (request) => refusal(unknownUrl(request), request, clock.now()));
  const images = new ImageLoader({
    clock,
    async fetch(url, bounds) {
      // Node's HTTP client, which few need, is loaded with it.
      const { fetchImage } = await import("../http/image_fetch.ts");
      return await fetchImage(url, {
        ...bounds,
        refuses: parts.allowPrivate() ? () => false : undefined,
      });
    },
  });

  /**
   * Reads what is asked. Its model is looked at first: nothing is fetched for a question that
   * nobody answers.
   */
  async function read<B extends { model?: string | null }>(
    { person }: Caller,
    body: B,
    reader: (body: B, load: LoadImage) => Promise<Asked>,
  ): Promise<Asked> {
    const model = body.model ?? ANY;
    if (model !== ANY && !gateway.roster.knows(person, model)) {
      const known = `the model ${JSON.stringify(model)} does not exist or you may not use it`;
      throw new Refused(404, "model_not_found", known, "model");
    }
    return await images.withLoader(person.id, (load) => reader(body, load));
  }

  async function ask(request: Request, { person, key }: Caller, asked: Asked): Promise<Turn> {
    const temporary = asked.temporary || key?.history === false || isTask(request.headers, asked);
    const message = await conversations.messageOf(person, asked, temporary);
    const idempotencyKey = request.headers.get("idempotency-key")?.slice(0, 200) || undefined;
    return await gateway.ask({ ...message, idempotencyKey });
  }

  function headersOf(turn: Turn, asked: Asked): [string, string][] {
    const headers: [string, string][] = [["x-request-id", turn.id]];
    if (!turn.message.temporary) headers.push(["x-conversation-id", turn.conversationId]);
    const ignored = ignoredBy(turn.bot && gateway.roster.get(turn.bot.id)?.link, asked);
    if (ignored.length > 0) headers.push(["x-nexus-ignored", ignored.join(", ")]);
    return [...headers, ...rateLimitHeaders(parts.left(turn.message), clock.now())];
  }

  /** What the gateway itself sees to: stop words always, the length where the bot does not. */
  function cutFor(turn: Turn, { options }: Asked): Cut {
    const honours = turn.bot &&
      gateway.roster.get(turn.bot.id)?.bot.capabilities.includes("wishes");
    return new Cut({ stop: options.stop, maxTokens: honours ? undefined : options.maxTokens });
  }

  function remember(asked: Asked, turn: Turn, text: string): void {
    conversations.remember(asked, turn, withoutPictures(text)).catch((error) =>
      observer.tell({ type: "fault", where: "openai", error })
    );
  }

  function stop(turn: Turn): void {
    if (!turn.ending) void gateway.cancel(turn);
  }

  /** Asks and answers in one of the two shapes of `/v1`. */
  async function serve(
    request: Request,
    asked: Asked,
    caller: Caller,
    shape: Shape,
  ): Promise<Response> {
    if (asked.stream) {
      const reader = auth.streamReader(caller);
      return await streams.open(reader, () => stream(request, asked, caller, reader, shape));
    }
    const turn = await ask(request, caller, asked);
    const over = disconnects.watch(request, turn);
    const whole = await wholeAnswer(turn, asked.said, () => cutFor(turn, asked), () => stop(turn))
      .finally(over);
    remember(asked, turn, whole.text);
    return json(shape.whole(turn, whole), 200, headersOf(turn, asked));
  }

  async function stream(
    request: Request,
    asked: Asked,
    caller: Caller,
    reader: StreamReader,
    shape: Shape,
  ): Promise<Response> {
    const turn = await ask(request, caller, asked);
    const over = disconnects.watch(request, turn);
    await firstWord(turn, clock, FIRST_WORD);
    // The headers name it.
    await turn.recorded();
    over();
    // Nothing was said and nothing will be: that is a status, not a stream.
    if (turn.ending && turn.ending.status !== "done" && turn.reply.length === 0) {
      throw failureOf(turn.ending);
    }
    const body = answerStream(turn, {
      format: shape.format(turn, describeFor(request)),
      streams,
      reader,
      said: asked.said,
      cut: () => cutFor(turn, asked),
      stop: () => stop(turn),
      onHangUp: () => disconnects.cancelUnlessRepeatable(turn),
      onDone: (text) => remember(asked, turn, text),
    });
    return eventStream(body, headersOf(turn, asked));
  }

  storedResponses(routes, gateway);

  routes.on(openaiRoutes.models, ({ caller: { person } }) => ({
    object: "list" as const,
    data: modelsOf(person, gateway),
  }));

  routes.on(openaiRoutes.model, (call) => {
    const asked = call.param("id");
    const found = modelsOf(call.caller.person, gateway).find(({ id }) => id === asked);
    if (!found) throw new Refused(404, "model_not_found", "there is no such model", "model");
    return found;
  });

  routes.on(openaiRoutes.chat, async (call) => {
    const asked = await read(call.caller, await call.body(), readChat);
    return await serve(call.request, asked, call.caller, {
      format: (turn, describe) => chatFormat(turn, asked.model, asked.includeUsage, describe),
      whole: (turn, answer) => chatCompletion(turn, asked.model, answer),
    });
  });

  routes.on(openaiRoutes.responses, async (call) => {
    const asked = await read(call.caller, await call.body(), readResponses);
    return await serve(call.request, asked, call.caller, {
      format: (turn, describe) => responsesFormat(turn, asked, describe),
      whole: (turn, answer) => wholeResponse(turn, asked, answer),
    });
  });

  function uiStream(
    request: Request,
    turn: Turn,
    reader: StreamReader,
    onDone?: (text: string) => void,
  ): Response {
    const body = answerStream(turn, {
      format: uiFormat(turn, describeFor(request)),
      streams,
      reader,
      said: [],
      cut: () => new Cut({}),
      stop: () => stop(turn),
      onDone,
    });
    return eventStream(body, UI_HEADERS);
  }

  /** The turn that runs in a chat now. */
  async function running(person: Person, chat: string): Promise<Turn | undefined> {
    const found = await conversations.find(person, chat);
    return found &&
      gateway.history.running(person).find(({ conversationId }) => conversationId === found.id);
  }

  routes.on(openaiRoutes.ui, async (call) => {
    const { request, caller } = call;
    const asked = await read(caller, await call.body(), readUi);
    const reader = auth.streamReader(caller);
    return await streams.open(reader, async () => {
      const turn = await ask(request, caller, asked);
      return uiStream(request, turn, reader, (text) => remember(asked, turn, text));
    });
  });

  routes.on(openaiRoutes.uiResume, async (call) => {
    const turn = await running(call.caller.person, call.param("id"));
    if (!turn) return new Response(null, { status: 204 });
    const reader = auth.streamReader(call.caller);
    return await streams.open(reader, () => uiStream(call.request, turn, reader));
  });

  routes.on(openaiRoutes.uiStop, async (call) => {
    const turn = await running(call.caller.person, call.param("id"));
    if (turn) await gateway.cancel(turn);
    return { stopped: turn !== undefined };
  });
}

/** One of the two shapes of `/v1`. */
interface Shape {
  readonly format: (turn: Turn, describe: Describe) => Format;
  readonly whole: (turn: Turn, answer: Awaited<ReturnType<typeof wholeAnswer>>) => unknown;
}

/** What is not here of OpenAI's API, and what to do about it. */
const INSTEAD: Readonly<Record<string, string>> = {
  "/v1/embeddings":
    "bots talk and make no embeddings; give the client the address of a model API for these",
  "/v1/completions": "bots answer conversations; use /v1/chat/completions",
};

function unknownUrl({ method, url }: Request): Refused {
  const path = pathOf(url);
  const instead = INSTEAD[path.replace(/\/$/, "")];
  return new Refused(
    404,
    "unknown_url",
    `there is no ${method} ${path}${instead ? `: ${instead}` : ""}`,
  );
}

type Describe = (error: unknown) => ReturnType<typeof described>["body"];

function describeFor(request: Request): Describe {
  return (error) => described(error, request).body;
}

/** Bots and pools as models, and `auto`. */
function modelsOf(person: Person, gateway: Gateway) {
  const seats = gateway.roster.visibleTo(person);
  const view = (
    id: string,
    created: number,
    about: { name?: string; description?: string } = {},
  ) => ({
    id,
    object: "model" as const,
    created: seconds(created),
    owned_by: "nexus",
    ...about,
  });
  const pools = new Map<string, number>();
  for (const { bot } of seats) {
    if (bot.pool !== undefined && !pools.has(bot.pool)) pools.set(bot.pool, bot.connectedAt);
  }
  const bots = seats.map(({ bot: { id, name, description, connectedAt } }) =>
    view(id, connectedAt, { name, description })
  );
  const named = new Set(bots.map(({ id }) => id));
  return [
    ...bots,
    ...[...pools].filter(([pool]) => !named.has(pool)).map(([pool, since]) => view(pool, since)),
    ...(seats.length > 0 && !named.has(ANY) ? [view(ANY, seats[0]!.bot.connectedAt)] : []),
  ];
}
