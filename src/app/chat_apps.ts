/** The company's apps on chat platforms, as they are connected to the gateway. */
import { Apps } from "../channels/im/apps.ts";
import type { Gateway } from "../core/gateway.ts";
import type { Accounts } from "../core/people/accounts.ts";
import type { Base } from "./base.ts";

export function createApps(base: Base, gateway: Gateway, accounts: Accounts): Apps {
  const { store, clock, observer, parts } = base;
  const apps = new Apps({
    gateway: {
      ask: (message) => gateway.ask(message),
      cancel: (turn) => gateway.cancel(turn),
      turn: (id, personId) => gateway.history.turn(id, { id: personId }),
      bots: (person) => gateway.roster.visibleTo(person).map(({ bot }) => bot),
      knownBots: (person) => gateway.roster.knownTo(person),
      conversationBot: async (person, id) =>
        (await gateway.archive.conversations.get(person.id, id))?.botId,
      beginConversation: async (person, title) =>
        (await gateway.conversations.begin(person, { title })).id,
    },
    account: (id) => accounts.person(id),
    isOut: (id) => accounts.isDeactivated(id),
    isGuest: (id) => accounts.isGuest(id),
    vouch: (who) => accounts.provision(who),
    offer: (id, bots) => accounts.offer(id, bots),
    identities: accounts.identities,
    languages: accounts.languages,
    store,
    clock,
    observer,
    random: parts.random,
    secret: (text) => parts.env?.(text.slice("env:".length)),
  });
  gateway.attachChatApps(apps);
  return apps;
}
