/**
 * This is what the kit plays towards a gateway under test: bots that dial in, and one person who
 * asks them over HTTP.
 */
import { expect, Failed, pause, short, Skipped, type Stage, Waiting } from "./case.ts";
import type { Raw } from "./play_gateway.ts";

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

/** One socket of a bot. */
export class Plug {
  readonly frames: { readonly frame: Raw; readonly at: number }[] = [];
  closed: { readonly code: number } | undefined;
  registered: Raw;
  /** Does not answer pings. */
  mute = false;
  readonly #waiting = new Waiting();
  readonly #patience: number;
  #taken = 0;

  constructor(readonly socket: WebSocket, readonly botId: string, patience: number) {
    this.#patience = patience;
    socket.onmessage = ({ data }) => {
      let frame: Raw;
      try {
        frame = JSON.parse(data);
      } catch {
        frame = { type: "unreadable", data };
      }
      this.frames.push({ frame, at: performance.now() });
      if (frame?.type === "ping" && !this.mute) this.say({ type: "pong" });
      this.#waiting.wake();
    };
    socket.onclose = ({ code }) => {
      this.closed ??= { code };
      this.#waiting.wake();
    };
    socket.onerror = () => {}; // a close event follows
    socket.onopen = () => this.#waiting.wake();
  }

  say(frame: Raw): void {
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
    }
  }

  /** A delta, numbered when `seq` is given. */
  reply(replyTo: string, content: unknown, more: Record<string, unknown> = {}): void {
    this.say({
      type: "reply",
      id: "r",
      replyTo,
      content,
      done: false,
      timestamp: Date.now(),
      ...more,
    });
  }

  until<T>(look: () => T | undefined | false, what: string, ms = this.#patience): Promise<T> {
    return this.#waiting.until(
      () => {
        const found = look();
        if ((found === undefined || found === false) && this.closed) {
          throw new Failed(
            `the gateway closed the socket (${this.closed.code}) before ${what} came`,
          );
        }
        return found;
      },
      ms,
      what,
    );
  }

  /** The next frame of a type that no call has handed out; others in between are passed over. */
  async next(type: string, ms?: number): Promise<Raw> {
    return await this.until(
      () => {
        for (let index = this.#taken; index < this.frames.length; index++) {
          if (this.frames[index]!.frame?.type !== type) continue;
          this.#taken = index + 1;
          return this.frames[index]!.frame;
        }
      },
      `a ${type} frame`,
      ms,
    );
  }

  /** Resolves once `text` has been sent or the socket is gone. */
  opened(): Promise<unknown> {
    return this.until(() => this.socket.readyState === WebSocket.OPEN, "the connection");
  }

  /** The close code; fails when the socket is still open after `ms`. */
  async gone(ms = this.#patience): Promise<number> {
    return (await this.#waiting.until(() => this.closed, ms, "the close")).code;
  }

  async leave(): Promise<void> {
    if (!this.closed) this.socket.close(1000);
    try {
      await this.gone(2000);
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
    }
  }

  /** Frames of a type so far. */
  all(type: string): Raw[] {
    return this.frames.filter(({ frame }) => frame?.type === type).map(({ frame }) => frame);
  }
}

/** A question of the person, and what came back. */
export class Question {
  readonly events: Raw[] = [];
  /** Texts in order, as a page would join them. */
  text = "";
  images: string[] = [];
  status: number | undefined;
  ended = false;
  readonly #waiting = new Waiting();
  readonly #patience: number;
  readonly abort = new AbortController();

  constructor(patience: number) {
    this.#patience = patience;
  }

  async run(url: string, token: string, body: Raw): Promise<void> {
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: this.abort.signal,
      });
      this.status = response.status;
      if (!response.ok) {
        this.events.push({ type: "refused", status: response.status, ...await response.json() });
      } else {
        for await (const event of readEvents(response.body!)) this.#take(event);
      }
    } catch (error) {
      if (!this.abort.signal.aborted) this.events.push({ type: "cut", error: String(error) });
    }
    this.ended = true;
    this.#waiting.wake();
  }

  #take(event: Raw): void {
    this.events.push(event);
    if (event.type === "chunk") this.text += event.content ?? "";
    if (event.type === "replace") this.text = "";
    if (event.type === "image") this.images.push(event.content ?? event.image ?? event.url ?? "");
    this.#waiting.wake();
  }

  until<T>(look: () => T | undefined | false, what: string, ms = this.#patience): Promise<T> {
    return this.#waiting.until(
      () => {
        const found = look();
        if ((found === undefined || found === false) && this.ended) {
          throw new Failed(
            `the person's stream ended (${short(this.events.at(-1))}) before ${what} came`,
          );
        }
        return found;
      },
      ms,
      what,
    );
  }

  /** How the turn ended for the person: `done`, or anything else. */
  async outcome(ms = this.#patience): Promise<string> {
    await this.#waiting.until(() => this.ended, ms, "the end of the person's stream");
    const last = this.events.findLast(({ type }) =>
      ["end", "error", "refused", "cut"].includes(type)
    );
    return last?.type === "end" ? last.status ?? "done" : last?.type ?? "nothing";
  }
}

async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<Raw> {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n\n");
    rest = parts.pop()!;
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) =>
        line.slice(5).trim()
      ).join(
        "\n",
      );
      if (data) yield JSON.parse(data);
    }
  }
}

export class BotStage implements Stage, AsyncDisposable {
  readonly patience: number;
  readonly slow: boolean;
  /** What the gateway said to a version-2 bot, if it speaks that. */
  welcome: Raw;
  /** Who asks. */
  userId: string | undefined;
  readonly #target: GatewayTarget;
  readonly #http: string;
  readonly #prefix: string;
  #session: string | undefined;
  #noPerson: string | undefined = "no person to ask as (--user and --password)";
  #count = 0;
  #plugs: Plug[] = [];
  #questions: Question[] = [];
  #running: Promise<void>[] = [];
  #silent: { readonly plug: Plug; readonly since: number } | undefined;

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
  async meet(): Promise<void> {
    const plug = await this.dial();
    plug.say(this.registration(plug.botId, { protocol: 2 }));
    const registered = await plug.next("registered");
    if (!registered.success) {
      throw new Failed(`the gateway refused the kit's bot: ${registered.error} (--token)`);
    }
    this.welcome = registered.protocol >= 2 ? registered : undefined;
    await plug.leave();
    // Opened now, so that the ten seconds it takes pass while other things are tried.
    this.#silent = { plug: await this.dial(), since: performance.now() };
    this.#plugs = [];
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

  registration(botId: string, fields: Record<string, unknown> = {}): Raw {
    return {
      type: "register",
      botId,
      botName: "Conformance kit",
      token: this.#target.token,
      ...fields,
    };
  }

  /** An id that no other bot has. */
  name(): string {
    return `${this.#prefix}-${++this.#count}`;
  }

  /** Opens a socket and says nothing. */
  async dial(botId = this.name(), headers?: Record<string, string>): Promise<Plug> {
    const socket = headers
      ? withHeaders(this.#target.url, headers)
      : new WebSocket(this.#target.url);
    const plug = new Plug(socket, botId, this.patience);
    this.#plugs.push(plug);
    await plug.opened();
    return plug;
  }

  /** A socket that never said anything, and since when. */
  silent(): { readonly plug: Plug; readonly since: number } {
    return this.#silent!;
  }

  /** A registered bot: version 2 where the fields say `protocol`, else version 1. */
  async bot(fields: Record<string, unknown> = {}, botId?: string): Promise<Plug> {
    const plug = await this.dial(botId);
    plug.say(this.registration(plug.botId, fields));
    plug.registered = await plug.next("registered");
    expect(
      plug.registered.success === true,
      `registered.success was ${short(plug.registered.success)}`,
    );
    return plug;
  }

  /** The person asks a bot. Does not wait for anything. */
  ask(bot: Plug, message: string, more: Record<string, unknown> = {}): Question {
    const question = new Question(this.patience);
    this.#questions.push(question);
    const body = { message, target: bot.botId, ...more };
    this.#running.push(question.run(`${this.#http}/api/chat/stream`, this.#session!, body));
    return question;
  }

  /** The person asks, and the bot has it. */
  async asked(
    bot: Plug,
    message = "Say hello.",
  ): Promise<{ question: Question; chat: Raw; id: string }> {
    const question = this.ask(bot, message);
    const chat = await Promise.race([
      bot.next("chat"),
      question.outcome(this.patience + 1000).then((outcome) => {
        throw new Failed(
          `the person was told ${outcome} (${
            short(question.events.at(-1))
          }) and the bot never asked`,
        );
      }),
    ]);
    return { question, chat, id: chat.id };
  }

  async get(path: string): Promise<Raw> {
    const response = await fetch(this.#http + path, {
      headers: { authorization: `Bearer ${this.#session}` },
    });
    return await response.json();
  }

  async post(path: string): Promise<{ status: number; body: Raw }> {
    const response = await fetch(this.#http + path, {
      method: "POST",
      headers: { authorization: `Bearer ${this.#session}`, "content-type": "application/json" },
      body: "{}",
    });
    const text = await response.text();
    return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
  }

  /** Throws {@linkcode Skipped} where a wait of `ms` is too long for this run. */
  affordable(ms: number, what: string): void {
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

  async tidy(): Promise<void> {
    for (const question of this.#questions.splice(0)) question.abort.abort();
    await Promise.all(this.#running.splice(0));
    await Promise.all(this.#plugs.splice(0).map((plug) => plug.leave()));
    // The gateway may notice the last hang-ups only after this: what follows uses ids of its own.
    await pause(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tidy();
    await this.#silent?.plug.leave();
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
