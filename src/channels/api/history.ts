/**
 * What was said, over HTTP: conversations, their turns, search and export. One person's ids mean
 * nothing to another.
 */
import { z } from "zod";
import type { ConversationJson, TurnJson } from "../../wire/chat.ts";
import type { Conversation } from "../../core/conversation_store.ts";
import { textOf, type TurnRecord } from "../../core/turn_record.ts";
import { NexusError } from "../../core/error.ts";
import type { Gateway } from "../../core/gateway.ts";
import { dataUrl } from "../../core/message.ts";
import type { Reader } from "../../core/key_scope.ts";
import type { Caller } from "../http/auth.ts";
import { json } from "../http/response.ts";
import { attachmentOf, sizeWords } from "../im/attachment.ts";
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

const conversationView = z.object({
  id: z.string(),
  title: z.string(),
  pinned: z.boolean(),
  botId: z.string().optional(),
  createdAt: z.number(),
  updatedAt: z.number(),
  running: z.string().optional().meta({ description: "The turn that runs in it now" }),
}).meta({ id: "Conversation" }) satisfies z.ZodType<ConversationJson>;

const turnView = z.object({
  id: z.string(),
  parentTurnId: z.string().optional(),
  idempotencyKey: z.string().optional().meta({
    description: "The Idempotency-Key that the message was sent with",
  }),
  at: z.number(),
  botId: z.string().optional(),
  botName: z.string().optional(),
  channel: z.string(),
  message: z.object({ text: z.string(), images: z.array(z.string()) }),
  reply: z.object({
    text: z.string(),
    images: z.array(z.string()),
    reasoning: z.string().optional(),
    tools: z.array(z.string()).optional(),
    length: z.number().meta({ description: "The offset to resume from" }),
  }),
  status: z.enum(["queued", "waiting", "answering", "done", "incomplete", "failed", "cancelled"]),
  code: z.string().optional(),
  detail: z.string().optional(),
  firstAt: z.number().optional(),
  endedAt: z.number().optional(),
}).meta({ id: "Turn" }) satisfies z.ZodType<TurnJson>;

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

export function mountHistory(routes: Router, { gateway }: { readonly gateway: Gateway }): void {
  const { archive, notices, history } = gateway;

  /** The caller's conversation by the id in the path, as they may see it. */
  async function mine({ person }: Caller, id: string): Promise<Readonly<Conversation>> {
    const conversation = await history.conversation(person, id);
    if (!conversation) throw new NexusError("not_found");
    return conversation;
  }

  const running = ({ person }: Caller) =>
    new Map(history.running(person).map((turn) => [turn.conversationId, turn.id]));

  routes.on(historyRoutes.list, async ({ caller }) => {
    const now = running(caller);
    const conversations = await history.conversations(caller.person);
    return { conversations: conversations.map((one) => viewOf(one, now)) };
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
    return viewOf(conversation);
  });

  routes.on(
    historyRoutes.one,
    async (call) => viewOf(await mine(call.caller, call.param("id")), running(call.caller)),
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
    return viewOf(conversation);
  });

  routes.on(historyRoutes.remove, async (call) => {
    const removed = await gateway.conversations.remove(call.caller.person, call.param("id"));
    if (!removed) throw new NexusError("not_found");
    return { success: true };
  });

  routes.on(historyRoutes.turns, async (call) => {
    const { id } = await mine(call.caller, call.param("id"));
    const { before, limit } = call.query();
    const { turns, more } = await history.turns(call.caller.person, id, before, limit);
    const places = new Map(
      history.running(call.caller.person).map((turn) => [turn.id, turn.state]),
    );
    return { turns: turns.map((record) => turnViewOf(record, places.get(record.id))), more };
  });

  routes.on(historyRoutes.export, async (call) => {
    const { person } = call.caller;
    const conversation = await mine(call.caller, call.param("id"));
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

/** A whole conversation for a program, as somebody may see it. */
export async function conversationJson(
  gateway: Gateway,
  who: Reader,
  conversation: Readonly<Conversation>,
) {
  const turns = await allTurns(gateway, who, conversation);
  return { ...viewOf(conversation), turns: turns.map((one) => turnViewOf(one)) };
}

/** A whole conversation for people, as somebody may see it. */
export async function conversationMarkdown(
  gateway: Gateway,
  who: Reader,
  conversation: Readonly<Conversation>,
): Promise<string> {
  return markdownOf(conversation, await allTurns(gateway, who, conversation));
}

async function allTurns(
  { history }: Gateway,
  who: Reader,
  { id }: Readonly<Conversation>,
): Promise<TurnRecord[]> {
  const pages: TurnRecord[][] = [];
  let before: string | undefined;
  while (true) {
    const page = await history.turns(who, id, before, 200);
    pages.push(page.turns);
    before = page.turns[0]?.id;
    if (!page.more || before === undefined) return pages.reverse().flat();
  }
}

function viewOf(
  conversation: Readonly<Conversation>,
  running?: ReadonlyMap<string, string>,
): z.infer<typeof conversationView> {
  const { id, title, pinned, botId, createdAt, updatedAt } = conversation;
  return { id, title, pinned, botId, createdAt, updatedAt, running: running?.get(id) };
}

function turnViewOf(
  record: TurnRecord,
  state?: "queued" | "waiting" | "answering" | "ended",
): z.infer<typeof turnView> {
  const last = record.chunks.at(-1);
  const since = record.chunks.findLastIndex(({ kind }) => kind === "replace") + 1;
  const valid = record.chunks.slice(since);
  const tools = valid.filter(({ kind }) => kind === "tool").map(({ content }) => content);
  // A turn that the archive calls running and nobody runs was cut off by the end of a process.
  const status = record.status === "running"
    ? (state && state !== "ended" ? state : "incomplete")
    : record.status;
  return {
    id: record.id,
    parentTurnId: record.parentTurnId,
    idempotencyKey: record.idempotencyKey,
    at: record.at,
    botId: record.botId,
    botName: record.botName,
    channel: record.channel,
    message: { text: record.text, images: [...record.images] },
    reply: {
      text: textOf(record),
      images: valid.filter(({ kind }) => kind === "image").map(({ content }) => content),
      reasoning: textOf(record, "reasoning") || undefined,
      tools: tools.length > 0 ? tools : undefined,
      length: last
        ? last.at + (last.kind === "image" || last.kind === "replace" ? 1 : last.content.length)
        : 0,
    },
    status,
    code: record.code,
    detail: record.detail,
    firstAt: record.firstAt,
    endedAt: record.endedAt,
  };
}

function markdownOf(conversation: Readonly<Conversation>, turns: readonly TurnRecord[]): string {
  const parts = [`# ${conversation.title || conversation.id}\n`];
  for (const record of turns) {
    const at = new Date(record.at).toISOString();
    if (record.text || record.images.length > 0) {
      parts.push(`## ${record.personId} · ${at}\n\n${record.text}${pictures(record.images)}\n`);
    }
    const view = turnViewOf(record);
    const how = view.status === "done" ? "" : ` · ${view.status}`;
    parts.push(
      `## ${record.botName ?? record.botId ?? "?"}${how}\n\n${view.reply.text}${
        pictures(view.reply.images)
      }\n`,
    );
  }
  return parts.join("\n");
}

/** Pictures as they are; another file as a line that names it, for Markdown has no place for it. */
function pictures(images: readonly string[]): string {
  return images.map((image) => {
    const url = dataUrl(image);
    if (url.startsWith("data:image/")) return `\n\n![](${url})`;
    const file = attachmentOf(url);
    if (!file) return "";
    // A name is a stranger's words: no sign in it may be Markdown.
    const name = file.name.replace(/[!-/:-@[-`{-~]/g, "\\$&");
    return `\n\n📎 ${name} (${sizeWords(file.size)})`;
  }).join("");
}
