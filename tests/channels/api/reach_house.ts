/**
 * A gateway with people, bots and keys of every kind, for the walk over the table of routes.
 */
import type { AppParts } from "../../../src/app.ts";
import { argon2idInWasm } from "../../../src/backends/argon_wasm.ts";
import type { Person } from "../../../src/core/message.ts";
import { PasswordHasher } from "../../../src/core/people/password_hash.ts";
import { Events, startWorld, type TestBot, until, type World } from "../../world.ts";

/** Somebody who calls, by what they show. */
export interface Caller {
  readonly name: string;
  /** Whose account it is; nobody's where nobody is known. */
  readonly person?: string;
  readonly role?: "admin" | "member";
  /** The scopes of a key; absent for a session. */
  readonly scopes?: readonly string[];
  /** The bots that a key is bound to. */
  readonly bots?: readonly string[];
  /** The account may not come in. */
  readonly out?: true;
}

/** Every kind of caller. Alice is whose things are reached for. */
export const CALLERS: readonly Caller[] = [
  { name: "nobody" },
  { name: "somebody with a token of nobody's" },
  { name: "alice", person: "alice", role: "member" },
  { name: "bob", person: "bob", role: "member" },
  { name: "root", person: "root", role: "admin" },
  { name: "alice's key", person: "alice", role: "member", scopes: ["chat", "read"] },
  { name: "alice's key to ask", person: "alice", role: "member", scopes: ["chat"] },
  { name: "alice's key to read", person: "alice", role: "member", scopes: ["read"] },
  {
    name: "alice's key for a",
    person: "alice",
    role: "member",
    scopes: ["chat", "read"],
    bots: ["a"],
  },
  {
    name: "alice's key for the pool of a",
    person: "alice",
    role: "member",
    scopes: ["chat", "read"],
    bots: ["pool"],
  },
  { name: "alice's key to ask a", person: "alice", role: "member", scopes: ["chat"], bots: ["a"] },
  { name: "bob's key", person: "bob", role: "member", scopes: ["chat", "read"] },
  { name: "root's key for admins", person: "root", role: "admin", scopes: ["admin"] },
  {
    name: "root's key for everything",
    person: "root",
    role: "admin",
    scopes: ["chat", "read", "admin"],
  },
  {
    name: "root's key without the scope admin",
    person: "root",
    role: "admin",
    scopes: ["chat", "read"],
  },
  {
    name: "root's old key for admins and a",
    person: "root",
    role: "admin",
    scopes: ["chat", "read", "admin"],
    bots: ["a"],
  },
  { name: "zoe, who is disabled", person: "zoe", role: "member", out: true },
  { name: "zoe's key", person: "zoe", role: "member", scopes: ["chat", "read"], out: true },
];

export const passwordOf = (id: string) => `${id}-pass-word`;

/**
 * What a bot says to a question: its own name and the question. A question with `wait` is never
 * answered to its end.
 */
async function seat(world: World, id: string, more: Record<string, unknown>): Promise<TestBot> {
  const bot = await world.bot(id, { protocol: 2, ...more });
  const counts = new Map<string, number>();
  bot.answerAll(({ id: turn, content }) => {
    const seq = (counts.get(turn) ?? 0) + 1;
    counts.set(turn, seq);
    bot.reply(turn, `${id} on ${content}`, !content.includes("wait"), { seq });
  });
  const confirm = async () => {
    while (true) bot.send({ type: "cancelled", id: (await bot.next("cancel")).id });
  };
  // It ends with the socket.
  confirm().catch(() => {});
  return bot;
}

/** Everybody and everything that the walk needs. */
export class House implements AsyncDisposable {
  readonly #tokens = new Map<string, string>();
  #count = 0;

  private constructor(
    readonly world: World,
    readonly bots: { readonly a: TestBot; readonly b: TestBot },
    /** A password's hash, so that a new person costs none. */
    readonly hash: string,
  ) {}

  static async open(settings: Record<string, unknown> = {}, parts: AppParts = {}): Promise<House> {
    const world = await startWorld({
      users: {},
      signIn: { proxy: { from: ["127.0.0.1"] } },
      ...settings,
    }, parts);
    const { accounts } = world.app;
    for (const id of ["alice", "bob", "root", "zoe"]) {
      await accounts.editor.add(id, {
        password: passwordOf(id),
        role: id === "root" ? "admin" : "member",
      });
    }
    const bots = { a: await seat(world, "a", { pool: "pool" }), b: await seat(world, "b", {}) };
    const house = new House(
      world,
      bots,
      await new PasswordHasher(argon2idInWasm).hash("member-pass"),
    );
    for (const caller of CALLERS) {
      if (caller.person && (caller.scopes || caller.out)) await house.tokenOf(caller);
    }
    await accounts.editor.change("zoe", { disabled: true });
    return house;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }

  /** A number that was not given before. */
  next(): number {
    return ++this.#count;
  }

  /**
   * What a caller shows: a key of theirs, or a session, a new one each time so that a cell may end
   * it.
   */
  async tokenOf({ name, person, scopes, bots, out }: Caller): Promise<string | undefined> {
    if (name === "nobody") return undefined;
    if (person === undefined) return "f".repeat(64);
    const known = this.#tokens.get(name);
    if (known) return known;
    const { sessions, keys } = this.world.app;
    const { token } = scopes === undefined
      ? await sessions.begin(person)
      : await keys.make(person, { name, scopes: scopes as ("chat" | "read" | "admin")[], bots });
    if (scopes || out) this.#tokens.set(name, token);
    return token;
  }

  async send(
    token: string | undefined,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Response> {
    const headers = new Headers();
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    if (body !== undefined) headers.set("content-type", "application/json");
    return await fetch(this.world.url + path, {
      method,
      headers,
      redirect: "manual",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  }

  person(id: string): Person {
    return this.world.app.accounts.person(id)!;
  }

  /** Somebody new, whom an admin may change and remove. */
  async newcomer(role: "admin" | "member" = "member"): Promise<string> {
    return (await this.world.app.accounts.editor.add(`${role}${this.next()}`, {
      password: this.hash,
      role,
    })).id;
  }
}

/**
 * What belongs to somebody: made with what they show, so that a key that reads only its own finds
 * it.
 */
export class Things {
  constructor(readonly house: House, readonly person: string, readonly token: string) {}

  static async of(house: House, caller: Caller): Promise<Things> {
    // A key that may not ask finds what its person asked.
    const maker = caller.scopes?.includes("chat") ?? true
      ? caller
      : { name: "", person: caller.person };
    return new Things(house, caller.person!, (await house.tokenOf(maker))!);
  }

  /** Words that only this person, and in it only this bot, may ever show. */
  words(bot: string): string {
    return `zebra-of-${this.person}-with-${bot}`;
  }

  /** A conversation with a turn of a bot that has ended. */
  async conversation(bot = "a"): Promise<{ conversation: string; turn: string }> {
    const { world } = this.house;
    const { id } = await this.#json("/api/conversations", {});
    const turn = await this.#json("/api/chat", {
      message: this.words(bot),
      target: bot,
      conversationId: id,
    });
    await until(
      () => world.app.gateway.running().every((one) => one.id !== turn.turnId),
      "the turn's end",
    );
    return { conversation: id, turn: turn.turnId };
  }

  /** A conversation in which both bots answered. */
  async mixed(): Promise<{ conversation: string; turn: string; other: string }> {
    const { conversation, turn } = await this.conversation("a");
    const more = { message: this.words("b"), target: "b", conversationId: conversation };
    return { conversation, turn, other: (await this.#json("/api/chat", more)).turnId };
  }

  /** A turn that a bot does not end. */
  async running(bot = "a", chat?: string): Promise<{ conversation: string; turn: string }> {
    const words = `${this.words(bot)} wait`;
    if (chat !== undefined) {
      const response = await this.house.send(
        this.token,
        "POST",
        "/api/ai/chat",
        uiBody(chat, words, bot),
      );
      await response.body?.cancel();
      const turn = this.house.world.app.gateway.running().findLast(({ message }) =>
        message.text === words
      )!;
      return { conversation: turn.conversationId, turn: turn.id };
    }
    const { id } = await this.#json("/api/conversations", {});
    const asked = { message: words, target: bot, conversationId: id };
    const events = new Events(await this.house.send(this.token, "POST", "/api/chat/stream", asked));
    const begun = await events.until(({ data }) => data.type === "chunk");
    await events.hangUp();
    return { conversation: id, turn: begun.find(({ data }) => data.type === "start")!.data.turnId };
  }

  // deno-lint-ignore no-explicit-any -- answers are looked at field by field
  async #json(path: string, body: unknown): Promise<any> {
    const response = await this.house.send(this.token, "POST", path, body);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }
}

/** The body of `POST /api/ai/chat`. */
export function uiBody(id: string, text: string, model: string) {
  return { id, model, messages: [{ id: "m", role: "user", parts: [{ type: "text", text }] }] };
}
