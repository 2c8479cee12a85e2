/**
 * Feishu's CardKit: cards that are created, streamed into, replaced and changed, in sequence.
 *
 * Source: Feishu 流式更新卡片 (2026-02).
 */
import { Buffer } from "node:buffer";
import type { Json } from "../../core/store.ts";
import {
  cardText,
  cardTooLong,
  hasTooManyTables,
  MAX_CARD_BYTES,
  MENTIONS,
  tooManyTables,
} from "./card_content.ts";
import { fail, ok } from "./response.ts";
import type { Card, FeishuState } from "./state.ts";

const CARD_TTL_MS = 14 * 24 * 3_600_000;

/** Characters of one element. */
const MAX_CONTENT = 100_000;

/** A change of a card; one that returns an error has changed nothing. */
type Change = (card: Card, body: Json) => Response;

export class FeishuCards {
  constructor(private readonly state: FeishuState) {}

  async create(request: Request): Promise<Response> {
    const { state } = this;
    const { type, data } = await request.json();
    if (type !== "card_json") return fail(400, 200220, "type must be card_json");
    if (Buffer.byteLength(data) > MAX_CARD_BYTES) return cardTooLong();
    const json = JSON.parse(data);
    if (json.schema !== "2.0") return fail(400, 200220, "schema must be 2.0");
    if (hasTooManyTables(json)) return tooManyTables();
    state.counts.cards++;
    const now = state.clock.now();
    const id = `card_${state.nextId()}`;
    state.cards.set(id, {
      json,
      sequence: 0,
      streamingSince: json.config?.streaming_mode === true ? now : undefined,
      createdAt: now,
      messageId: undefined,
      uuids: new Set(),
    });
    return ok({ card_id: id });
  }

  /** Writes the content of one element of a streaming card. */
  streamContent(id: string, element: string, request: Request): Promise<Response> {
    return this.#change(id, request, (card, { content }) => {
      if (card.streamingSince === undefined) return fail(400, 300309, "Streaming mode is closed");
      const found = card.json.body.elements.find((part: Json) => part.element_id === element);
      if (!found) return fail(400, 300313, "element not found");
      if (typeof content !== "string" || content.length > MAX_CONTENT) {
        return fail(400, 300314, "content too long");
      }
      if (hasTooManyTables({ body: { elements: [{ tag: "markdown", content }] } })) {
        return tooManyTables();
      }
      found.content = content;
      const isTooLong = Buffer.byteLength(JSON.stringify(card.json)) > MAX_CARD_BYTES;
      return isTooLong ? cardTooLong() : ok({});
    });
  }

  replace(id: string, request: Request): Promise<Response> {
    return this.#change(id, request, (card, { card: replacement }) => {
      if (Buffer.byteLength(replacement.data) > MAX_CARD_BYTES) return cardTooLong();
      const json = JSON.parse(replacement.data);
      if (this.state.faults.refusesCardReplacements || hasTooManyTables(json)) {
        return tooManyTables();
      }
      card.json = json;
      const streams = json.config?.streaming_mode === true;
      card.streamingSince = streams ? this.state.clock.now() : undefined;
      return ok({});
    });
  }

  removeElement(id: string, element: string, request: Request): Promise<Response> {
    return this.#change(id, request, (card) => {
      const { elements } = card.json.body;
      const at = elements.findIndex((part: Json) => part.element_id === element);
      if (at < 0) return fail(400, 300313, "element not found");
      elements.splice(at, 1);
      return ok({});
    });
  }

  /** Switches streaming on or off. */
  changeSettings(id: string, request: Request): Promise<Response> {
    return this.#change(id, request, (card, { settings }) => {
      const on = JSON.parse(settings).config?.streaming_mode;
      if (on === true) card.streamingSince = this.state.clock.now();
      if (on === false) card.streamingSince = undefined;
      return ok({});
    });
  }

  async #change(id: string, request: Request, change: Change): Promise<Response> {
    const body = await request.json();
    const { sequence, uuid } = body;
    const { state } = this;
    const card = state.cards.get(id);
    if (!card || state.clock.now() - card.createdAt > CARD_TTL_MS) {
      return fail(400, 200740, "card is not exist");
    }
    if (state.overLimit(`card:${id}`, [[10, 1000]]) !== undefined) return state.throttle(1000);
    if (typeof uuid === "string" && card.uuids.has(uuid)) {
      state.counts.repeatedUuids++;
      return ok({});
    }
    if (typeof sequence !== "number" || sequence <= card.sequence) {
      return fail(400, 300317, "sequence number compare failed");
    }
    this.#expireStream(card);
    const answer = change(card, body);
    if (answer.status !== 200) return answer;
    card.sequence = sequence;
    if (typeof uuid === "string") card.uuids.add(uuid);
    this.#show(card);
    return answer;
  }

  #expireStream(card: Card): void {
    const { clock, faults, log } = this.state;
    const since = card.streamingSince;
    if (since === undefined || clock.now() - since <= faults.streamTtlMs) return;
    card.streamingSince = undefined;
    if (card.messageId) log.edit(card.messageId, { final: true });
  }

  #show({ messageId, json, streamingSince }: Card): void {
    if (!messageId) return;
    const { log, messages } = this.state;
    log.recordMentions(messages.get(messageId)!.chat, cardText(json), MENTIONS);
    log.edit(messageId, { text: cardText(json), final: streamingSince === undefined });
  }
}
