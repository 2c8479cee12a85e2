/** The content of Feishu's cards: their Markdown, their tables, the mentions in them. */
import type { Json } from "../../core/store.ts";
import { fail } from "./response.ts";

/** Bytes of a card's JSON. */
export const MAX_CARD_BYTES = 30 * 1024;

/** Tables that a card may hold; a card with more is rejected. */
const MAX_TABLES = 5;

/**
 * `<at id=all></at>`, `<at user_id="ou_1">Tom</at>`, `<person id='ou_1'>`: the named person is
 * notified, everybody for `all`.
 */
export const MENTIONS = [
  /<(?:at|person)\s+(?:user_)?(?:id|email|ids)\s*=\s*\\?["']?([\w@.-]+)/gi,
];

export function cardText(json: Json): string {
  return (json.body?.elements ?? [])
    .filter((part: Json) => part.tag === "markdown")
    .map((part: Json) => part.content)
    .join("\n");
}

export function hasTooManyTables(json: Json): boolean {
  const rules = cardText(json).split("\n")
    .filter((row) => row.includes("|") && /^[\s|:-]*-[\s|:-]*$/.test(row));
  return rules.length > MAX_TABLES;
}

export function tooManyTables(): Response {
  return fail(400, 11310, "card table number over limit");
}

export function cardTooLong(): Response {
  return fail(400, 200860, "card over max size");
}
