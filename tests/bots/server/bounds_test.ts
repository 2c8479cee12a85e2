import assert from "node:assert/strict";
import { CLOSE } from "../../../src/bots/wire/frame.ts";
import { BotServer, type WebSocketLike } from "../../../src/bots/server/bot_server.ts";
import { MAX_BAD_FRAMES } from "../../../src/bots/server/settings.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import { silentObserver } from "../../../src/core/observer.ts";
import { NETWORK_AUDIT_RATE } from "../../../src/core/people/audit_limiter.ts";
import { PER_NETWORK_LOG_RATE } from "../../../src/core/log_limiter.ts";
import { Roster } from "../../../src/core/roster.ts";
import { startWorld, TestBot, until } from "../../world.ts";

/**
 * A wire that closes at once and whose buffer is a number; `stalled_test.ts` has a real one that
 * nobody reads.
 */
class TestWire implements WebSocketLike {
  readyState = 1;
  bufferedAmount = 0;
  readonly sent: string[] = [];
  code: number | undefined;
  onmessage: WebSocketLike["onmessage"] = null;
  onclose: WebSocketLike["onclose"] = null;
  onerror: WebSocketLike["onerror"] = null;

  send(text: string): void {
    this.sent.push(text);
  }

  close(code?: number): void {
    if (this.readyState === 3) return;
    this.code = code;
    this.readyState = 3;
    this.onclose?.(new CloseEvent("close"));
  }

  hear(data: string): void {
    this.onmessage?.(new MessageEvent("message", { data }));
  }
}

async function rig(
  test: (sockets: BotServer, clock: ManualClock, roster: Roster) => void | Promise<void>,
): Promise<void> {
  const clock = new ManualClock();
  const roster = new Roster({ clock, observer: silentObserver });
  const sockets = new BotServer({
    roster,
    clock,
    observer: silentObserver,
    refuse: () => undefined,
    push: () => Promise.resolve(),
  });
  try {
    await test(sockets, clock, roster);
  } finally {
    await sockets.close(0);
    roster.close();
  }
}

function accept(sockets: BotServer, register = true): TestWire {
  const wire = new TestWire();
  sockets.accept(wire, "10.0.0.1");
  if (register) wire.hear(JSON.stringify({ type: "register", botId: "b", botName: "B" }));
  return wire;
}

Deno.test("frames that cannot be read close a socket: few before it has registered, more after", () =>
  rig((sockets) => {
    for (const [registers, last] of [[false, 2], [true, 11]] as const) {
      const wire = accept(sockets, registers);
      let frames = 0;
      while (wire.code === undefined && frames < 100) {
        wire.hear("{broken");
        frames++;
      }
      assert.equal(wire.code, CLOSE.badFrame);
      assert.equal(frames, last);
    }
  }));

Deno.test("a bot that sends what can be read in between is not closed for a few frames that cannot", () =>
  rig((sockets) => {
    const wire = accept(sockets);
    for (let frames = 0; frames < 3 * MAX_BAD_FRAMES.bot; frames++) {
      wire.hear("{broken");
      wire.hear('{"type":"pong"}');
      wire.hear('{"type":"pong"}');
    }
    assert.equal(wire.code, undefined);
  }));

Deno.test("a bot that does not read gets nothing new past 1 MiB, and is closed when that lasts", () =>
  rig((sockets, clock, roster) => {
    const wire = accept(sockets);
    assert.equal(roster.list()[0]!.link.draining, false);
    wire.bufferedAmount = (1 << 20) + 1;
    assert.equal(roster.list()[0]!.link.draining, true);
    clock.pass(20_000);
    wire.hear('{"type":"pong"}');
    clock.pass(30_000);
    wire.hear('{"type":"pong"}');
    clock.pass(30_000);
    assert.equal(wire.code, CLOSE.stuck);
    assert.deepEqual(roster.list(), []);
  }));

Deno.test("a first frame of more than 64 KiB closes the socket", () =>
  rig((sockets) => {
    const wire = accept(sockets, false);
    wire.hear(JSON.stringify({ type: "register", botId: "b", botName: "B".repeat(65_536) }));
    assert.equal(wire.code, CLOSE.tooLarge);
  }));

Deno.test("made-up ids over real sockets fill neither the log, nor the audit log, nor the memory", async () => {
  await using world = await startWorld();
  for (let n = 0; n < 200; n++) {
    const bot = await TestBot.connect(world.botUrl);
    bot.send({ type: "register", botId: `made-up-${n}`, botName: "X", token: "guess" });
    assert.equal(await bot.closed, 4100);
  }
  const lines = world.happenings.filter(({ type }) => type === "bot_refused").length;
  assert.equal(lines, PER_NETWORK_LOG_RATE.burst);
  await world.app.audit.settled();
  assert.ok(
    (await world.app.audit.entries(undefined, 1_000)).length <= NETWORK_AUDIT_RATE.burst + 2,
  );
  await until(() => world.app.sockets.size === 0);
  assert.equal(world.app.gateway.roster.size, 0);
});
