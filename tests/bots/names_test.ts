import assert from "node:assert/strict";
import { upstreamSchema } from "../../src/config/upstream.ts";
import { startWorld, TestBot, until, type World } from "../world.ts";
import { FakeUpstream } from "./upstream/fake_upstream.ts";

/** The bots and pools that messages are meant for: each by another kind of token. */
const USERS = {
  alice: { password: "alice-pass" },
  root: { password: "root-pass", role: "admin" },
  onlyMine: { password: "onlyMine-pass", bots: ["mine"] },
  onlyOwn: { password: "onlyOwn-pass", bots: ["own"] },
  onlyModel: { password: "onlyModel-pass", bots: ["model"] },
  onlyTeam: { password: "onlyTeam-pass", bots: ["team"] },
  onlyModels: { password: "onlyModels-pass", bots: ["models"] },
  onlyCrew: { password: "onlyCrew-pass", bots: ["crew"] },
};

interface Scene {
  readonly world: World;
  readonly tokens: { readonly rogue: string; readonly crewed: string };
}

/**
 * A gateway with a bot by the common token, one by its own, a model API, and three pools, all of
 * them answering.
 */
async function withScene(run: (scene: Scene) => Promise<void>): Promise<void> {
  const fake = new FakeUpstream("openai");
  try {
    const models = { type: "openai", baseUrl: fake.url, model: "m" };
    await using world = await startWorld({
      users: USERS,
      bots: { model: models, second: { ...models, pool: "models" } },
    });
    const { botTokens } = world.app;
    const own = await botTokens.make("own", "root");
    const crew = await botTokens.make("hand", "root", { pools: ["crew"] });
    const rogue = await botTokens.make("rogue", "root");
    const crewed = await botTokens.make("mate", "root", { pools: ["crew"] });
    const honest = [
      await world.bot("mine"),
      await world.bot("own", { token: own }),
      await world.bot("player", { pool: "team" }),
      await world.bot("hand", { token: crew, pool: "crew" }),
    ];
    for (const bot of honest) bot.answerAll(({ id }) => bot.reply(id, "honest", true));
    await run({ world, tokens: { rogue, crewed } });
  } finally {
    await fake.close();
  }
}

/** Names that are somebody's, and who may use each besides everybody. */
const TARGETS = [
  { name: "mine", restricted: "onlyMine" },
  { name: "own", restricted: "onlyOwn" },
  { name: "model", restricted: "onlyModel" },
  { name: "team", restricted: "onlyTeam" },
  { name: "models", restricted: "onlyModels" },
  { name: "crew", restricted: "onlyCrew" },
] as const;

/** Who tries: by which token, and what it may rightly have. */
const TOKENS = [
  { kind: "no token", botId: "guest", token: "", pools: [] },
  { kind: "the common token", botId: "guest", token: "bot-secret", pools: ["team"] },
  { kind: "a token of its own", botId: "rogue", token: "rogue", pools: [] },
  { kind: "a token of its own for a pool", botId: "mate", token: "crewed", pools: ["crew"] },
] as const;

async function register(
  world: World,
  fields: Record<string, unknown>,
): Promise<{ bot: TestBot; success: boolean }> {
  const bot = await TestBot.connect(world.botUrl);
  bot.send({ type: "register", botName: "Thief", protocol: 2, ...fields });
  const { success } = await bot.next("registered");
  if (success) bot.answerAll(({ id }) => bot.reply(id, "stolen", true, { seq: 1 }));
  return { bot, success };
}

/**
 * How often the bot that came last answers, when each of these people asks for a name ten times at
 * once.
 */
async function stolen(world: World, name: string, people: readonly string[]): Promise<number> {
  const answers = await Promise.all(
    people.flatMap((person) =>
      Array.from({ length: 10 }, async (_, n) => {
        const response = await world.as(person, "/api/chat", {
          json: { message: `@${name} hello ${n}` },
        });
        return (await response.json()).content;
      })
    ),
  );
  return answers.filter((content) => content === "stolen").length;
}

/**
 * As what a name is tried; the bot `mine` is replaced by the last of these where that is right, so
 * it comes last.
 */
const CELLS = TARGETS.flatMap((target) =>
  [{ ...target, as: "pool" }, { ...target, as: "id" }] as const
)
  .toSorted((a, b) =>
    Number(a.name === "mine" && a.as === "id") - Number(b.name === "mine" && b.as === "id")
  );

for (const { kind, botId, token, pools } of TOKENS) {
  Deno.test(`with ${kind} nobody makes a name their id or pool and hears what is meant for it: ${CELLS.length} names`, () =>
    withScene(async ({ world, tokens }) => {
      const secret = token === "rogue" || token === "crewed" ? tokens[token] : token;
      for (const { name, restricted, as } of CELLS) {
        const claim = as === "id"
          ? { botId: name, token: secret }
          : { botId, token: secret, pool: name };
        const what = JSON.stringify(claim);
        const { bot, success } = await register(world, claim);
        const isMate = as === "pool" && (pools as readonly string[]).includes(name);
        // With the common token a bot takes the id of another bot of the common token: they are one
        // and the same to us.
        const isSame = as === "id" && name === "mine" && token === "bot-secret";
        assert.equal(success, isMate || isSame, what);
        const times = await stolen(world, name, ["alice", restricted]);
        if (isMate) assert.ok(times > 0, `${what}: a member of the pool answers its share`);
        else assert.equal(times > 0, isSame, what);
        await bot.close();
        await until(() => world.app.gateway.roster.get(botId) === undefined);
      }
    }));
}

Deno.test("names that look like one that is fixed are refused, and exactly that name is not", () =>
  withScene(async ({ world }) => {
    for (const name of ["Own", "ｏｗｎ", "o\u00adwn", "MODEL", "Crew", "own\ufe0f", "Demo"]) {
      for (const claim of [{ botId: name }, { botId: "guest", pool: name }]) {
        const { bot, success } = await register(world, { ...claim, token: "bot-secret" });
        assert.equal(success, false, JSON.stringify(claim));
        assert.equal(await bot.closed, 4103);
      }
    }
    for (const name of ["own ", "o wn", "own\u200b", "\u3000own"]) {
      const bot = await TestBot.connect(world.botUrl);
      bot.send({ type: "register", botId: name, botName: "X", token: "bot-secret" });
      assert.equal((await bot.next("error")).code, "bad_frame", JSON.stringify(name));
      await bot.close();
    }
    const { bot, success } = await register(world, {
      botId: "owner",
      pool: "owners",
      token: "bot-secret",
    });
    assert.equal(success, true);
    await bot.close();
  }));

Deno.test("among names that nobody fixed whoever comes first has the name, and the other may come back later", async () => {
  await using world = await startWorld();
  const first = await world.bot("a", { pool: "p" });
  const second = await register(world, { botId: "p", token: "bot-secret" });
  assert.equal(second.success, false);
  assert.equal(await second.bot.closed, 4006);
  const third = await register(world, { botId: "b", pool: "a", token: "bot-secret" });
  assert.equal(third.success, false);
  assert.equal(await third.bot.closed, 4006);
  await first.close();
  await until(() => world.app.gateway.roster.size === 0);
  await world.bot("p");
});

Deno.test("a bot in a pool of its own name is refused: a name is a bot's or a pool's", async () => {
  await using world = await startWorld();
  const { bot, success } = await register(world, { botId: "a", pool: "a", token: "bot-secret" });
  assert.equal(success, false);
  assert.equal(await bot.closed, 4103);
});

Deno.test("a name that is fixed later is taken from bots that have it", async () => {
  const fake = new FakeUpstream("openai");
  try {
    await using world = await startWorld();
    const { app } = world;
    const joined = await world.bot("a", { pool: "crew" });
    const named = await world.bot("b", { pool: "gpt" });
    const stays = await world.bot("c", { pool: "others" });
    const json = { botId: "hand", pools: ["crew"] };
    const made = await world.as("root", "/api/admin/bot-tokens", { json });
    assert.equal(made.status, 201);
    await made.body?.cancel();
    assert.equal(await joined.closed, 4103);
    const gpt = upstreamSchema.parse({ type: "openai", baseUrl: fake.url, model: "m" });
    await app.reconfigure({ ...app.config, bots: { gpt } });
    assert.equal(await named.closed, 4103);
    assert.deepEqual(app.gateway.roster.list().map(({ id }) => id).sort(), ["c", "gpt"]);
    assert.equal(stays.socket.readyState, WebSocket.OPEN);
  } finally {
    await fake.close();
  }
});

Deno.test("a model's pool that is the id of a bot with its own token is no pool, and the log says so", async () => {
  const fake = new FakeUpstream("openai");
  try {
    await using world = await startWorld();
    const { app } = world;
    const token = await app.botTokens.make("own", "root");
    const gpt = upstreamSchema.parse({
      type: "openai",
      baseUrl: fake.url,
      model: "m",
      pool: "own",
    });
    await app.reconfigure({ ...app.config, bots: { gpt } });
    assert.equal(await stolen(world, "own", ["alice"]), 0);
    assert.ok(
      world.happenings.some((one) =>
        one.type === "warning" && one.what.startsWith("bots.gpt.pool")
      ),
    );
    const own = await world.bot("own", { token });
    own.answerAll(({ id }) => own.reply(id, "mine", true));
    const response = await world.as("alice", "/api/chat", {
      json: { message: "hi", target: "own" },
    });
    assert.equal((await response.json()).content, "mine");
  } finally {
    await fake.close();
  }
});

Deno.test("a refusal with a name as long as may be closes the socket with a reason that fits", async () => {
  await using world = await startWorld();
  const long = "机".repeat(128);
  await world.app.botTokens.make(long, "root");
  const { bot, success } = await register(world, { botId: "a", pool: long, token: "bot-secret" });
  assert.equal(success, false);
  assert.equal(await bot.closed, 4103);
});
