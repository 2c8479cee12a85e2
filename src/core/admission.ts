/**
 * The ports through which the gateway learns who may ask and how much. `core/people/` implements
 * them.
 */
import type { Message, Person } from "./message.ts";

/** How much people may ask and keep. */
export interface Admission {
  /**
   * Counts a message; throws `limited` where its person has used up what they may. Called once per
   * message, before a bot is chosen.
   */
  admit(message: Message): Promise<void> | void;
  /** An admitted message became no turn: it is not counted any more. */
  giveBack(message: Message): void;
  /** How many conversations a person may keep. */
  maxConversations(personId: string): number;
}

/** Which people there are. */
export interface PersonDirectory {
  /** Whether this is the id of an account that is not (or no longer) let in. */
  isOut(personId: string): boolean;
  /** The person with this id; nothing where there is none. */
  find(personId: string): Promise<Person | undefined> | Person | undefined;
}

/** Everybody may ask as much as they like. */
export const unlimited: Admission = {
  admit() {},
  giveBack() {},
  maxConversations: () => Infinity,
};

/** Nobody is known, and nobody is kept out. */
export const nobody: PersonDirectory = {
  isOut: () => false,
  find: () => undefined,
};
