/** The rules of an app: which bot answers whom, and which bots a person may use. */
import type { Offer } from "../../core/offer.ts";
import type { ChatAppSettings } from "./settings.ts";
import type { Incoming } from "./platform.ts";

export type Rule = ChatAppSettings["rules"][number];

/** Returns the first rule that matches a message, by a sender in these departments. */
export function firstRule(
  rules: readonly Rule[],
  incoming: Pick<Incoming, "chat" | "sender">,
  departments: readonly string[],
): Rule | undefined {
  return rules.find((rule) => matches(rule, incoming, departments));
}

function matches(
  { chat, person, department }: Rule,
  incoming: Pick<Incoming, "chat" | "sender">,
  own: readonly string[],
) {
  return (chat === undefined || chat === incoming.chat.id) &&
    (person === undefined || person === incoming.sender.id) &&
    (department === undefined || own.includes(department));
}

/** Whether any of these rules depends on departments. */
export function needDepartments(rules: readonly Rule[]): boolean {
  return rules.some(({ department }) => department !== undefined);
}

/** Returns the rules that restrict access: they also apply to `/use`, names and pushes. */
export function accessRules(rules: readonly Rule[]): Rule[] {
  return rules.filter(({ lock, reserve }) => lock || reserve);
}

/** Restricts an offer by the rules for a sender in these departments. */
export function boundBy(
  offer: Offer,
  rules: readonly Rule[],
  incoming: Pick<Incoming, "chat" | "sender">,
  departments: readonly string[],
): Offer {
  const first = firstRule(rules, incoming, departments);
  const reserved = rules.filter(({ reserve }) => reserve);
  const own = new Set(
    reserved.filter((rule) => matches(rule, incoming, departments)).map(({ bot }) => bot),
  );
  const except = reserved.map(({ bot }) => bot).filter((bot) => !own.has(bot));
  return {
    within: first?.lock ? [...offer.within, [first.bot]] : offer.within,
    except: except.length > 0 ? [...new Set(except)] : undefined,
  };
}
