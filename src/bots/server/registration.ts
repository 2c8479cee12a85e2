/**
 * The decision about a `register` frame whose token and names are in order. It is a pure function
 * of what is known about the bot id and the socket. The first row that fits counts:
 *
 * | case                                                         | decision     |
 * | ------------------------------------------------------------ | ------------ |
 * | the socket answers as another bot that has open turns        | `decline`    |
 * | the gateway drains, and the bot has no open turns to resume  | `restarting` |
 * | the bot id is unknown                                        | `new`        |
 * | the bot id is registered on this socket                      | `continue`   |
 * | it is on another socket or away, and both versions are 2     | `resume`     |
 * | it is on another socket or away, and one of them is 1        | `replace`    |
 */

/** A bot that the server knows by its id. */
export interface KnownBot {
  readonly id: string;
  readonly protocol: number;
  readonly openTurns: number;
}

export interface RegistrationFacts {
  /** The version that the frame leads to. */
  readonly protocol: number;
  /** Whether the frame lists turns to resume. */
  readonly hasResume: boolean;
  /** Whether the gateway takes nothing new. */
  readonly isDraining: boolean;
  /** The bot with the frame's id, and the socket that it is on. */
  readonly known?: KnownBot & { readonly socket: "this" | "another" | "none" };
  /** The bot of another id that this socket answers as. */
  readonly other?: KnownBot;
}

export type RegistrationDecision =
  /** The first registration of this socket stands: its turns would have nobody to end them. */
  | { readonly action: "decline"; readonly error: string }
  /** Only bots that resume turns may come in; this one comes back after the restart. */
  | { readonly action: "restarting" }
  /**
   * The bot is in. `new`: nothing was known of it. `continue`: on its own socket nothing can have
   * been lost, so it keeps all turns that it does not give back. `resume`: it keeps the turns that
   * it lists. `replace`: its former link ends with all its turns.
   */
  | { readonly action: "accept"; readonly link: "new" | "continue" | "resume" | "replace" };

export function decideRegistration(facts: RegistrationFacts): RegistrationDecision {
  const { known, other, protocol } = facts;
  if (other && other.openTurns > 0) {
    const error = `this socket answers as ${JSON.stringify(other.id)}; open another one`;
    return { action: "decline", error };
  }
  const hasTurnsToResume = known !== undefined && known.openTurns > 0 &&
    (known.socket === "this" || facts.hasResume);
  if (facts.isDraining && !hasTurnsToResume) return { action: "restarting" };
  if (!known) return { action: "accept", link: "new" };
  if (known.socket === "this") return { action: "accept", link: "continue" };
  const canResume = protocol >= 2 && known.protocol >= 2;
  return { action: "accept", link: canResume ? "resume" : "replace" };
}
