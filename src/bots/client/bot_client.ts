/**
 * A bot at its gateway: {@linkcode BotClient} ties the connection, the turns that it answers, and
 * its pushes into one {@linkcode Bot}.
 */
import { type ChatFrame, MAX_REGISTER, PROTOCOL, type RegisterFrame } from "../wire/frame.ts";
import type { Progress, PushedFrame } from "../wire/frame.ts";
import { Connection, type ConnectionEvents, type Drop, type SessionFrame } from "./connection.ts";
import { Pushes } from "./pushes.ts";
import type { OutgoingReply } from "./reply.ts";
import { realClock } from "./socket.ts";
import { Turns } from "./turns.ts";
import {
  type Bot,
  type ClientClock,
  type ConnectionState,
  type ConnectOptions,
  type GatewayInfo,
  NotSent,
  type Push,
  RegistrationRefused,
} from "./types.ts";

/** Bytes of a `register` frame that are left free around its `resume` list. */
const REGISTER_MARGIN = 100;

type Load = Parameters<Bot["status"]>[0];

export class BotClient implements Bot, ConnectionEvents {
  readonly #options: ConnectOptions;
  readonly #clock: ClientClock;
  readonly #connection: Connection;
  readonly #turns: Turns;
  readonly #pushes: Pushes;
  #load: Load | undefined;
  #waitingReady: { resolve(gateway: GatewayInfo): void; reject(error: Error): void }[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: ConnectOptions) {
    if (!options.botId) throw new TypeError("Cannot connect: botId must not be empty");
    this.#options = options;
    this.#clock = options.clock ?? realClock;
    this.#connection = new Connection(options, this);
    this.#turns = new Turns(this.#connection, this.#clock, (text) => this.onProblem(text));
    this.#pushes = new Pushes(this.#connection, this.#clock);
    this.#connection.open();
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  get busy(): number {
    return this.#turns.size;
  }

  ready(): Promise<GatewayInfo> {
    const { state } = this;
    if (state.phase === "ready") return Promise.resolve(state.gateway);
    if (state.phase === "blocked") {
      return Promise.reject(new RegistrationRefused(state.reason, state.code));
    }
    if (state.phase === "closed") {
      return Promise.reject(new RegistrationRefused("the bot was closed"));
    }
    return new Promise((resolve, reject) => this.#waitingReady.push({ resolve, reject }));
  }

  push(push: Push): Promise<PushedFrame> {
    const { phase } = this.state;
    if (phase === "closed" || phase === "blocked" || this.#closing) {
      return Promise.reject(new NotSent(`the bot is ${phase}`));
    }
    return this.#pushes.push(push, this.#turns.maxFrame);
  }

  status(load: Load): void {
    this.#load = { ...this.#load, ...load };
    this.#sendLoad();
  }

  close({ finish = 0 }: { readonly finish?: number } = {}): Promise<void> {
    // It begins a moment later, so that everything that arrives meanwhile finds `#closing` set.
    return this.#closing ??= Promise.resolve().then(() => this.#leave(finish));
  }

  async #leave(finish: number): Promise<void> {
    if (finish > 0 && this.#turns.size > 0 && this.#connection.isRegistered) {
      this.status({ draining: true });
      await new Promise<void>((resolve) => {
        const stop = this.#clock.after(finish, resolve);
        this.#turns.onIdle = () => (stop(), resolve());
      });
      this.#turns.onIdle = undefined;
    }
    this.#turns.handBackAll();
    this.#rejectWaiting(new RegistrationRefused("the bot was closed"));
    await this.#connection.close();
  }

  /* What the connection tells. */

  register(gateway: GatewayInfo | undefined): string {
    const frame = registration(this.#options);
    const text = JSON.stringify(frame);
    if (gateway?.protocol !== 2 || this.#turns.size === 0) return text;
    const left = MAX_REGISTER - new TextEncoder().encode(text).length - REGISTER_MARGIN;
    return JSON.stringify({ ...frame, resume: this.#turns.progress(left) });
  }

  onRegistered(gateway: GatewayInfo, resume: readonly Progress[]): void {
    this.#turns.resume(gateway, resume);
  }

  onReady(gateway: GatewayInfo): void {
    for (const { resolve } of this.#waitingReady.splice(0)) resolve(gateway);
    this.#sendLoad();
    this.#pushes.send();
  }

  onFrame(frame: SessionFrame): void {
    switch (frame.type) {
      case "ack":
        return this.#turns.onAck(frame.replyTo, frame.seq);
      case "chat":
        return this.#begin(frame);
      case "cancel":
        this.#turns.cancel(frame.id);
        return void this.#connection.send(JSON.stringify({ type: "cancelled", id: frame.id }));
      case "pushed":
        return this.#pushes.onReceipt(frame);
      case "error": {
        if (this.#turns.onError(frame)) return;
        const code = frame.code ? `${frame.code}: ` : "";
        return this.onProblem(`the gateway reported an error: ${code}${frame.message}`);
      }
    }
  }

  onSocketGone(): void {
    this.#turns.onSocketGone();
    this.#pushes.onSocketGone();
  }

  onDrop(drop: Drop): boolean {
    if (this.#closing) {
      this.#turns.endAll("closed");
      return false;
    }
    this.#turns.onDrop(drop);
    return true;
  }

  onBlocked(reason: string, code: number | undefined): boolean {
    if (this.#closing) {
      this.#turns.endAll("closed");
      return false;
    }
    this.#turns.endAll("lost");
    this.onProblem(`the gateway refused this bot: ${reason}; it will not dial again`);
    this.#rejectWaiting(new RegistrationRefused(reason, code));
    return true;
  }

  onProblem(text: string, cause?: unknown): void {
    const { onProblem, botId } = this.#options;
    if (onProblem) onProblem(text, cause);
    else console.warn(`bot ${botId}: ${text}`, ...(cause === undefined ? [] : [cause]));
  }

  /* Answers. */

  #begin(chat: ChatFrame): void {
    const reply = this.#turns.begin(chat);
    if (!reply) return;
    // It was on its way while this bot asked for nothing new.
    if (this.#closing) return reply.handBack();
    this.#answer(chat, reply).catch((cause) => {
      if (reply.over) return;
      this.onProblem(`answering turn ${chat.id} failed`, cause);
      reply.fail("the bot ran into an error");
    });
  }

  async #answer(chat: ChatFrame, reply: OutgoingReply): Promise<void> {
    const answer = await this.#options.answer(chat, reply);
    if (typeof answer === "string") return reply.done(answer);
    if (answer) {
      for await (const text of answer) {
        if (reply.over) break;
        if (!reply.write(text)) await reply.drain();
      }
    }
    reply.done();
  }

  #sendLoad(): void {
    if (!this.#connection.isRegistered || !this.#load) return;
    if (this.#connection.gateway!.protocol === 1) return;
    this.#connection.send(JSON.stringify({ type: "status", ...this.#load }));
  }

  #rejectWaiting(error: Error): void {
    this.#pushes.rejectAll(error);
    for (const { reject } of this.#waitingReady.splice(0)) reject(error);
  }
}

function registration(options: ConnectOptions): RegisterFrame {
  const { botId, botName = botId, token, protocol = PROTOCOL, maxConcurrent } = options;
  if (protocol < 2) return { type: "register", botId, botName, token };
  const { capabilities, description, weight, pool, restart, redial } = options;
  return {
    type: "register",
    botId,
    botName,
    token,
    protocol,
    capabilities,
    description,
    maxConcurrent: Number.isFinite(maxConcurrent) ? maxConcurrent : undefined,
    weight,
    pool,
    restart,
    redial,
  };
}
