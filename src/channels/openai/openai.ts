/**
 * The OpenAI face: any client of OpenAI's API, and any `useChat` page, talks to any bot.
 *
 * `GET /v1/models`, `POST /v1/chat/completions`, `POST /v1/responses`, and the AI SDK's `POST
 * /api/ai/chat`. What each parameter does stands in `docs/openai.md`. A client that hangs up stops
 * the bot, as it does at OpenAI; a `useChat` page does not, because it comes back and resumes.
 */
import { pathOf } from "../http/edge.ts";
import type { Router } from "../http/router.ts";
import { chatCompletion, chatFormat } from "./chat_completions.ts";
import { Completions, type OpenAiParts } from "./completions.ts";
import { OpenAiError, openAiErrorResponse } from "./error.ts";
import { listModels } from "./models.ts";
import { readChat, readResponses, readUi } from "./request.ts";
import { responsesFormat, wholeResponse } from "./responses.ts";
import { openaiRoutes } from "./routes.ts";
import { mountStoredResponses } from "./stored_responses.ts";

/** Gives the routes of the OpenAI channel their handlers. */
export function mountOpenAi(router: Router, parts: OpenAiParts): void {
  const { gateway, clock } = parts;
  const completions = new Completions(parts);
  const routes = router.withErrors((thrown, request) =>
    openAiErrorResponse(thrown, request, clock.now())
  );
  router.notFoundUnder(
    "/v1/",
    (request) => openAiErrorResponse(unknownUrl(request), request, clock.now()),
  );
  mountStoredResponses(routes, gateway);
  mountModels(routes, parts);

  routes.on(openaiRoutes.chat, async (call) => {
    const { request, caller } = call;
    const asked = await completions.read(caller, await call.body(), readChat);
    return await completions.respond({ request, caller, asked }, {
      format: (turn, describe) => chatFormat(turn, asked.model, asked.includeUsage, describe),
      whole: (turn, answer) => chatCompletion(turn, asked.model, answer),
    });
  });

  routes.on(openaiRoutes.responses, async (call) => {
    const { request, caller } = call;
    const asked = await completions.read(caller, await call.body(), readResponses);
    return await completions.respond({ request, caller, asked }, {
      format: (turn, describe) => responsesFormat(turn, asked, describe),
      whole: (turn, answer) => wholeResponse(turn, asked, answer),
    });
  });

  mountUiChat(routes, parts, completions);
}

function mountModels(routes: Pick<Router, "on">, { gateway }: OpenAiParts): void {
  routes.on(openaiRoutes.models, ({ caller: { person } }) => ({
    object: "list" as const,
    data: listModels(person, gateway),
  }));

  routes.on(openaiRoutes.model, (call) => {
    const asked = call.param("id");
    const found = listModels(call.caller.person, gateway).find(({ id }) => id === asked);
    if (!found) throw new OpenAiError(404, "model_not_found", "there is no such model", "model");
    return found;
  });
}

function mountUiChat(
  routes: Pick<Router, "on">,
  { gateway }: OpenAiParts,
  completions: Completions,
): void {
  routes.on(openaiRoutes.ui, async (call) => {
    const { request, caller } = call;
    const asked = await completions.read(caller, await call.body(), readUi);
    return await completions.respondToUi({ request, caller, asked });
  });

  routes.on(openaiRoutes.uiResume, async (call) => {
    const turn = await completions.runningIn(call.caller.person, call.param("id"));
    if (!turn) return new Response(null, { status: 204 });
    return await completions.resumeUi(call.request, call.caller, turn);
  });

  routes.on(openaiRoutes.uiStop, async (call) => {
    const turn = await completions.runningIn(call.caller.person, call.param("id"));
    if (turn) await gateway.cancel(turn);
    return { stopped: turn !== undefined };
  });
}

/** What is missing of OpenAI's API, and what to do about it. */
const INSTEAD: Readonly<Record<string, string>> = {
  "/v1/embeddings":
    "bots talk and make no embeddings; give the client the address of a model API for these",
  "/v1/completions": "bots answer conversations; use /v1/chat/completions",
};

function unknownUrl({ method, url }: Request): OpenAiError {
  const path = pathOf(url);
  const instead = INSTEAD[path.replace(/\/$/, "")];
  return new OpenAiError(
    404,
    "unknown_url",
    `there is no ${method} ${path}${instead ? `: ${instead}` : ""}`,
  );
}
