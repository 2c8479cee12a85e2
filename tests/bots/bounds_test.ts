import assert from "node:assert/strict";
import { CLOSE } from "../../src/bots/frame.ts";
import { BotSockets, type Wire } from "../../src/bots/socket.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { silent } from "../../src/core/observer.ts";
import { Roster } from "../../src/core/roster.ts";

class TestWire implements Wire {
  readyState = 1;
  bufferedAmount = 0;
  readonly sent: string[] = [];
  code: number | undefined;
  onmessage: Wire["onmessage"] = null;
  onclose: Wire["onclose"] = null;
  onerror: Wire["onerror"] = null;

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
  test: (sockets: BotSockets, clock: ManualClock, roster: Roster) => void | Promise<void>,
): Promise<void> {
  const clock = new ManualClock();
  const roster = new Roster({ clock, observer: silent });
  const sockets = new BotSockets({
    roster,
    clock,
    observer: silent,
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

function accept(sockets: BotSockets, register = true): TestWire {
  const wire = new TestWire();
  sockets.accept(wire, "10.0.0.1");
  if (register) wire.hear(JSON.stringify({ type: "register", botId: "b", botName: "B" }));
  return wire;
}

Deno.test("frames that cannot be read close a socket: few before it has registered, more after", () =>
  rig((sockets) => {
    for (const [registers, least, most] of [[false, 2, 4], [true, 10, 21]] as const) {
      const wire = accept(sockets, registers);
      let frames = 0;
      while (wire.code === undefined && frames < 100) {
        wire.hear("{broken");
        frames++;
      }
      assert.equal(wire.code, CLOSE.badFrame);
      assert.ok(frames >= least && frames <= most, `${frames}`);
    }
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
