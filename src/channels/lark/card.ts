/**
 * The three ways in which Feishu shows an answer: a card that streams (CardKit), a card that is
 * patched, a text.
 *
 * Sources: 流式更新卡片 (2026-02), 更新已发送的消息卡片 (2025-07), 发送消息 (2026-04).
 */
import type { Json } from "../../core/store.ts";
import { downgrade } from "../im/markdown.ts";
import { withoutMentions } from "../im/mention_guard.ts";
import {
  type DeliveryMethod,
  type Incoming,
  PlatformError,
  type SendOptions,
} from "../im/platform.ts";
import type { LarkApi, Target } from "./api.ts";

/** The element that holds the answer. */
const ANSWER = "answer";

/** Cards may weigh 30 KB as JSON; quotes and line breaks double there, so text gets less. */
const CARD_BYTES = 12_000;

/** Tables that one card takes; with more it is refused (11310). */
const CARD_TABLES = 5;

/** The button that stops the answer. */
const STOP = "stop";

/** A text message may weigh 150 KB; people read shorter ones. */
const TEXT_BYTES = 20_000;

/** Streaming closes by itself after ten minutes. */
const STREAM_LIFE = 10 * 60_000;

/**
 * Places one answer may open before it goes a rung down: a platform that closes each at once must
 * not be tried for ever.
 */
const PLACES = 20;

export function targetOf(incoming: Incoming): Target {
  return {
    chatId: incoming.chat.id,
    chatType: incoming.chat.type,
    personId: incoming.sender.id,
    replyTo: incoming.chat.type === "group" ? incoming.address.message : undefined,
  };
}

function cardText(markdown: string): string {
  return withoutMentions(withoutControls(downgrade(markdown, { images: true })), "feishu");
}

/** Signs that nobody sees, each of which weighs six bytes in a card. */
function withoutControls(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, "");
}

/**
 * A card that types: made, sent once, its one element changed, and replaced by a plain one at the
 * end.
 */
export function streamWay(api: LarkApi, incoming: Incoming, stopWord: string): DeliveryMethod {
  const target = targetOf(incoming);
  return {
    name: "stream",
    maxBytes: CARD_BYTES,
    maxTables: CARD_TABLES,
    live: true,
    repeatable: true,
    lifetime: STREAM_LIFE,
    maxMessages: PLACES,
    // As often as the card's own budget lets; what is beyond the app's share the budget holds back,
    // fairly between answers.
    editInterval: () => 120,
    finalPath: [...api.month(), api.chat(target)],
    render: cardText,
    async open(text, send) {
      const half = send.checkpoint?.card as string | undefined;
      const card = half ?? await api.createCard(
        () => send.isWhole ? plainCard(text()) : streamingCard(text(), stopWord, incoming.id),
        send,
      );
      // Written down before it is sent: the message's uuid brings back the first card, so a repeat
      // must know which that was.
      if (half === undefined && !send.isWhole) await send.saveCheckpoint({ card });
      const content = () => JSON.stringify({ type: "card", data: { card_id: card } });
      const message = await api.sendMessage(target, "interactive", content, send);
      return { card, message };
    },
    edit: (place, text, send) => setText(api, place.card, text, send),
    async close(place, text, send) {
      await setText(api, place.card, () => text, send);
      // The words are there. What follows ends the typing cursor and takes the button away.
      const after: SendOptions = { ...send, reservation: undefined };
      try {
        await api.replaceCard(place.card, plainCard(text), after);
      } catch (error) {
        if (!(error instanceof PlatformError) || error.kind !== "refused") throw error;
        // What is refused as a whole may be taken bit by bit: a button that does nothing must not
        // stay.
        await api.removeElement(place.card, STOP, after);
        await api.setStreaming(place.card, false, after);
      }
    },
  };
}

/** Streaming that ended by itself is opened again, and a text can be set again. */
async function setText(
  api: LarkApi,
  card: string,
  text: () => string,
  send: SendOptions,
): Promise<void> {
  try {
    await api.setCardText(card, ANSWER, text, send);
  } catch (error) {
    if (!(error instanceof PlatformError) || !CLOSED.has(error.code)) throw error;
    await api.setStreaming(card, true, send);
    await api.setCardText(card, ANSWER, text, { ...send, id: send.id + ":again" });
  }
}

/** Streaming mode is closed; it timed out. */
const CLOSED = new Set(["300309", "200850"]);

/** A card message that is replaced as a whole. */
export function patchWay(api: LarkApi, incoming: Incoming): DeliveryMethod {
  const target = targetOf(incoming);
  return {
    name: "patch",
    maxBytes: CARD_BYTES,
    maxTables: CARD_TABLES,
    live: true,
    repeatable: true,
    // Fourteen days; an hour is longer than any answer.
    lifetime: 60 * 60_000,
    maxMessages: PLACES,
    // Each patch redraws the whole card on the phone: faster than this flickers.
    editInterval: () => 1000,
    finalPath: [...api.month(), api.chat(target)],
    render: cardText,
    async open(text, send) {
      const message = await api.sendMessage(
        target,
        "interactive",
        () => JSON.stringify(patchCard(text())),
        send,
      );
      return { message };
    },
    edit: (place, text, send) =>
      api.patchMessage(place.message, () => JSON.stringify(patchCard(text())), send),
    close: (place, text, send) =>
      api.patchMessage(place.message, () => JSON.stringify(patchCard(text)), send),
  };
}

/** One message at the end of the answer: rich text, whose `md` pieces show most of Markdown. */
export function textWay(
  api: LarkApi,
  incoming: Incoming,
  placeholderAfter: number,
): DeliveryMethod {
  const target = targetOf(incoming);
  return {
    name: "text",
    maxBytes: TEXT_BYTES,
    live: false,
    repeatable: true,
    maxMessages: Infinity,
    placeholderAfter,
    finalPath: [...api.month(), api.chat(target)],
    render: (markdown) => withoutMentions(downgrade(markdown, { plain: true }), "feishu"),
    async open(text, send) {
      return {
        message: await api.sendMessage(
          target,
          "text",
          () => JSON.stringify({ text: text() }),
          send,
        ),
      };
    },
  };
}

function streamingCard(text: string, stopWord: string, messageId: string): Json {
  return {
    schema: "2.0",
    config: { streaming_mode: true, update_multi: true, summary: { content: text.slice(0, 40) } },
    body: {
      elements: [
        { tag: "markdown", element_id: ANSWER, content: text },
        {
          tag: "button",
          element_id: STOP,
          size: "tiny",
          text: { tag: "plain_text", content: stopWord },
          behaviors: [{ type: "callback", value: { stop: messageId } }],
        },
      ],
    },
  };
}

function plainCard(text: string): Json {
  return {
    schema: "2.0",
    config: { streaming_mode: false, update_multi: true, summary: { content: text.slice(0, 40) } },
    body: { elements: [{ tag: "markdown", element_id: ANSWER, content: text }] },
  };
}

function patchCard(text: string): Json {
  return {
    schema: "2.0",
    config: { update_multi: true },
    body: { elements: [{ tag: "markdown", element_id: ANSWER, content: text }] },
  };
}
