/** The part of the gateway that an inbox uses. */
import type { Message, Person } from "../../core/message.ts";
import type { Turn } from "../../core/turn.ts";

export interface GatewayPort {
  ask(message: Message): Promise<Turn>;
  cancel(turn: Turn): Promise<boolean>;
  turn(id: string, personId: string): Promise<Turn | undefined>;
  /** Returns the bots that a person may use. */
  bots(person: Person): readonly NamedBot[];
  /** Returns these, and those that were connected lately, so that their names mean no other bot. */
  knownBots?(person: Person): readonly NamedBot[];
  /** Returns the id of the bot that a conversation has. */
  conversationBot?(person: Person, conversationId: string): Promise<string | undefined>;
  /** Begins a conversation and returns its id. */
  beginConversation(person: Person, title: string): Promise<string> | string;
}

/** A bot and its names. */
export interface NamedBot {
  readonly id: string;
  readonly name: string;
  readonly pool?: string;
}
