/** The bots that the kit plays for a gateway under test, and one person who asks them over HTTP. */
import { type ConformStage, expect, Failed, pause, preview, Skipped } from "./case.ts";
import { KitBot } from "./kit_bot.ts";
import { PersonQuestion } from "./question.ts";
import type { RawFrame } from "./raw.ts";

export interface GatewayTarget {
  /** The bots' address, `ws://host:port/bot-ws`. */
  readonly url: string;
  readonly token?: string;
  /** The gateway's HTTP address. Default: the same host. */
  readonly http?: string;
  readonly user?: string;
  readonly password?: string;
  /** What the bots' ids begin with. Default `conform`, and something random. */
  readonly botId?: string;
  /** Milliseconds for anything that should come soon. Default 10,000. */
  readonly patience?: number;
  /** Also tries what needs minutes: time-outs that the gateway announces. */
  readonly slow?: boolean;
}

export class BotStage implements ConformStage, AsyncDisposable {
  readonly patience: number;
  readonly slow: boolean;
  /** What the gateway said to a version-2 bot, if it speaks that. */
  welcome: RawFrame;
  /** Who asks. */
  userId: string | undefined;
  readonly #target: GatewayTarget;
  readonly #http: string;
  readonly #prefix: string;
  #session: string | undefined;
  #noPerson: string | undefined = "no person to ask as (--user and --password)";
  #count = 0;
  #bots: KitBot[] = [];
  #questions: PersonQuestion[] = [];
  #running: Promise<void>[] = [];
  #silent: { readonly kitBot: KitBot; readonly since: number } | undefined;

  constructor(target: GatewayTarget) {
    this.#target = target;
    this.patience = target.patience ?? 10_000;
    this.slow = target.slow ?? false;
    const url = new URL(target.url);
    this.#http = target.http?.replace(/\/$/, "") ??
      `${url.protocol === "wss:" ? "https:" : "http:"}//${url.host}`;
    this.#prefix = target.botId ?? `conform-${crypto.randomUUID().slice(0, 6)}`;
  }

  /** Looks what the gateway speaks, and signs the person in. Throws {@linkcode Failed} when there is no gateway. */
  async start(): Promise<void> {
    const kitBot = await this.openSocket();
    kitBot.send(this.registration(kitBot.botId, { protocol: 2 }));
    const registered = await kitBot.next("registered");
    if (!registered.success) {
      throw new Failed(`the gateway refused the kit's bot: ${registered.error} (--token)`);
    }
    this.welcome = registered.protocol >= 2 ? registered : undefined;
    await kitBot.close();
    // Opened now, so that the ten seconds it takes pass while other things are tried.
    this.#silent = { kitBot: await this.openSocket(), since: performance.now() };
    this.#bots = [];
    const { user, password } = this.#target;
    if (user === undefined || password === undefined) return;
    const response = await fetch(`${this.#http}/api/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username: user, password }),
    });
    const answer = await response.json();
    if (response.ok && answer.token) {
      this.#session = answer.token;
      this.#noPerson = undefined;
    } else this.#noPerson = `the sign-in failed: ${response.status} ${answer.error}`;
  }

  get token(): string | undefined {
    return this.#target.token;
  }

  registration(botId: string, fields: Record<string, unknown> = {}): RawFrame {
    return {
      type: "register",
      botId,
      botName: "Conformance kit",
      token: this.#target.token,
      ...fields,
    };
  }

  /** An id that no other bot has. */
  newBotId(): string {
    return `${this.#prefix}-${++this.#count}`;
  }

  /** Opens a socket and says nothing. */
  async openSocket(botId = this.newBotId(), headers?: Record<string, string>): Promise<KitBot> {
    const socket = headers
      ? withHeaders(this.#target.url, headers)
      : new WebSocket(this.#target.url);
    const kitBot = new KitBot(socket, botId, this.patience);
    this.#bots.push(kitBot);
    await kitBot.opened();
    return kitBot;
  }

  /** A socket that never said anything, and since when. */
  silentBot(): { readonly kitBot: KitBot; readonly since: number } {
    return this.#silent!;
  }

  /** A registered bot: version 2 where the fields say `protocol`, else version 1. */
  async bot(fields: Record<string, unknown> = {}, botId?: string): Promise<KitBot> {
    const kitBot = await this.openSocket(botId);
    kitBot.send(this.registration(kitBot.botId, fields));
    kitBot.registered = await kitBot.next("registered");
    expect(
      kitBot.registered.success === true,
      `registered.success was ${preview(kitBot.registered.success)}`,
    );
    return kitBot;
  }

  /** The person asks a bot. Does not wait for anything. */
  ask(bot: KitBot, message: string, more: Record<string, unknown> = {}): PersonQuestion {
    const question = new PersonQuestion(this.patience);
    this.#questions.push(question);
    const body = { message, target: bot.botId, ...more };
    this.#running.push(question.run(`${this.#http}/api/chat/stream`, this.#session!, body));
    return question;
  }

  /** The person asks, and the bot has it. */
  async asked(
    bot: KitBot,
    message = "Say hello.",
  ): Promise<{ question: PersonQuestion; chat: RawFrame; id: string }> {
    const question = this.ask(bot, message);
    const chat = await Promise.race([
      bot.next("chat"),
      question.outcome(this.patience + 1000).then((outcome) => {
        throw new Failed(
          `the person got ${outcome} (${preview(question.events.at(-1))}) and the bot never asked`,
        );
      }),
    ]);
    return { question, chat, id: chat.id };
  }

  async get(path: string): Promise<RawFrame> {
    const response = await fetch(this.#http + path, {
      headers: { authorization: `Bearer ${this.#session}` },
    });
    return await response.json();
  }

  async post(path: string): Promise<{ status: number; body: RawFrame }> {
    const response = await fetch(this.#http + path, {
      method: "POST",
      headers: { authorization: `Bearer ${this.#session}`, "content-type": "application/json" },
      body: "{}",
    });
    const text = await response.text();
    return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
  }

  /** Throws {@linkcode Skipped} where a wait of `ms` is too long for this run. */
  requireTime(ms: number, what: string): void {
    if (ms > this.patience && !this.slow) {
      throw new Skipped(`${what} needs ${Math.round(ms / 1000)} s (--slow)`);
    }
  }

  lacks(need: string): string | undefined {
    return need === "person" ? this.#noPerson : undefined;
  }

  lacksVersion(version: 1 | 2 | "both"): string | undefined {
    return version === 2 && !this.welcome ? "the gateway speaks version 1" : undefined;
  }

  async cleanUp(): Promise<void> {
    for (const question of this.#questions.splice(0)) question.abort.abort();
    await Promise.all(this.#running.splice(0));
    await Promise.all(this.#bots.splice(0).map((kitBot) => kitBot.close()));
    // The gateway may notice the last hang-ups only after this: what follows uses ids of its own.
    await pause(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cleanUp();
    await this.#silent?.kitBot.close();
  }
}

/** Deno and Node take headers here; the standard, which the types follow, does not. */
function withHeaders(url: string, headers: Record<string, string>): WebSocket {
  const Socket = WebSocket as unknown as new (
    url: string,
    options: { headers: Record<string, string> },
  ) => WebSocket;
  return new Socket(url, { headers });
}
