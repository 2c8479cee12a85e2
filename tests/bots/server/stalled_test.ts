/**
 * A bot that is connected and reads nothing, on a real TCP connection: what `bounds_test.ts` shows
 * with a wire of its own.
 */
import assert from "node:assert/strict";
import { startWorld, until, type World } from "../../world.ts";

/** A WebSocket of which nothing but the answer to the upgrade is read. */
class DeafBot {
  private constructor(private readonly connection: Deno.TcpConn) {}

  static async connect(url: string): Promise<DeafBot> {
    const { hostname, port, pathname } = new URL(url);
    const connection = await Deno.connect({ hostname, port: Number(port) });
    const head = [
      `GET ${pathname} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${btoa("0123456789abcdef")}`,
    ];
    const bot = new DeafBot(connection);
    await bot.#write(new TextEncoder().encode(`${head.join("\r\n")}\r\n\r\n`));
    const answer = new Uint8Array(1024);
    const length = await connection.read(answer);
    assert.match(new TextDecoder().decode(answer.subarray(0, length!)), /^HTTP\/1\.1 101 /);
    return bot;
  }

  /** Sends one text frame of less than 126 bytes, masked with zeros. */
  async send(frame: unknown): Promise<void> {
    const text = new TextEncoder().encode(JSON.stringify(frame));
    assert.ok(text.length < 126);
    await this.#write(new Uint8Array([0x81, 0x80 | text.length, 0, 0, 0, 0, ...text]));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.connection.write(bytes.subarray(sent));
    }
  }

  [Symbol.dispose](): void {
    this.connection.close();
  }
}

/** Asks until what is sent to the bot no longer leaves this process. */
async function fill(world: World): Promise<number> {
  const person = { id: "alice", name: "Alice", role: "member" } as const;
  const text = "x".repeat(1 << 20);
  let asked = 0;
  const { gateway } = world.app;
  while (!gateway.roster.list()[0]!.link.draining) {
    assert.ok(asked < 60, "60 MiB went into a socket that nobody reads");
    await gateway.ask({ person, text, images: [], channel: "web", target: "deaf" });
    asked++;
    await new Promise((resolve) => setTimeout(resolve));
  }
  return asked;
}

Deno.test("a bot whose socket is not read gets nothing new, then is gone with its turns, and its socket stops no exit", async () => {
  const world = await startWorld({ pingInterval: 100, botTimeout: 60_000 });
  using bot = await DeafBot.connect(world.botUrl);
  await bot.send({ type: "register", botId: "deaf", botName: "Deaf", token: "bot-secret" });
  await until(() => world.app.gateway.roster.size === 1, "the bot");
  const { gateway } = world.app;
  const asked = await fill(world);
  const person = { id: "alice", name: "Alice", role: "member" } as const;
  const next = { person, text: "later", images: [], channel: "web", target: "deaf" } as const;
  await assert.rejects(gateway.ask(next), { code: "bot_offline" }, "nothing new goes there");

  await until(() => gateway.roster.size === 0, "the end of a bot that is stuck");
  const left = world.happenings.filter(({ type }) => type === "bot_left");
  assert.equal(left.length, 1);
  assert.match(JSON.stringify(left), /what was sent is not read/);
  const lost = world.happenings.filter((one) =>
    one.type === "turn_ended" && one.code === "bot_gone"
  );
  assert.equal(lost.length, asked);
  // The peer never answers the closing, so the socket is still there.
  assert.equal(world.app.sockets.size, 1);
  const began = performance.now();
  await world[Symbol.asyncDispose]();
  assert.ok(performance.now() - began < 5_000, "leaving waits for it a second at most");
});
