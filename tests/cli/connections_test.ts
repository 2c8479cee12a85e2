import assert from "node:assert/strict";
import {
  BODY_TIMEOUT_MS,
  MIN_BODY_BYTES_PER_SECOND,
} from "../../src/channels/http/body_timeout.ts";
import {
  ADDRESS_SHARE,
  Connections,
  CONNECTIONS_SHARE,
  FIRST_REQUEST_MS,
  KEEP_ALIVE_MS,
  MAX_CONNECTIONS,
  MAX_READ_MS,
  maxConnections,
  maxPerAddress,
  MIN_PER_ADDRESS,
  PROXY_KEEP_ALIVE_MS,
  RESERVED_FILES,
} from "../../src/cli/connections.ts";
import { MAX_BUFFERED_BYTES } from "../../src/cli/log_stream.ts";
import {
  openProcessSockets,
  type ProcessSockets,
  type SocketPeer,
} from "../../src/cli/process_sockets.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { until } from "../world.ts";
import { lacks } from "../needs.ts";

/** Sockets that the test opens and looks at. */
class Table implements ProcessSockets {
  readonly files = new Map<number, SocketPeer & { sentAt: number }>();
  readonly closed: number[] = [];
  isReleased = false;
  #next = 10;

  constructor(readonly limit: number, readonly clock: ManualClock) {}

  open(address: string, port: number): number {
    const file = this.#next++;
    this.files.set(file, { address, port, sentAt: this.clock.now() });
    return file;
  }

  top(): number {
    return this.#next;
  }

  peer(file: number): SocketPeer | undefined {
    return this.files.get(file);
  }

  sentAgo(file: number): number | undefined {
    return this.clock.now() - this.files.get(file)!.sentAt;
  }

  close(file: number): void {
    this.closed.push(file);
    this.files.delete(file);
  }

  release(): void {
    this.isReleased = true;
  }
}

function stage(limit = 20_000) {
  const clock = new ManualClock();
  const table = new Table(limit, clock);
  const crowds: [closed: number, open: number][] = [];
  const connections = new Connections({
    sockets: table,
    port: 80,
    clock,
    trusts: (address) => address === "127.0.0.1",
    silence: () => 150_000,
    onCrowded: (closed, open) => crowds.push([closed, open]),
  });
  clock.pass(1_000);
  return { clock, table, connections, crowds };
}

Deno.test("a connection without a whole request is closed in time, however many there are and whatever it sends", () => {
  const { clock, table, connections } = stage();
  for (let port = 0; port < 5_000; port++) table.open(`10.0.0.${port % 250}`, port);
  table.open("127.0.0.1", 6_000);
  clock.pass(FIRST_REQUEST_MS);
  assert.equal(table.closed.length, 0);
  clock.pass(3_000);
  assert.equal(table.closed.length, 5_001, "also a proxy's");
  clock.pass(2_000);
  assert.equal(connections.size, 0);
  connections.stop();
  assert.ok(table.isReleased);
  assert.equal(clock.waiting, 0);
});

Deno.test("a look that fails is not the last one", () => {
  const { clock, table, connections } = stage();
  table.open("10.0.0.1", 1);
  const { top } = table;
  table.top = () => {
    table.top = top;
    throw new Error("no table");
  };
  assert.throws(() => clock.pass(FIRST_REQUEST_MS), /no table/);
  clock.pass(FIRST_REQUEST_MS + 3_000);
  assert.equal(table.closed.length, 1);
  connections.stop();
  assert.equal(clock.waiting, 0);
});

Deno.test("a connection that waits for its answer stays; afterwards it has its time, and a proxy's has more", () => {
  const { clock, table, connections } = stage();
  const stranger = table.open("10.0.0.1", 1), proxy = table.open("127.0.0.1", 2);
  const works = [connections.begin(1), connections.begin(2)];
  clock.pass(2 * PROXY_KEEP_ALIVE_MS);
  assert.deepEqual(table.closed, []);
  for (const work of works) work.done();
  clock.pass(KEEP_ALIVE_MS - 1_000);
  assert.deepEqual(table.closed, []);
  clock.pass(3_000);
  assert.deepEqual(table.closed, [stranger]);
  clock.pass(PROXY_KEEP_ALIVE_MS - KEEP_ALIVE_MS);
  assert.deepEqual(table.closed, [stranger, proxy]);
  connections.stop();
});

Deno.test("an answer that is still being read keeps its connection, but not for ever", () => {
  const { clock, table, connections } = stage();
  const slow = table.open("10.0.0.1", 1), stuck = table.open("10.0.0.2", 2);
  for (const port of [1, 2]) connections.begin(port).done();
  for (let second = 0; second < KEEP_ALIVE_MS / 1_000 + 3; second++) {
    table.files.get(slow)!.sentAt = clock.now();
    clock.pass(1_000);
  }
  assert.deepEqual(table.closed, [stuck], "whoever reads nothing is let go");
  for (let second = 0; second < MAX_READ_MS / 1_000 && table.files.has(slow); second++) {
    table.files.get(slow)!.sentAt = clock.now();
    clock.pass(1_000);
  }
  assert.deepEqual(table.closed, [stuck, slow]);
  connections.stop();
});

Deno.test("a WebSocket stays as long as something is sent to it", () => {
  const { clock, table, connections } = stage();
  const bot = table.open("10.0.0.1", 1), gone = table.open("10.0.0.2", 2);
  for (const port of [1, 2]) {
    const work = connections.begin(port);
    work.upgraded = true;
    work.done();
  }
  for (let minute = 0; minute < 60; minute++) {
    table.files.get(bot)!.sentAt = clock.now();
    clock.pass(60_000);
  }
  assert.deepEqual(table.closed, [gone]);
  connections.stop();
});

Deno.test("past the bound of an address its idle connections go, the oldest first; then its requests are refused", () => {
  const { clock, table, connections, crowds } = stage(1_000);
  const most = connections.maxPerAddress;
  assert.equal(most, 156);
  for (let port = 0; port < most + 10; port++) table.open("10.0.0.1", port);
  const other = table.open("10.0.0.2", 60_000);
  clock.pass(1_000);
  assert.deepEqual(table.closed, Array.from({ length: 10 }, (_, index) => 10 + index));
  assert.deepEqual(crowds, [[10, most + 1]]);
  assert.equal(connections.refuses("10.0.0.1"), false);
  // All of them are at work: nothing can be closed.
  for (const { address, port } of table.files.values()) {
    if (address === "10.0.0.1") connections.begin(port);
  }
  for (let port = 1_000; port < 1_005; port++) {
    table.open("10.0.0.1", port);
    connections.begin(port);
  }
  clock.pass(1_000);
  assert.equal(connections.refuses("10.0.0.1"), true);
  assert.equal(connections.refuses("10.0.0.2"), false);
  assert.ok(table.files.has(other));
  connections.stop();
});

Deno.test("the networks of IPv6 count as one address each, and trusted proxies are not bounded", () => {
  const { clock, table, connections } = stage(1_000);
  for (let n = 0; n < connections.maxPerAddress + 10; n++) {
    table.open(`2001:db8::${n.toString(16)}`, n);
  }
  for (let n = 0; n < connections.maxPerAddress + 10; n++) table.open("127.0.0.1", 1_000 + n);
  clock.pass(1_000);
  assert.equal(table.closed.length, 10);
  connections.stop();
});

Deno.test("past the bound of all the idle go, strangers' first; when all are at work, new requests are refused", () => {
  const { clock, table, connections } = stage(300);
  const { max } = connections;
  assert.equal(max, 157);
  for (let n = 0; n < 100; n++) table.open("127.0.0.1", n);
  for (let n = 0; n < 100; n++) table.open(`10.0.${n}.1`, 1_000 + n);
  clock.pass(1_000);
  assert.equal(table.closed.length, 43);
  assert.ok(table.closed.every((file) => file >= 110), "nobody's proxy");
  for (const { port } of table.files.values()) connections.begin(port);
  for (let n = 0; n < 20; n++) {
    table.open(`10.1.${n}.1`, 5_000 + n);
    connections.begin(5_000 + n);
  }
  clock.pass(1_000);
  assert.equal(connections.refuses("10.9.9.9"), true);
  assert.equal(connections.refuses("127.0.0.1"), false);
  connections.stop();
});

Deno.test("docs/security.md has these bounds as they are", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/security.md", import.meta.url));
  const rows = page.split("\n").filter((line) => line.startsWith("| ")).map((line) =>
    line.replaceAll(/ +/g, " ")
  );
  const number = (value: number) => value.toLocaleString("en");
  for (
    const [what, ...values] of [
      [
        "connections in all",
        `after ${RESERVED_FILES} `,
        `of ${number(1_024)} files: ${number(maxConnections(1_024))}`,
        number(MAX_CONNECTIONS),
      ],
      ["connections of one address", "a quarter", `at least ${MIN_PER_ADDRESS}`],
      ["a connection without a whole request", `${FIRST_REQUEST_MS / 1_000} s`],
      [
        "a connection after its answer",
        `${KEEP_ALIVE_MS / 1_000} s;`,
        `${PROXY_KEEP_ALIVE_MS / 60_000} min`,
      ],
      [
        "the time of an HTTP body",
        `${BODY_TIMEOUT_MS / 1_000} s`,
        `each ${MIN_BODY_BYTES_PER_SECOND >> 10} KiB`,
      ],
      ["lines of the log that wait", `${MAX_BUFFERED_BYTES >> 10} KiB`],
    ] as const
  ) {
    const row = rows.find((row) => row.startsWith(`| ${what}`));
    for (const value of values) assert.ok(row?.includes(value), `${what}: ${value} in ${row}`);
  }
  assert.equal(CONNECTIONS_SHARE, 2 / 3);
  assert.equal(ADDRESS_SHARE, 1 / 4);
  assert.equal(MAX_READ_MS, PROXY_KEEP_ALIVE_MS);
});

Deno.test("the bounds follow the limit of open files", () => {
  assert.deepEqual([100, 300, 1_024, 65_536, 1 << 20].map(maxConnections), [
    42,
    157,
    640,
    43_648,
    50_000,
  ]);
  assert.deepEqual([42, 157, 640, 43_648].map(maxPerAddress), [64, 64, 160, 10_912]);
});

Deno.test({
  name:
    "the system's own sockets: who is at the other end, when something was sent, and how one is closed",
  ignore: await lacks("a Unix"),
  async fn() {
    const sockets = openProcessSockets();
    assert.ok(!("why" in sockets));
    const listeners = [
      Deno.listen({ hostname: "127.0.0.1", port: 0 }),
      Deno.listen({ hostname: "::1", port: 0 }),
    ];
    for (const listener of listeners) {
      const { hostname, port } = listener.addr;
      const [client, server] = await Promise.all([
        Deno.connect({ hostname, port }),
        listener.accept(),
      ]);
      const found: [number, SocketPeer][] = [];
      for (let file = 0; file < sockets.top(); file++) {
        const peer = sockets.peer(file, port);
        if (peer) found.push([file, peer]);
      }
      assert.deepEqual(found.map(([, peer]) => peer), [{
        address: hostname,
        port: client.localAddr.port,
      }]);
      const file = found[0]![0];
      if (Deno.build.os === "linux") {
        await until(() => sockets.sentAgo(file)! > 20);
        await server.write(new Uint8Array(1));
        assert.ok(sockets.sentAgo(file)! < 20);
        await client.read(new Uint8Array(1));
      }
      sockets.close(file);
      assert.equal(
        await client.read(new Uint8Array(1)),
        null,
        "the other end sees that it is over",
      );
      client.close();
      server.close();
      listener.close();
    }
    assert.ok(sockets.limit >= 256);
    sockets.release();
  },
});
