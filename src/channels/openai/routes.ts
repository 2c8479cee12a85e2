/**
 * The routes of the OpenAI channel: models, chat completions, responses, and the AI SDK's chat.
 */
import { z } from "zod";
import { defineRoute, member } from "../http/route.ts";
import { chatRequest, responsesRequest, uiRequest } from "./request.ts";

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

/** The routes of {@linkcode mountOpenAi}. */
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
