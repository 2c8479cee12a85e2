/**
 * For each route a request that whoever is let in gets answered, with the ids of somebody's own
 * things. A route without a scene fails the walk.
 */
import { totpCode } from "../../../src/core/people/totp.ts";
import { type House, passwordOf, Things, uiBody } from "./reach_house.ts";

/** One request. */
export interface Ask {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: string;
  readonly json?: unknown;
  /** Where it is not the declared one. */
  readonly status?: number;
  /** What the answer must hold. A stream is read up to there, else to its end. */
  readonly says?: RegExp;
  /** Done once a stream has begun. */
  readonly meanwhile?: () => Promise<unknown>;
  /** Done after the answer. */
  readonly after?: () => Promise<unknown> | void;
  /** What it answers to somebody whose things these are not; default: 404. */
  readonly foreign?: number;
  /** The same upon an admin's account, where that is for a session only. */
  readonly onAdmin?: Pick<Ask, "params" | "json">;
  /** Whether it names a thing of somebody's, or begins from one. */
  readonly names?: true;
}

export type Scene = (house: House, things: Things) => Promise<Ask> | Ask;

const plain = (): Ask => ({});

/** Routes that anyone takes, and those that only list or count. */
const simple: Record<string, Scene> = {
  "post /api/login": () => ({ json: { username: "bob", password: passwordOf("bob") } }),
  "post /api/logout": plain,
  "get /api/me": plain,
  "get /api/sessions": plain,
  "get /api/bots": plain,
  "get /api/totp": plain,
  "get /api/keys": plain,
  "get /api/usage": plain,
  "get /api/identities": plain,
  "get /api/sign-in": plain,
  "get /api/sign-in/{provider}": () => ({ params: { provider: "none" }, status: 400 }),
  "get /api/sign-in/{provider}/callback": () => ({ params: { provider: "none" }, status: 400 }),
  "get /health": plain,
  "get /livez": plain,
  "get /readyz": plain,
  "get /metrics": plain,
  "get /openapi.json": plain,
  "get /config.schema.json": plain,
  "get /v1/models": plain,
  "get /v1/models/{id}": () => ({ params: { id: "a" } }),
  "post /channels/{platform}/{name}": () => ({
    params: { platform: "feishu", name: "none" },
    status: 404,
  }),
  "get /channels/{platform}/{name}": () => ({
    params: { platform: "feishu", name: "none" },
    status: 404,
  }),
  "get /bot-ws": () => ({ status: 400 }),
};

/** What belongs to one's own account. */
const account: Record<string, Scene> = {
  "delete /api/sessions/{id}": async ({ world }, { person }) => {
    const { session } = await world.app.sessions.begin(person);
    return { params: { id: session.id }, names: true };
  },
  "post /api/password": (_, { person }) => ({
    json: { current: passwordOf(person), password: passwordOf(person) },
  }),
  "post /api/totp": ({ world }, { person }) => ({
    after: () => world.app.accounts.secondFactors.remove(person),
  }),
  "post /api/totp/confirm": async ({ world }, { person }) => {
    const secret = await world.app.accounts.secondFactors.begin(person);
    const code = await totpCode(secret, Math.floor(Date.now() / 30_000));
    return { json: { code }, after: () => world.app.accounts.secondFactors.remove(person) };
  },
  "delete /api/totp": (_, { person }) => ({ json: { password: passwordOf(person) } }),
  "post /api/keys": ({ world }, { person }) => ({
    json: { name: "made in the walk" },
    after: async () => {
      for (const { id, name } of await world.app.keys.of(person)) {
        if (name === "made in the walk") await world.app.keys.revoke(person, id);
      }
    },
  }),
  "delete /api/keys/{id}": async ({ world }, { person }) => {
    const { key } = await world.app.keys.make(person, { name: "to revoke" });
    return {
      params: { id: key.id },
      names: true,
      after: () => void world.app.keys.revoke(person, key.id),
    };
  },
  "post /api/pair": async (house) => {
    const who = { channel: "lark", app: "office", id: `ou_pair_${house.next()}` };
    return { json: { code: await house.world.app.apps.pairing.code(who) } };
  },
  "delete /api/identities": async (house, { person }) => {
    const who = { channel: "lark", app: "office", id: `ou_own_${house.next()}` };
    const { pairing } = house.world.app.apps;
    await pairing.confirm((await pairing.code(who))!, person);
    return { json: who, names: true };
  },
};

/** Asking, reading on, and the same in OpenAI's shapes. */
const chat: Record<string, Scene> = {
  "post /api/chat": async (_, things) => {
    const { conversation, turn } = await things.conversation();
    const json = { message: "more", target: "a", conversationId: conversation, parentTurnId: turn };
    return { json, says: /a on more/, names: true };
  },
  "post /api/chat/stream": async (_, things) => {
    const { conversation, turn } = await things.conversation();
    const json = { message: "more", target: "a", conversationId: conversation, parentTurnId: turn };
    return { json, says: /"type":"end","status":"done"/, names: true };
  },
  "get /api/turns/{id}/stream": async (_, things) => {
    const { turn } = await things.conversation();
    return {
      params: { id: turn },
      says: new RegExp(`a on ${things.words("a")}.*"status":"done"`, "s"),
      names: true,
    };
  },
  "post /api/turns/{id}/cancel": async (_, things) => {
    const { turn } = await things.running();
    return { params: { id: turn }, says: /"status":"cancelled"/, names: true };
  },
  "get /api/events": (house, things) => ({
    // The last that comes is theirs, so that everything that another might have slipped in is
    // before it.
    meanwhile: async () => {
      await bustle(house, things.person);
      await things.conversation();
    },
    says: /"type":"turn_end"[^\n]*"status":"done"[^\n]*\n\n$/,
  }),
  "post /v1/chat/completions": async (_, things) => {
    const { conversation } = await things.conversation();
    const json = {
      model: "a",
      messages: [{ role: "user", content: "more" }],
      metadata: { conversation_id: conversation },
    };
    // A name that is no conversation of one's own begins one.
    return { json, says: /a on more/, names: true, foreign: 200 };
  },
  "post /v1/responses": async (_, things) => {
    const { turn } = await things.conversation();
    const json = { model: "a", input: "more", previous_response_id: `resp_${turn}` };
    return { json, says: /a on more/, names: true };
  },
  "get /v1/responses/{id}": async (_, things) => ({
    ...response(await things.conversation()),
    says: new RegExp(`a on ${things.words("a")}`),
  }),
  "get /v1/responses/{id}/input_items": async (_, things) => ({
    ...response(await things.conversation()),
    says: new RegExp(things.words("a")),
  }),
  "post /v1/responses/{id}/cancel": async (_, things) => response(await things.running()),
  "delete /v1/responses/{id}": async (_, things) => response(await things.conversation()),
  "post /api/ai/chat": async (_, things) => {
    const { conversation } = await things.conversation();
    return {
      json: uiBody(conversation, "more", "a"),
      says: /"type":"finish"/,
      names: true,
      foreign: 200,
    };
  },
  "get /api/ai/chat/{id}/stream": async (house, things) => {
    const chat = `chat-${house.next()}`;
    await things.running("a", chat);
    return { params: { id: chat }, says: /"text-delta"/, names: true, foreign: 204 };
  },
  "delete /api/ai/chat/{id}/stream": async (house, things) => {
    const chat = `chat-${house.next()}`;
    await things.running("a", chat);
    return { params: { id: chat }, says: /"stopped":/, names: true, foreign: 200 };
  },
};

function response({ turn }: { turn: string }): Ask {
  return { params: { id: `resp_${turn}` }, names: true };
}

/**
 * Both bots answer this person, who is signed in, and speak by themselves; a conversation with b is
 * begun, renamed and deleted. Returns the ids of what each bot did.
 */
export async function bustle(
  house: House,
  person: string,
): Promise<{ readonly a: string[]; readonly b: string[] }> {
  const { gateway, sessions } = house.world.app;
  const done = { a: [] as string[], b: [] as string[] };
  const things = new Things(house, person, (await sessions.begin(person)).token);
  for (const id of ["a", "b"] as const) {
    const { conversation, turn } = await things.conversation(id);
    done[id].push(turn, conversation);
    const content = `push ${things.words(id)}`;
    house.bots[id].send({
      type: "push",
      id: `push-${house.next()}`,
      to: `user:${person}`,
      content,
    });
    await house.bots[id].next("pushed");
  }
  const [, conversation = ""] = done.b;
  await (await house.send(things.token, "PATCH", `/api/conversations/${conversation}`, {
    title: "new",
  })).body
    ?.cancel();
  await gateway.conversations.remove({ id: person }, conversation);
  return done;
}

const history: Record<string, Scene> = {
  "get /api/conversations": async (_, things) => {
    const { conversation } = await things.conversation();
    return { says: new RegExp(conversation) };
  },
  "post /api/conversations": () => ({ json: { title: "new" } }),
  "get /api/conversations/{id}": async (_, things) => named(await things.conversation()),
  "patch /api/conversations/{id}": async (_, things) => ({
    ...named(await things.conversation()),
    json: { title: "renamed" },
  }),
  "delete /api/conversations/{id}": async (_, things) => named(await things.conversation()),
  "get /api/conversations/{id}/turns": async (_, things) => ({
    ...named(await things.conversation()),
    says: new RegExp(`a on ${things.words("a")}`),
  }),
  "get /api/conversations/{id}/export": async (_, things) => ({
    ...named(await things.conversation()),
    query: "format=json",
    says: new RegExp(`a on ${things.words("a")}`),
  }),
  "get /api/search": async (_, things) => {
    const { conversation } = await things.conversation();
    return { query: `q=${things.words("a")}`, says: new RegExp(conversation) };
  },
  "get /api/export": async (_, things) => {
    const { conversation } = await things.conversation();
    return { says: new RegExp(conversation) };
  },
};

function named({ conversation }: { conversation: string }): Ask {
  return { params: { id: conversation }, names: true };
}

/** What admins do, to members. */
const admin: Record<string, Scene> = {
  "get /api/admin/state": plain,
  "get /api/admin/people": () => ({ says: /"alice"/ }),
  "post /api/admin/people": (house) => {
    const json = { username: `new${house.next()}`, password: house.hash };
    return { json, onAdmin: { json: { ...json, role: "admin" } } };
  },
  "get /api/admin/people/{id}": () => ({ params: { id: "alice" } }),
  "patch /api/admin/people/{id}": (house) => onAccount(house, { json: { displayName: "New" } }),
  "delete /api/admin/people/{id}": (house) => onAccount(house),
  "get /api/admin/removed": plain,
  "delete /api/admin/removed/{username}": async (house) => {
    const { world } = house, value = `somebody${house.next()}`, id = `proxy:${value}`;
    const identities = [{ platform: "proxy", kind: "user", scope: "", value }] as const;
    const person = await world.app.accounts.provision({ platform: "proxy", identities, ids: [id] });
    await world.app.accounts.editor.remove(person.id);
    const { username } = world.app.accounts.tombstones.list().find((one) =>
      one.barred && one.username.includes(value)
    )!;
    return { params: { username } };
  },
  "get /api/admin/people/{id}/sessions": () => ({ params: { id: "alice" } }),
  "delete /api/admin/people/{id}/sessions": (house) => onAccount(house),
  "get /api/admin/people/{id}/keys": () => ({ params: { id: "alice" } }),
  "delete /api/admin/people/{id}/keys": (house) => onAccount(house),
  "delete /api/admin/people/{id}/keys/{key}": async (house) => {
    const make = async (role: "admin" | "member") => {
      const id = await house.newcomer(role);
      return { id, key: (await house.world.app.keys.make(id, { name: "theirs" })).key.id };
    };
    return { params: await make("member"), onAdmin: { params: await make("admin") } };
  },
  "delete /api/admin/people/{id}/totp": (house) => onAccount(house),
  "get /api/admin/people/{id}/usage": () => ({ params: { id: "alice" } }),
  "get /api/admin/models": plain,
  "get /api/admin/connections": plain,
  "post /api/admin/connections/check": plain,
  "get /api/admin/turns": plain,
  "post /api/admin/turns/{id}/cancel": async (house) => {
    const asked = {
      person: house.person("bob"),
      text: "wait",
      images: [],
      channel: "web",
      target: "a",
    } as const;
    return { params: { id: (await house.world.app.gateway.ask(asked)).id } };
  },
  "post /api/admin/bots/{id}/disconnect": async (house) => {
    const id = `extra${house.next()}`;
    await house.world.bot(id);
    return { params: { id } };
  },
  "get /api/admin/bot-tokens": plain,
  "post /api/admin/bot-tokens": (house) => ({ json: { botId: `tok${house.next()}` } }),
  "delete /api/admin/bot-tokens/{id}": async (house) => {
    const id = `gone${house.next()}`;
    await house.world.app.botTokens.make(id, "root", {});
    return { params: { id } };
  },
  "get /api/admin/audit": plain,
  "get /api/admin/channels": plain,
  "get /api/admin/pairings": plain,
  "post /api/admin/pairings": async (house) => {
    const who = { channel: "lark", app: "office", id: `ou_admin_${house.next()}` };
    const code = await house.world.app.apps.pairing.code(who);
    return {
      json: { code, account: "bob" },
      onAdmin: { json: { code, account: await house.newcomer("admin") } },
    };
  },
  "delete /api/admin/pairings": async (house) => {
    const { pairing } = house.world.app.apps;
    const json = { channel: "lark", app: "office", id: `ou_boss_${house.next()}` };
    await pairing.confirm((await pairing.code(json))!, await house.newcomer("admin"));
    return { json: { ...json, id: "ou_none" }, onAdmin: { json } };
  },
  "post /api/admin/channels/wecom/{name}/say": () => ({
    params: { name: "none" },
    json: { text: "hello" },
    status: 404,
    says: /no such webhook/,
  }),
};

/** What is done to a member, and upon an admin's account. */
async function onAccount(house: House, more: Ask = {}): Promise<Ask> {
  const id = await house.newcomer();
  return { params: { id }, onAdmin: { params: { id: await house.newcomer("admin") } }, ...more };
}

export const SCENES: Readonly<Record<string, Scene>> = {
  ...simple,
  ...account,
  ...chat,
  ...history,
  ...admin,
};
