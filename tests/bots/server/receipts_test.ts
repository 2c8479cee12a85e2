import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import type { SetOptions } from "../../../src/core/store.ts";
import { Events, startWorld, TestBot, textOf, until } from "../../world.ts";

/**
 * A disk that outlives the process and takes its time: what is sure is stored when it is let
 * through.
 */
class SlowDisk extends MemoryStore {
  override readonly volatile = false;
  readonly #waiting: { readonly key: string; readonly through: () => void }[] = [];
  isOpen = true;

  override async set(key: string, value: unknown, options?: SetOptions): Promise<void> {
    await super.set(key, value, options);
    if (options?.durable) await this.#through(key);
  }

  override async append(
    log: string,
    entries: readonly unknown[],
    options?: SetOptions,
  ): Promise<number> {
    const length = await super.append(log, entries, options);
    if (options?.durable) await this.#through(log);
    return length;
  }

  /** Lets through what waits now; what comes later waits again. */
  letThrough(): void {
    for (const { through } of this.#waiting.splice(0)) through();
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get waitingKeys(): string[] {
    return this.#waiting.map(({ key }) => key);
  }

  #through(key: string): Promise<void> | void {
    if (this.isOpen) return;
    return new Promise((through) => this.#waiting.push({ key, through }));
  }
}

/** Everything that the gateway sent before this comes before the pong. */
async function settled(bot: TestBot): Promise<void> {
  bot.send({ type: "ping" });
  await bot.next("pong");
}

const acks = (bot: TestBot) =>
  bot.frames.filter(({ type }) => type === "ack").map(({ seq }) => seq);

Deno.test("a receipt says that it is stored: none comes before, for a piece or for the end", async () => {
  const disk = new SlowDisk();
  await using world = await startWorld({}, { store: disk });
  const bot = await world.bot("b", { protocol: 2 });
  const stream = new Events(
    await world.as("alice", "/api/chat/stream", { json: { message: "hi" } }),
  );
  const { id } = await bot.next("chat");
  await stream.until(({ data }) => data.type === "start");
  disk.isOpen = false;
  bot.reply(id, "one ", false, { seq: 1 });
  bot.reply(id, "two ", false, { seq: 2 });
  await until(() => disk.waitingKeys.some((key) => key.startsWith("draft:")));
  await settled(bot);
  assert.deepEqual(acks(bot), [], "it is on its way to the disk and not there");
  const readers = await stream.until(({ data }) => data.content?.includes("two"));
  assert.equal(textOf(readers), "one two ", "readers do not wait for the disk");
  bot.reply(id, "three ", false, { seq: 3 });
  await settled(bot);
  disk.letThrough();
  await bot.next("ack").then(({ seq, replyTo }) =>
    assert.deepEqual([seq, replyTo], [2, id], "not what came later")
  );

  bot.reply(id, "four", true, { seq: 4 });
  await until(() => disk.waitingKeys.some((key) => key.startsWith("turn:")));
  await settled(bot);
  assert.deepEqual(acks(bot).filter((seq) => seq > 3), []);
  disk.isOpen = true;
  disk.letThrough();
  await until(() => acks(bot).includes(4));
  assert.equal(textOf([...readers, ...await stream.rest()]), "one two three four");
});

Deno.test("a frame without words is acknowledged too, and a repeat as far as it is stored", async () => {
  const disk = new SlowDisk();
  await using world = await startWorld({}, { store: disk });
  const bot = await world.bot("b", { protocol: 2 });
  const stream = new Events(
    await world.as("alice", "/api/chat/stream", { json: { message: "hi" } }),
  );
  const { id } = await bot.next("chat");
  bot.reply(id, "one", false, { seq: 1 });
  assert.equal((await bot.next("ack")).seq, 1);
  bot.reply(id, "", false, { seq: 2 });
  assert.equal((await bot.next("ack")).seq, 2);
  disk.isOpen = false;
  bot.reply(id, "two", false, { seq: 3 });
  await until(() => disk.waiting > 0);
  bot.reply(id, "two", false, { seq: 3 });
  assert.equal((await bot.next("ack")).seq, 2, "the third has arrived and is not stored");
  disk.isOpen = true;
  disk.letThrough();
  assert.equal((await bot.next("ack")).seq, 3);
  await stream.hangUp();
});

Deno.test("a bot that resumes is told what has arrived, and once more what is stored", async () => {
  const disk = new SlowDisk();
  await using world = await startWorld({}, { store: disk });
  const bot = await world.bot("b", { protocol: 2 });
  const stream = new Events(
    await world.as("alice", "/api/chat/stream", { json: { message: "hi" } }),
  );
  const { id } = await bot.next("chat");
  bot.reply(id, "one ", false, { seq: 1 });
  assert.equal((await bot.next("ack")).seq, 1);
  disk.isOpen = false;
  bot.reply(id, "two ", false, { seq: 2 });
  await stream.until(({ data }) => data.content === "two ");
  await bot.close();
  const again = await world.bot("b", { protocol: 2, resume: [{ replyTo: id, seq: 0 }] });
  const ack = await again.next("ack");
  assert.deepEqual([ack.replyTo, ack.seq], [id, 1]);
  disk.isOpen = true;
  disk.letThrough();
  assert.equal((await again.next("ack")).seq, 2);
  again.reply(id, "three", true, { seq: 3 });
  assert.equal((await stream.rest()).at(-1)!.data.status, "done");
});

Deno.test("the receipt of a push says that it is stored, and no page hears of it before", async () => {
  const disk = new SlowDisk();
  await using world = await startWorld({}, { store: disk });
  const bot = await world.bot("b", { protocol: 2 });
  const page = new Events(await world.as("alice", "/api/events"));
  await page.until(({ data }) => data.type === "bots");
  disk.isOpen = false;
  let heard = false;
  const push = page.next().then((event) => (heard = true, event));
  bot.send({ type: "push", id: "p1", to: "user:alice", content: "news" });
  await until(() => disk.waitingKeys.some((key) => key.startsWith("turn:")));
  await settled(bot);
  assert.deepEqual([heard, bot.frames.some(({ type }) => type === "pushed")], [false, false]);
  disk.isOpen = true;
  disk.letThrough();
  assert.equal((await bot.next("pushed")).success, true);
  assert.equal((await push)!.data.content, "news");
  await page.hangUp();
});

Deno.test("where nothing outlives the process, receipts say what has arrived", async () => {
  await using world = await startWorld({}, { store: new MemoryStore() });
  const bot = await TestBot.connect(world.botUrl);
  bot.send({ type: "register", botId: "b", botName: "B", token: "bot-secret", protocol: 2 });
  assert.ok(!(await bot.next("registered")).features.includes("stored"));
  const answer = world.as("alice", "/api/chat", { json: { message: "hi" } });
  const { id } = await bot.next("chat");
  bot.reply(id, "one ", false, { seq: 1 });
  assert.equal((await bot.next("ack")).seq, 1);
  bot.reply(id, "two", true, { seq: 2 });
  assert.equal((await bot.next("ack")).seq, 2);
  assert.equal((await (await answer).json()).content, "one two");
  await bot.close();
});
