/**
 * What was said, over HTTP: conversations, their turns, search and export. One person's ids mean
 * nothing to another.
 */
import { z } from "zod";
import type { Conversation } from "../../core/conversation_store.ts";
import { NexusError } from "../../core/error.ts";
import type { Gateway } from "../../core/gateway.ts";
import type { Caller } from "../http/auth.ts";
import { json } from "../http/response.ts";
import {
  conversationJson,
  conversationMarkdown,
  conversationView,
  conversationViewOf,
  turnView,
  turnViewOf,
} from "./history_view.ts";
import { defineRoute, member } from "../http/route.ts";
import type { Router } from "../http/router.ts";

const title = z.string({ error: "must be a text" }).max(200, "must have at most 200 characters");

const newConversation = z.object({
  title: title.optional(),
  botId: z.string({ error: "must be a bot id" }).max(128).optional(),
}, { error: "must be an object" }).meta({ id: "NewConversation" });

const change = z.object({
  title: title.optional(),
  pinned: z.boolean({ error: "must be true or false" }).optional(),
}, { error: "must be an object" }).meta({ id: "ConversationChange" });

const pageQuery = z.object({
  before: z.string().max(100).optional().meta({ description: "A turn's id" }),
  limit: z.coerce.number({ error: "must be a whole number from 1 to 200" }).int().min(1).max(200)
    .default(50),
});
const exportQuery = z.object({
  format: z.enum(["md", "json"], { error: 'must be "md" or "json"' }).default("md"),
});
const searchQuery = z.object({ q: z.string().max(500).default("") });

export const historyRoutes = {
  list: defineRoute({
    method: "get",
    path: "/api/conversations",
    summary: "Your conversations: pinned first, then the latest.",
    tag: "history",
    ...member(["read"], "bound"),
    ok: z.object({ conversations: z.array(conversationView) }),
  }),
  begin: defineRoute({
    method: "post",
    path: "/api/conversations",
    summary: "Begin a conversation: a fresh context.",
    tag: "history",
    ...member(["chat"], "bound"),
    body: newConversation,
    ok: conversationView,
    status: 201,
    errors: ["invalid", "conversations_full"],
  }),
  one: defineRoute({
    method: "get",
    path: "/api/conversations/{id}",
    summary: "One conversation.",
    tag: "history",
    ...member(["read"], "bound"),
    ok: conversationView,
    errors: ["not_found"],
  }),
  change: defineRoute({
    method: "patch",
    path: "/api/conversations/{id}",
    summary: "Rename or pin.",
    tag: "history",
    ...member(["chat"], "bound"),
    body: change,
    ok: conversationView,
    errors: ["not_found", "invalid"],
  }),
  remove: defineRoute({
    method: "delete",
    path: "/api/conversations/{id}",
    summary: "Delete it and every word of it.",
    tag: "history",
    ...member(["chat"], "bound"),
    ok: z.object({ success: z.boolean() }),
    errors: ["not_found"],
  }),
  turns: defineRoute({
    method: "get",
    path: "/api/conversations/{id}/turns",
    summary: "Its turns: the newest page, oldest first within it.",
    tag: "history",
    ...member(["read"], "bound"),
    query: pageQuery,
    ok: z.object({ turns: z.array(turnView), more: z.boolean() }),
    errors: ["not_found", "invalid"],
  }),
  export: defineRoute({
    method: "get",
    path: "/api/conversations/{id}/export",
    summary: "The whole conversation as Markdown or JSON.",
    tag: "history",
    ...member(["read"], "bound"),
    query: exportQuery,
    ok: "text/markdown",
    errors: ["not_found", "invalid"],
  }),
  search: defineRoute({
    method: "get",
    path: "/api/search",
    summary: "Where you or a bot said these words.",
    tag: "history",
    ...member(["read"], "bound"),
    query: searchQuery,
    ok: z.object({
      results: z.array(z.object({
        conversationId: z.string(),
        turnId: z.string(),
        title: z.string(),
        snippet: z.string(),
        at: z.number(),
      })),
    }),
  }),
} as const;

/** Gives the routes of {@linkcode historyRoutes} their handlers. */
export function mountHistory(routes: Router, { gateway }: { readonly gateway: Gateway }): void {
  mountConversations(routes, gateway);
  mountTurns(routes, gateway);
}

/** The caller's conversation by the id in the path, as they may see it. Throws `not_found`. */
async function conversationFor(
  { history }: Gateway,
  { person }: Caller,
  id: string,
): Promise<Readonly<Conversation>> {
  const conversation = await history.conversation(person, id);
  if (!conversation) throw new NexusError("not_found");
  return conversation;
}

/** The turns that run now, by their conversation. */
function runningTurns({ history }: Gateway, { person }: Caller): ReadonlyMap<string, string> {
  return new Map(history.running(person).map((turn) => [turn.conversationId, turn.id]));
}

function mountConversations(routes: Router, gateway: Gateway): void {
  const { archive, notices, history } = gateway;

  routes.on(historyRoutes.list, async ({ caller }) => {
    const now = runningTurns(gateway, caller);
    const conversations = await history.conversations(caller.person);
    return { conversations: conversations.map((one) => conversationViewOf(one, now)) };
  });

  routes.on(historyRoutes.begin, async (call) => {
    const { person } = call.caller;
    const fields = await call.body();
    const { botId } = fields;
    if (botId !== undefined && person.keyScope?.bots?.includes(botId) === false) {
      throw new NexusError("not_found", "no such bot: botId");
    }
    const conversation = await gateway.conversations.begin(person, fields);
    await archive.conversations.save(conversation, true);
    const notice = {
      type: "conversation",
      conversationId: conversation.id,
      change: "created",
    } as const;
    notices.tell(person.id, notice, await history.about(conversation));
    return conversationViewOf(conversation);
  });

  routes.on(
    historyRoutes.one,
    async (call) =>
      conversationViewOf(
        await conversationFor(gateway, call.caller, call.param("id")),
        runningTurns(gateway, call.caller),
      ),
  );

  routes.on(historyRoutes.change, async (call) => {
    const conversation = await history.changeable(call.caller.person, call.param("id"));
    if (!conversation) throw new NexusError("not_found");
    const { title, pinned } = await call.body();
    // It may have been deleted while the body came.
    if (archive.conversations.isRemoved(conversation)) throw new NexusError("not_found");
    if (title !== undefined) conversation.title = title;
    if (pinned !== undefined) conversation.pinned = pinned;
    await archive.conversations.save(conversation, true);
    const change = title !== undefined ? "renamed" : "pinned";
    const notice = { type: "conversation", conversationId: conversation.id, change } as const;
    notices.tell(conversation.personId, notice, await history.about(conversation));
    return conversationViewOf(conversation);
  });

  routes.on(historyRoutes.remove, async (call) => {
    const removed = await gateway.conversations.remove(call.caller.person, call.param("id"));
    if (!removed) throw new NexusError("not_found");
    return { success: true };
  });
}

function mountTurns(routes: Router, gateway: Gateway): void {
  const { history } = gateway;

  routes.on(historyRoutes.turns, async (call) => {
    const { id } = await conversationFor(gateway, call.caller, call.param("id"));
    const { before, limit } = call.query();
    const { turns, more } = await history.turns(call.caller.person, id, before, limit);
    const places = new Map(
      history.running(call.caller.person).map((turn) => [turn.id, turn.state]),
    );
    return { turns: turns.map((record) => turnViewOf(record, places.get(record.id))), more };
  });

  routes.on(historyRoutes.export, async (call) => {
    const { person } = call.caller;
    const conversation = await conversationFor(gateway, call.caller, call.param("id"));
    const { format } = call.query();
    const name = `nexus-${conversation.id}.${format}`;
    const headers: [string, string][] = [["content-disposition", `attachment; filename="${name}"`]];
    if (format === "json") {
      return json(await conversationJson(gateway, person, conversation), 200, headers);
    }
    return new Response(await conversationMarkdown(gateway, person, conversation), {
      headers: [
        ["content-type", "text/markdown; charset=utf-8"],
        ["cache-control", "no-store"],
        ...headers,
      ],
    });
  });

  routes.on(historyRoutes.search, async (call) => {
    const { q } = call.query();
    return { results: await history.search(call.caller.person, q) };
  });
}
