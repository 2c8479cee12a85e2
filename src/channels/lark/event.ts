/**
 * What Feishu tells us, in our words. A stranger's JSON yields `undefined`.
 *
 * Sources: Feishu 接收消息 (2026-04), 撤回消息 event, card.action.trigger.
 */
import { z } from "zod";
import type { Json } from "../../core/store.ts";
import type { Identity } from "../../core/people/identity.ts";
import type { Content, Incoming, Voucher } from "../im/platform.ts";
import { contentOf } from "./content.ts";

const Id = z.object({
  open_id: z.string().optional(),
  user_id: z.string().nullish(),
  union_id: z.string().nullish(),
});

const EventSchema = z.object({
  schema: z.literal("2.0"),
  header: z.object({
    event_id: z.string(),
    event_type: z.string(),
    token: z.string().optional(),
    app_id: z.string().optional(),
    tenant_key: z.string().optional(),
  }),
  event: z.unknown(),
});

const MessageEvent = z.object({
  sender: z.object({ sender_id: Id, sender_type: z.string(), tenant_key: z.string().optional() }),
  message: z.object({
    message_id: z.string().min(1).max(200),
    create_time: z.string(),
    chat_id: z.string().min(1).max(200),
    chat_type: z.string(),
    parent_id: z.string().max(200).optional(),
    thread_id: z.string().optional(),
    message_type: z.string(),
    content: z.string(),
    mentions: z.array(z.object({ key: z.string(), id: Id, name: z.string() })).optional(),
  }),
});

const Recalled = z.object({ message_id: z.string() });

const CardAction = z.object({
  operator: z.object({ open_id: z.string().optional() }),
  action: z.object({ value: z.record(z.string(), z.unknown()).optional() }),
  context: z.object({ open_message_id: z.string().optional(), open_chat_id: z.string().optional() })
    .optional(),
});

export type LarkEvent =
  | { readonly kind: "message"; readonly incoming: Incoming }
  | { readonly kind: "recalled"; readonly messageId: string }
  | { readonly kind: "stop"; readonly messageId: string; readonly by: string | undefined }
  /** Known to the platform, nothing to us; acknowledged. */
  | { readonly kind: "other"; readonly type: string };

/** The token and app of an event, for checking before anything else is believed. */
export function headOf(json: Json): { token?: string; appId?: string } | undefined {
  const event = EventSchema.safeParse(json);
  return event.success
    ? { token: event.data.header.token, appId: event.data.header.app_id }
    : undefined;
}

/** How a text names whom it mentions: `@_user_1`; whose name that is stands beside the text. */
const MENTION = /@_(?:user_\d+|all)( ?)/g;

/** Which app reads an event. */
export interface App {
  readonly appId: string;
  /** Its name in the configuration. */
  readonly name: string;
  /** The bot's open_id; a group message that does not mention it is not for us. */
  readonly ownId: string | undefined;
}

export function readEvent(json: Json, app: App): LarkEvent | undefined {
  const parsed = EventSchema.safeParse(json);
  if (!parsed.success) return undefined;
  const { header, event } = parsed.data;
  if (header.event_type === "im.message.receive_v1") return message(event, app, header.tenant_key);
  if (header.event_type === "im.message.recalled_v1") {
    const recalled = Recalled.safeParse(event);
    return recalled.success ? { kind: "recalled", messageId: recalled.data.message_id } : undefined;
  }
  if (header.event_type === "card.action.trigger") {
    const action = CardAction.safeParse(event);
    const stop = action.success ? action.data.action.value?.stop : undefined;
    if (typeof stop === "string") {
      return { kind: "stop", messageId: stop, by: action.data?.operator.open_id };
    }
  }
  return { kind: "other", type: header.event_type };
}

function message(event: unknown, app: App, tenant: string | undefined): LarkEvent | undefined {
  const parsed = MessageEvent.safeParse(event);
  if (!parsed.success) return undefined;
  const { sender, message } = parsed.data;
  const { ownId } = app;
  const type = message.chat_type === "p2p" ? "direct" : "group";
  // Bots that answer bots never end.
  if (sender.sender_type !== "user") return { kind: "other", type: "not from a person" };
  const mentions = message.mentions ?? [];
  const forUs = type === "direct" ||
    (ownId !== undefined && mentions.some((mention) => mention.id.open_id === ownId));
  if (!forUs) return { kind: "other", type: "not mentioned" };
  const said = contentOf(message.message_type, message.content, (key) => key);
  const names = new Map(
    mentions.map(({ key, id, name }) => [key, id.open_id === ownId ? "" : `@${name}`]),
  );
  return {
    kind: "message",
    incoming: {
      id: message.message_id,
      chat: { id: message.chat_id, type },
      sender: {
        id: sender.sender_id.open_id ?? sender.sender_id.union_id ?? "unknown",
        voucher: tenant !== undefined && sender.tenant_key === tenant
          ? voucherOf(sender.sender_id, tenant, app)
          : undefined,
      },
      ...said,
      text: named(said.text, names).trim(),
      at: Number(message.create_time) || 0,
      address: { message: message.message_id, parent: message.parent_id || undefined },
    },
  };
}

/** Feishu's word for somebody of the app's own company; people of others are strangers. */
function voucherOf(
  { open_id: value, union_id }: z.infer<typeof Id>,
  tenant: string,
  { appId, name }: App,
) {
  if (!value) return undefined;
  const byApp: Identity = { platform: "lark", kind: "open_id", scope: appId, value };
  const byUnion: Identity[] = union_id
    ? [{ platform: "lark", kind: "union_id", scope: tenant, value: union_id }]
    : [];
  // Not the user_id: a company gives it again to somebody else.
  const [first = byApp, ...more] = [...byUnion, byApp];
  const voucher: Voucher = {
    identities: [first, ...more],
    ids: [`lark:${appId}:${value}`, `lark:${name}:${value}`],
  };
  return voucher;
}

/** The text with people's names in place of their keys, and without the bot's own mention. */
function named(text: string, names: ReadonlyMap<string, string>): string {
  return text.replace(MENTION, (all, space: string) => {
    const key = all.trimEnd();
    const name = key === "@_all" ? "@所有人" : names.get(key);
    return name === "" ? "" : (name ?? key) + space;
  });
}

const Asked = z.object({
  message_id: z.string(),
  msg_type: z.string(),
  deleted: z.boolean().optional(),
  sender: z.object({ id: z.string() }).optional(),
  body: z.object({ content: z.string() }),
  mentions: z.array(z.object({ key: z.string(), name: z.string() })).optional(),
});

/**
 * A message that was asked for by its id: another one replies to it. `undefined`: nothing of it can
 * be read.
 */
export function readAsked(json: Json, appId: string): Content | undefined {
  const parsed = Asked.safeParse(json);
  if (!parsed.success || parsed.data.deleted) return undefined;
  const { message_id: message, msg_type, body, mentions = [], sender } = parsed.data;
  const said = contentOf(msg_type, body.content, (key) => ({ message, key }));
  // An answer of the app itself is in the bot's memory anyway.
  if (sender?.id === appId && said.text === "") return undefined;
  return {
    ...said,
    text: named(said.text, new Map(mentions.map(({ key, name }) => [key, `@${name}`]))).trim(),
  };
}
