/**
 * DingTalk's AI cards: created and delivered, streamed into, given a state.
 *
 * Source: DingTalk AI 卡片流式更新 (2026-04).
 */
import { Buffer } from "node:buffer";
import type { Json } from "../../core/store.ts";
import { fail } from "./response.ts";
import type { DingTalkState } from "./state.ts";

const MAX_VALUE_BYTES = 1024;
const MAX_CONTENT = 20_000;

interface Card {
  readonly chat: string;
  readonly guids: Set<string>;
  isFinished: boolean;
  /** `flowStatus`: 1 processing, 2 inputing, 3 finished, 4 executing, 5 failed. */
  status: string | undefined;
}

export class DingTalkCards {
  readonly #cards = new Map<string, Card>();

  constructor(private readonly state: DingTalkState) {}

  /** The states of the cards in a chat, in order. */
  statuses(chat: string): (string | undefined)[] {
    return [...this.#cards.values()]
      .filter((card) => card.chat === chat)
      .map(({ status }) => status);
  }

  async createAndDeliver(request: Request): Promise<Response> {
    const body = await request.json();
    const { outTrackId, cardTemplateId, openSpaceId = "" } = body;
    const chat = /^dtv1\.card\/\/IM_(?:GROUP|ROBOT)\.(.+)$/.exec(openSpaceId)?.[1];
    if (!cardTemplateId || !outTrackId || !chat || this.#isUnknownTemplate(cardTemplateId)) {
      return fail(400, "param.error", "cardTemplateId, outTrackId, openSpaceId");
    }
    const values = body.cardData?.cardParamMap ?? {};
    if (Object.values(values).some((v) => Buffer.byteLength(String(v)) > MAX_VALUE_BYTES)) {
      return fail(400, "param.cardParamMap", "a value is at most 1 KB");
    }
    if (values.flowStatus !== undefined && !isStatus(values.flowStatus)) return badStatus();
    if (this.#cards.has(outTrackId)) this.state.counts.repeatedGuids++;
    else this.#add(outTrackId, chat, values);
    const deliverResults = [{ success: true, spaceId: chat, spaceType: "IM" }];
    return Response.json({ success: true, result: { outTrackId, deliverResults } });
  }

  #add(id: string, chat: string, values: Json): void {
    const { flowStatus: status } = values;
    this.#cards.set(id, { chat, guids: new Set(), isFinished: false, status });
    const text = String(Object.values(values)[0] ?? "");
    this.state.recordMentions(chat, text);
    this.state.log.add({ id, chat, from: "bot", kind: "AI card", text, final: false });
  }

  async stream(request: Request): Promise<Response> {
    const { outTrackId, guid, content, isFull, isFinalize, isError } = await request.json();
    const card = this.#cards.get(outTrackId);
    if (!card) return unknownCard();
    if (card.guids.has(guid)) {
      this.state.counts.repeatedGuids++;
      return Response.json({ success: true, result: true });
    }
    if (card.isFinished) return fail(400, "param.stream.finished", "the card is finished");
    if (typeof content !== "string" || content.length > MAX_CONTENT) {
      return fail(400, "param.stream.content", "content too long");
    }
    if (this.state.faults.refusesContent?.(content)) {
      return fail(400, "param.stream.content", "the content is not allowed");
    }
    if (isFull !== true) {
      return fail(400, "param.stream.isFull", "a Markdown variable is written as a whole");
    }
    card.guids.add(guid);
    card.isFinished = isFinalize === true || isError === true;
    this.state.recordMentions(card.chat, content);
    this.state.log.edit(outTrackId, { text: content, final: card.isFinished });
    return Response.json({ success: true, result: true });
  }

  async setStatus(request: Request): Promise<Response> {
    const { outTrackId, cardData } = await request.json();
    const card = this.#cards.get(outTrackId);
    const status = cardData?.cardParamMap?.flowStatus;
    if (!card) return unknownCard();
    if (!isStatus(status)) return badStatus();
    card.status = status;
    return Response.json({ success: true, result: true });
  }

  /** Creates a card that is not delivered to anybody. */
  async create(request: Request): Promise<Response> {
    const { cardTemplateId, outTrackId } = await request.json();
    if (!cardTemplateId || !outTrackId) {
      return fail(400, "param.empty", "cardTemplateId, outTrackId");
    }
    const denied = this.state.denied("Card.Instance.Write");
    if (denied) return denied;
    if (this.#isUnknownTemplate(cardTemplateId)) {
      return fail(400, "param.templateNotExist", "param.templateNotExist");
    }
    return Response.json({ success: true, result: { outTrackId } });
  }

  #isUnknownTemplate(id: string): boolean {
    return this.state.faults.templates?.has(id) === false;
  }
}

function isStatus(status: unknown): status is string {
  return /^[1-5]$/.test(String(status));
}

function badStatus(): Response {
  return fail(400, "param.flowStatus", "1 to 5, as a text");
}

function unknownCard(): Response {
  return fail(400, "param.outTrackId", "no such card");
}
