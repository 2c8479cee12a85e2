/**
 * The rules of an app: who is answered by which bot, and which of them bound what somebody may use.
 */
import type { Offer } from "../../core/offer.ts";
import type { ChatAppSettings } from "./settings.ts";
import type { Incoming } from "./platform.ts";

export type Rule = ChatAppSettings["rules"][number];

/** The first rule that fits a message of somebody who is in these departments. */
export function firstRule(
  rules: readonly Rule[],
  incoming: Pick<Incoming, "chat" | "sender">,
  departments: readonly string[],
): Rule | undefined {
  return rules.find((rule) => fits(rule, incoming, departments));
}

function fits(
  { chat, person, department }: Rule,
  incoming: Pick<Incoming, "chat" | "sender">,
  own: readonly string[],
) {
  return (chat === undefined || chat === incoming.chat.id) &&
    (person === undefined || person === incoming.sender.id) &&
    (department === undefined || own.includes(department));
}

/** Whether the departments of people matter to any of these rules. */
export function needDepartments(rules: readonly Rule[]): boolean {
  return rules.some(({ department }) => department !== undefined);
}

/** The rules that are meant as access: they hold against `/use`, names and pushes too. */
export function accessRules(rules: readonly Rule[]): Rule[] {
  return rules.filter(({ lock, reserve }) => lock || reserve);
}

/** What the rules leave of an offer to somebody in these departments. */
export function boundBy(
  offer: Offer,
  rules: readonly Rule[],
  incoming: Pick<Incoming, "chat" | "sender">,
  departments: readonly string[],
): Offer {
  const first = firstRule(rules, incoming, departments);
  const reserved = rules.filter(({ reserve }) => reserve);
  const own = new Set(
    reserved.filter((rule) => fits(rule, incoming, departments)).map(({ bot }) => bot),
  );
  const except = reserved.map(({ bot }) => bot).filter((bot) => !own.has(bot));
  return {
    within: first?.lock ? [...offer.within, [first.bot]] : offer.within,
    except: except.length > 0 ? [...new Set(except)] : undefined,
  };
}
