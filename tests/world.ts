/**
 * A whole gateway on a real port for tests, and people and bots that talk to it over real sockets.
 */
import { type App, type AppParts, createApp } from "../src/app.ts";
import { type Config, readConfig } from "../src/config/config.ts";
import type { GatewayEvent } from "../src/core/observer.ts";

/** A gateway that listens on a free port. */
export interface World extends AsyncDisposable {
  readonly app: App;
  readonly url: string;
  /** `ws://…/bot-ws`. */
  readonly botUrl: string;
  readonly happenings: GatewayEvent[];
  /** A session's token for a person of the configuration. */
  token(name?: string, password?: string): Promise<string>;
  /** Connects a bot that has registered. */
  bot(id: string, register?: Record<string, unknown>): Promise<TestBot>;
  /** A signed-in person's request. */
  as(name: string, path: string, init?: RequestInit & { json?: unknown }): Promise<Response>;
}

export const USERS = {
  alice: { password: "alice-pass", displayName: "Alice" },
  bob: { password: "bob-pass", displayName: "Bob" },
  root: { password: "root-pass", displayName: "Root", role: "admin" },
};

/** Starts a gateway; `await using` stops it. */
export async function startWorld(
  settings: Record<string, unknown> = {},
  parts: AppParts = {},
): Promise<World> {
  const read = readConfig(
    JSON.stringify({ botToken: "bot-secret", users: USERS, drainTimeout: 1000, ...settings }),
  );
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  return await startWith(read.config, parts);
}

async function startWith(config: Config, parts: AppParts): Promise<World> {
  const happenings: GatewayEvent[] = [];
  const app = await createApp(config, {
    observer: { tell: (one) => happenings.push(one), chunk() {} },
    ...parts,
  });
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request, info) => app.fetch(request, { address: (info.remoteAddr as Deno.NetAddr).hostname }),
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  const botUrl = `ws://127.0.0.1:${server.addr.port}/bot-ws`;
  const tokens = new Map<string, Promise<string>>();
  const bots: TestBot[] = [];
  const world: World = {
    app,
    url,
    botUrl,
    happenings,
    token(name = "alice", password = `${name}-pass`) {
      let token = tokens.get(name);
      if (!token) tokens.set(name, token = signIn(url, name, password));
      return token;
    },
    async bot(id, register = {}) {
      const bot = await TestBot.connect(botUrl);
      bots.push(bot);
      bot.send({
        type: "register",
        botId: id,
        botName: id.toUpperCase(),
        token: "bot-secret",
        ...register,
      });
      const answer = await bot.next("registered");
      if (answer.success !== true) throw new Error(`refused: ${answer.error}`);
      return bot;
    },
    async as(name, path, { json, ...init } = {}) {
      const headers = new Headers(init.headers);
      headers.set("authorization", `Bearer ${await world.token(name)}`);
      if (json !== undefined) {
        headers.set("content-type", "application/json");
        init = { method: "POST", ...init, body: JSON.stringify(json) };
      }
      return await fetch(url + path, { ...init, headers });
    },
    async [Symbol.asyncDispose]() {
      for (const bot of bots) await bot.close();
      await app.close();
      await server.shutdown();
    },
  };
  return world;
}

async function signIn(url: string, username: string, password: string): Promise<string> {
  const response = await fetch(`${url}/api/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username, password }),
  });
  const { token, error } = await response.json();
  if (!token) throw new Error(error);
  return token;
}

// deno-lint-ignore no-explicit-any -- frames are looked at field by field
export type Frame = any;

/** A bot made of a WebSocket and nothing else. */
export class TestBot {
  readonly frames: Frame[] = [];
  /** The close code, once closed. */
  readonly closed: Promise<number>;
  #waiting: (() => void)[] = [];

  constructor(readonly socket: WebSocket) {
    socket.onmessage = ({ data }) => {
      this.frames.push(JSON.parse(data));
      for (const wake of this.#waiting.splice(0)) wake();
    };
    this.closed = new Promise((resolve) => {
      socket.onclose = ({ code }) => {
        resolve(code);
        for (const wake of this.#waiting.splice(0)) wake();
      };
    });
  }

  static async connect(url: string): Promise<TestBot> {
    const socket = new WebSocket(url);
    const bot = new TestBot(socket);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = (event) => reject(new Error((event as ErrorEvent).message));
    });
    socket.onerror = null;
    return bot;
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /** The next frame of a type, taken out of those that have come. */
  async next(type: string): Promise<Frame> {
    while (true) {
      const index = this.frames.findIndex((frame) => frame.type === type);
      if (index >= 0) return this.frames.splice(index, 1)[0];
      if (this.socket.readyState > 1) throw new Error(`closed while waiting for ${type}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Answers every chat from here on. */
  answerAll(answer: (chat: Frame) => void): void {
    const look = async () => {
      while (true) answer(await this.next("chat"));
    };
    // It ends with the socket.
    look().catch(() => {});
  }

  reply(replyTo: string, content: unknown, done = false, more: Record<string, unknown> = {}): void {
    this.send({ type: "reply", id: "r", replyTo, content, done, timestamp: Date.now(), ...more });
  }

  async close(): Promise<void> {
    if (this.socket.readyState <= 1) this.socket.close();
    await this.closed;
  }
}

/** One server-sent event. */
export interface Event {
  readonly id?: string;
  // deno-lint-ignore no-explicit-any -- events are looked at field by field
  readonly data: any;
}

/** Reads events one by one; comments are counted. */
export class Events {
  comments = 0;
  #buffer = "";
  readonly #reader: ReadableStreamDefaultReader<string>;

  constructor(response: Response) {
    this.#reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The next event, or nothing at the end. */
  async next(): Promise<Event | undefined> {
    while (true) {
      const end = this.#buffer.indexOf("\n\n");
      if (end >= 0) {
        const block = this.#buffer.slice(0, end);
        this.#buffer = this.#buffer.slice(end + 2);
        const event = parse(block);
        if (event) return event;
        this.comments++;
        continue;
      }
      const { value, done } = await this.#reader.read();
      if (done) return undefined;
      this.#buffer += value;
    }
  }

  /** Events up to the first that fits, which is the last of the list. */
  async until(fits: (event: Event) => boolean): Promise<Event[]> {
    const events: Event[] = [];
    while (true) {
      const event = await this.next();
      if (!event) {
        throw new Error(
          `the stream ended; it had ${JSON.stringify(events.map(({ data }) => data))}`,
        );
      }
      events.push(event);
      if (fits(event)) return events;
    }
  }

  async rest(): Promise<Event[]> {
    const events: Event[] = [];
    for (let event = await this.next(); event; event = await this.next()) events.push(event);
    return events;
  }

  async hangUp(): Promise<void> {
    await this.#reader.cancel();
  }
}

function parse(block: string): Event | undefined {
  let id: string | undefined;
  let text = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("id: ")) id = line.slice(4);
    else if (line.startsWith("data: ")) text += line.slice(6);
  }
  return text === "" ? undefined : { id, data: JSON.parse(text) };
}

/** The text that a reader of these events has, the way a page puts it together. */
export function textOf(events: readonly Event[]): string {
  let text = "";
  for (const { data } of events) {
    if (data.type === "chunk") text += data.content;
    else if (data.type === "replace") text = "";
  }
  return text;
}

/** Waits until something holds, looking whenever the event loop turns. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what = "it",
  seconds = 10,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!await holds()) {
    if (Date.now() > deadline) throw new Error(`waited ${seconds} seconds for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
