import type { Message, Person } from "../../core/message.ts";
import type { Turn } from "../../core/turn.ts";

/** What a desk needs of the gateway: the verbs, so that a test can stand in for it. */
export interface Asks {
  ask(message: Message): Promise<Turn>;
  cancel(turn: Turn): Promise<boolean>;
  turn(id: string, personId: string): Promise<Turn | undefined>;
  /** The bots a person may use. */
  bots(person: Person): readonly Called[];
  /** These and those that were here lately: who means one by name means no other. */
  known?(person: Person): readonly Called[];
  /** The bot that a conversation has. */
  own?(person: Person, conversationId: string): Promise<string | undefined>;
  /** A new conversation's id. */
  begin(person: Person, title: string): Promise<string> | string;
}

/** How a bot is called. */
export interface Called {
  readonly id: string;
  readonly name: string;
  readonly pool?: string;
}
