import type { Message, Person } from "../../core/message.ts";
import type { Turn } from "../../core/turn.ts";

/** What a inbox needs of the gateway: the verbs, so that a test can stand in for it. */
export interface GatewayPort {
  ask(message: Message): Promise<Turn>;
  cancel(turn: Turn): Promise<boolean>;
  turn(id: string, personId: string): Promise<Turn | undefined>;
  /** The bots a person may use. */
  bots(person: Person): readonly NamedBot[];
  /** These and those that were here lately: who means one by name means no other. */
  knownBots?(person: Person): readonly NamedBot[];
  /** The bot that a conversation has. */
  conversationBot?(person: Person, conversationId: string): Promise<string | undefined>;
  /** A new conversation's id. */
  beginConversation(person: Person, title: string): Promise<string> | string;
}

/** How a bot is called. */
export interface NamedBot {
  readonly id: string;
  readonly name: string;
  readonly pool?: string;
}
