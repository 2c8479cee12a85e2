/**
 * A stage for the connectors: a gateway whose bots speak from a script, on a clock that is driven.
 * What the real gateway does is tested elsewhere; here it must only be there.
 */
import { setImmediate } from "node:timers";
import type { GatewayPort, NamedBot } from "../../../src/channels/im/gateway_port.ts";
import type { Clock } from "../../../src/core/clock.ts";
import { DrivenClock } from "../../clock.ts";
import { NexusError } from "../../../src/core/error.ts";
import type { Message, Person } from "../../../src/core/message.ts";
import type { GatewayEvent, Observer } from "../../../src/core/observer.ts";
import { type Ending, Reply } from "../../../src/core/reply.ts";
import { Turn } from "../../../src/core/turn.ts";

/** What a bot says: after so many milliseconds, this. */
export interface Script {
  readonly pieces: readonly (readonly [after: number, text: string])[];
  readonly images?: readonly string[];
  readonly ending?: Ending;
}

/**
 * It never has a line and forgets no conversation; `real_gateway_test.ts` has the whole gateway.
 */
export class ScriptedGateway implements GatewayPort {
  readonly asked: Message[] = [];
  readonly cancelled: string[] = [];
  readonly turns = new Map<string, Turn>();
  readonly #keys = new Map<string, Turn>();
  bots_: NamedBot[] = [{ id: "alpha", name: "Alpha" }, { id: "beta", name: "Beta" }];
  #conversations = 0;

  constructor(readonly clock: Clock, public script: (message: Message) => Script | NexusError) {}

  // deno-lint-ignore require-await -- the contract is a promise, also where it fails
  async ask(message: Message): Promise<Turn> {
    const known = this.#keys.get(message.idempotencyKey ?? "");
    if (known) return known;
    this.asked.push(message);
    const script = this.script(message);
    if (script instanceof NexusError) throw script;
    const turn = new Turn(
      `turn-${this.asked.length}`,
      message.conversationId === undefined
        ? { kind: "undecided" }
        : { kind: "named", id: message.conversationId },
      message,
      new Reply(),
      this.clock.now(),
    );
    turn.bot = { id: "alpha", name: "Alpha" };
    this.turns.set(turn.id, turn);
    if (message.idempotencyKey) this.#keys.set(message.idempotencyKey, turn);
    let at = 0;
    for (const [after, text] of script.pieces) {
      this.clock.after(at += after, () => turn.reply.append("text", text));
    }
    this.clock.after(at, () => {
      for (const image of script.images ?? []) turn.reply.append("image", image);
      turn.reply.end(script.ending ?? { status: "done" });
    });
    return turn;
  }

  cancel(turn: Turn): Promise<boolean> {
    this.cancelled.push(turn.id);
    turn.reply.end({ status: "cancelled" });
    return Promise.resolve(true);
  }

  turn(id: string): Promise<Turn | undefined> {
    return Promise.resolve(this.turns.get(id));
  }

  bots(_person: Person) {
    return this.bots_;
  }

  /** Whoever answered last in a conversation. */
  conversationBot(_person: Person, conversationId: string): Promise<string | undefined> {
    const turns = [...this.turns.values()].filter((turn) => turn.conversationId === conversationId);
    return Promise.resolve(turns.at(-1)?.bot?.id);
  }

  beginConversation(): string {
    return `conversation-${++this.#conversations}`;
  }
}

/**
 * A text at so many tokens a second for so many seconds, in sentences and paragraphs, from a
 * repeatable lot.
 */
export function trace(seconds: number, perSecond: number, mark = ""): Script {
  const pieces: [number, string][] = [];
  const count = Math.round(seconds * perSecond);
  for (let n = 0; n < count; n++) {
    const end = n % 60 === 59 ? "。\n\n" : n % 15 === 14 ? "。" : "";
    pieces.push([1000 / perSecond, `词${n % 100}${end}`]);
  }
  pieces.push([0, `\n\n完${mark}`]);
  return { pieces };
}

export function textOf(script: Script): string {
  return script.pieces.map(([, text]) => text).join("");
}

/** A driven clock under code that also reads bodies, which takes turns of the real event loop. */
export function stageClock(start?: number): DrivenClock {
  return new DrivenClock(start, turns);
}

async function turns(): Promise<void> {
  for (let n = 0; n < 3; n++) await new Promise<void>((resolve) => setImmediate(resolve));
}

export class Notes implements Observer {
  readonly all: GatewayEvent[] = [];
  tell(happening: GatewayEvent): void {
    this.all.push(happening);
  }
  chunk(): void {}
  of<T extends GatewayEvent["type"]>(type: T): Extract<GatewayEvent, { type: T }>[] {
    return this.all.filter((note): note is Extract<GatewayEvent, { type: T }> =>
      note.type === type
    );
  }
}
