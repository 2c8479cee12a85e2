/**
 * Conversations and turns as the API shows them: as views, as JSON for programs and as Markdown for
 * people.
 */
import { z } from "zod";
import type { ConversationJson, TurnJson } from "../../wire/chat.ts";
import type { Conversation } from "../../core/conversation_store.ts";
import { textOf, type TurnRecord } from "../../core/turn_record.ts";
import type { Gateway } from "../../core/gateway.ts";
import { dataUrl } from "../../core/message.ts";
import type { Reader } from "../../core/key_scope.ts";
import { attachmentOf, sizeWords } from "../im/attachment.ts";

export const conversationView = z.object({
  id: z.string(),
  title: z.string(),
  pinned: z.boolean(),
  botId: z.string().optional(),
  createdAt: z.number(),
  updatedAt: z.number(),
  running: z.string().optional().meta({ description: "The turn that runs in it now" }),
}).meta({ id: "Conversation" }) satisfies z.ZodType<ConversationJson>;

export const turnView = z.object({
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

/** A whole conversation for a program, as somebody may see it. */
export async function conversationJson(
  gateway: Gateway,
  who: Reader,
  conversation: Readonly<Conversation>,
) {
  const turns = await allTurns(gateway, who, conversation);
  return { ...conversationViewOf(conversation), turns: turns.map((one) => turnViewOf(one)) };
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

export function conversationViewOf(
  conversation: Readonly<Conversation>,
  running?: ReadonlyMap<string, string>,
): z.infer<typeof conversationView> {
  const { id, title, pinned, botId, createdAt, updatedAt } = conversation;
  return { id, title, pinned, botId, createdAt, updatedAt, running: running?.get(id) };
}

export function turnViewOf(
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
