/** The handler of `push` frames: it limits their rate and sends the receipts. */
import type { Clock } from "../../core/clock.ts";
import { asNexusError, NexusError } from "../../core/error.ts";
import type { Bot } from "../../core/link.ts";
import { dataUrl, type MessageImage } from "../../core/message.ts";
import type { Observer } from "../../core/observer.ts";
import { RateLimiter } from "../../core/rate_limiter.ts";
import type { PushFrame } from "../wire/frame.ts";
import { PUSH_RATE } from "./settings.ts";
import type { SocketLink } from "./socket_link.ts";

/** A message that a bot sends without a question. */
export interface BotPush {
  readonly to: string;
  readonly content: string;
  readonly images: readonly MessageImage[];
  readonly id?: string;
}

export interface PushHandlerParts {
  readonly clock: Clock;
  readonly observer: Observer;
  /** Delivers a bot's push. Rejects with a `NexusError` where the bot may not. */
  readonly push: (bot: Bot, push: BotPush) => Promise<void>;
}

export class PushHandler {
  readonly #parts: PushHandlerParts;
  readonly #limiter: RateLimiter;

  constructor(parts: PushHandlerParts) {
    this.#parts = parts;
    this.#limiter = new RateLimiter(PUSH_RATE, parts.clock);
  }

  /** Delivers a push and answers with its receipt. Never rejects. */
  async handle(link: SocketLink, frame: PushFrame): Promise<void> {
    const error = await this.#deliver(link, frame);
    if (frame.id !== undefined) {
      link.send({ type: "pushed", id: frame.id, success: error === undefined, error });
    } else if (error !== undefined) link.send({ type: "error", code: "push", message: error });
  }

  /** The reason why it was not delivered. */
  async #deliver({ bot }: SocketLink, frame: PushFrame): Promise<string | undefined> {
    try {
      const wait = this.#limiter.take(bot.id);
      if (wait > 0) throw new NexusError("limited", `wait ${wait} s`);
      await this.#parts.push(bot, { ...frame, images: (frame.images ?? []).map(dataUrl) });
      return undefined;
    } catch (thrown) {
      const error = asNexusError(thrown);
      if (error.code === "internal") {
        this.#parts.observer.tell({ type: "fault", where: "push", error: thrown });
      }
      return error.message;
    }
  }
}
