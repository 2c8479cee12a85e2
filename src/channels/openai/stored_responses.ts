/**
 * These are the routes for a response that was given before: read it, read its question, stop it,
 * delete it.
 *
 * Source: https://platform.openai.com/docs/api-reference/responses/get. A response is a turn,
 * whatever brought it, so one that was asked on the page can be read here as well.
 */
import { z } from "zod";
import { NexusError } from "../../core/error.ts";
import type { Gateway } from "../../core/gateway.ts";
import type { Person } from "../../core/message.ts";
import type { Turn } from "../../core/turn.ts";
import { defineRoute, member } from "../http/route.ts";
import type { Router } from "../http/router.ts";
import { answerSoFar } from "./complete_answer.ts";
import { describeError, failureOf, OpenAiError } from "./error.ts";
import { inputItems, storedResponse } from "./responses.ts";

const response = z.looseObject({ id: z.string(), status: z.string(), output: z.array(z.unknown()) })
  .meta({ id: "StoredResponse" });

/** The routes of {@linkcode mountStoredResponses}, for `/openapi.json`. */
export const storedResponseRoutes = {
  get: defineRoute({
    method: "get",
    path: "/v1/responses/{id}",
    ...member(["chat", "read"], "bound"),
    summary: "A response that was given before, or what there is of it while it is made.",
    tag: "openai",
    ok: response,
    errors: ["not_found"],
  }),
  input: defineRoute({
    method: "get",
    path: "/v1/responses/{id}/input_items",
    ...member(["chat", "read"], "bound"),
    summary: "What a response answers.",
    tag: "openai",
    ok: z.looseObject({ object: z.literal("list"), data: z.array(z.unknown()) }).meta({
      id: "InputItems",
    }),
    errors: ["not_found"],
  }),
  cancel: defineRoute({
    method: "post",
    path: "/v1/responses/{id}/cancel",
    ...member(["chat"], "bound"),
    summary: "Stops a response that is being made.",
    tag: "openai",
    ok: response,
    errors: ["not_found"],
  }),
  remove: defineRoute({
    method: "delete",
    path: "/v1/responses/{id}",
    ...member(["chat"], "bound"),
    summary: "Deletes a response that stands alone; one among others goes with its conversation.",
    tag: "openai",
    ok: z.object({ id: z.string(), object: z.literal("response"), deleted: z.literal(true) }),
    errors: ["not_found", "conflict"],
  }),
} as const;

export function mountStoredResponses(routes: Pick<Router, "on">, gateway: Gateway): void {
  /** The turn of a response. Throws {@linkcode OpenAiError}. */
  async function find(person: Person, id: string): Promise<Turn> {
    const turn = await gateway.history.turn(id.replace(/^resp_/, ""), person);
    if (!turn || turn.message.temporary) {
      throw new OpenAiError(404, "response_not_found", "there is no such response", "response_id");
    }
    return turn;
  }

  function view(turn: Turn, request: Request) {
    const { ending } = turn;
    const failed = ending && ending.status !== "done"
      ? describeError(failureOf(ending), request).body
      : undefined;
    return storedResponse(turn, answerSoFar(turn), failed);
  }

  routes.on(storedResponseRoutes.get, async (call) => {
    return view(await find(call.caller.person, call.param("id")), call.request);
  });

  routes.on(storedResponseRoutes.input, async (call) => {
    const turn = await find(call.caller.person, call.param("id"));
    const data = inputItems(turn);
    return {
      object: "list" as const,
      data,
      first_id: data[0]!.id,
      last_id: data[0]!.id,
      has_more: false,
    };
  });

  routes.on(storedResponseRoutes.cancel, async (call) => {
    const turn = await find(call.caller.person, call.param("id"));
    if (!turn.ending) await gateway.cancel(turn);
    return view(turn, call.request);
  });

  routes.on(storedResponseRoutes.remove, async (call) => {
    const { person } = call.caller;
    const turn = await find(person, call.param("id"));
    const { turns, more } = await gateway.history.turns(person, turn.conversationId, undefined, 1);
    if (more || turns.some(({ id }) => id !== turn.id)) {
      throw new NexusError(
        "conflict",
        "others follow it or come before it: delete the conversation",
      );
    }
    await gateway.conversations.remove(person, turn.conversationId);
    return { id: `resp_${turn.id}`, object: "response" as const, deleted: true as const };
  });
}
