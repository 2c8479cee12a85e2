/**
 * Mutated HTTP requests to every route of `/openapi.json` and mutated frames to `/bot-ws`: `deno
 * task fuzz [inputs] [seed]`.
 *
 * No input may make a 500 or a fault in the log, throw, let the memory grow, or get an answer that
 * holds another person's words. It calls the gateway where the server calls it, without a socket in
 * between, so that inputs which no HTTP client would send get there, too.
 */
import assert from "node:assert/strict";
import { type App, createApp } from "../src/app.ts";
import type { WebSocketLike } from "../src/bots/server/bot_server.ts";
import { readConfig } from "../src/config/config.ts";
import type { GatewayEvent } from "../src/core/observer.ts";

/** Words that only Alice may see. */
const SECRET = "walrus-under-the-stairs";

export interface FuzzReport {
  requests: number;
  frames: number;
  routes: number;
  statuses: Record<string, number>;
  /** MiB of heap in use after a quarter of the inputs and at the end. */
  heap: [number, number];
}

type Random = () => number;

/** Throws at the first input that does what none may do, with the input in the message. */
export async function fuzz(inputs: number, seed: number): Promise<FuzzReport> {
  const random = mulberry(seed);
  const faults: GatewayEvent[] = [];
  const wires: FuzzWire[] = [];
  const read = readConfig(JSON.stringify({
    botToken: "secret",
    users: {
      alice: { password: "alice-pass" },
      bob: { password: "bob-pass" },
      root: { password: "root-pass", role: "admin" },
    },
    replyTimeout: 1000,
    limits: { turnsAtOnce: 200 },
  }));
  assert.ok(read.ok);
  const app = await createApp(read.config, {
    observer: { tell: (one) => void (one.type === "fault" && faults.push(one)), chunk() {} },
    upgrade: () => {
      const wire = new FuzzWire();
      wires.push(wire);
      return { socket: wire, response: new Response(null) };
    },
  });
  const report: FuzzReport = { requests: 0, frames: 0, routes: 0, statuses: {}, heap: [0, 0] };
  try {
    await registerEcho(app, wires);
    const routes = await routesOf(app);
    report.routes = routes.length;
    const tokens = {
      alice: await signIn(app, "alice"),
      bob: await signIn(app, "bob"),
      root: await signIn(app, "root"),
    };
    const ids = await furnish(app, tokens.alice);
    for (let n = 0; n < inputs; n++) {
      if (n === Math.floor(inputs / 4)) report.heap[0] = heap();
      if (random() < 0.3) {
        report.frames++;
        frame(app, wires, random);
      } else {
        report.requests++;
        await request(app, routes, tokens, ids, random, report);
      }
      if (faults.length > 0) {
        throw new Error(`input ${n} of seed ${seed} made a fault: ${Deno.inspect(faults[0])}`);
      }
      // Timers and sockets of the gateway have their turn, too.
      if (n % 200 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
    report.heap[1] = heap();
  } finally {
    await app.close();
  }
  return report;
}

/*
 * ── requests
 * ────────────────────────────────────────────────────────────────────────────────────────────────────────────
 */

interface Route {
  readonly method: string;
  readonly path: string;
  readonly query: readonly string[];
}

async function routesOf(app: App): Promise<Route[]> {
  const document = await (await app.fetch(new Request("http://gateway/openapi.json"))).json();
  const routes: Route[] = [];
  for (
    const [path, methods] of Object.entries<
      Record<string, { parameters?: { name: string; in: string }[] }>
    >(
      document.paths,
    )
  ) {
    for (const [method, { parameters = [] }] of Object.entries(methods)) {
      // Signing out ends the session that the others need; events are a stream without an end.
      if (path === "/api/logout") continue;
      routes.push({
        method: method.toUpperCase(),
        path,
        query: parameters.filter((one) => one.in === "query").map(({ name }) => name),
      });
    }
  }
  return routes;
}

async function request(
  app: App,
  routes: readonly Route[],
  tokens: Record<string, string>,
  ids: readonly string[],
  random: Random,
  report: FuzzReport,
): Promise<void> {
  const route = pick(routes, random);
  const path = route.path.replace(
    /\{\w+\}/g,
    () => random() < 0.5 ? pick(ids, random) : encodeURIComponent(nasty(random).toWellFormed()),
  );
  const query = route.query.filter(() => random() < 0.5)
    .map((name) =>
      `${name}=${
        encodeURIComponent(random() < 0.3 ? pick(ids, random) : nasty(random).toWellFormed())
      }`
    )
    .join("&");
  const headers = new Headers();
  const who = random();
  // An admin's requests hash passwords, which costs a thousand times what others do.
  if (who < 0.9) headers.set("authorization", `Bearer ${tokens.bob}`);
  else if (who < 0.902) headers.set("authorization", `Bearer ${tokens.root}`);
  else if (who < 0.95) {
    trySet(
      headers,
      "authorization",
      pick(["Bearer ", "Bearer x", "Basic eDp5", "nxk_", `Bearer nxk_${"0".repeat(48)}`], random),
    );
  } else trySet(headers, "cookie", `nexus_session=${random() < 0.5 ? tokens.bob : nasty(random)}`);
  if (random() < 0.9) headers.set("content-type", "application/json");
  else {trySet(
      headers,
      "content-type",
      pick(["text/plain", "multipart/form-data", "application/json; charset=utf-7", ""], random),
    );}
  if (random() < 0.05) trySet(headers, "last-event-id", `${pick(ids, random)}:${nasty(random)}`);
  if (random() < 0.05) trySet(headers, "idempotency-key", nasty(random));
  if (random() < 0.05) trySet(headers, "accept-language", nasty(random));
  const body = route.method === "GET" ? undefined : bodyText(ids, random);
  const address = `http://gateway${path}${query && `?${query}`}`;
  const asked = `${route.method} ${address} ${body?.slice(0, 300)}`;
  const hangUp = new AbortController();
  let response: Response;
  try {
    const input = new Request(address, {
      method: route.method,
      headers,
      body,
      signal: hangUp.signal,
    });
    response = await app.fetch(input, { address: `10.${Math.floor(random() * 250)}.0.1` });
  } catch (error) {
    throw new Error(`${asked} threw`, { cause: error });
  }
  report.statuses[response.status] = (report.statuses[response.status] ?? 0) + 1;
  const text = await firstText(response);
  hangUp.abort();
  assert.notEqual(response.status, 500, `${asked}: ${text}`);
  assert.ok(!text.includes(SECRET), `${asked} shows another's words: ${text}`);
}

function bodyText(ids: readonly string[], random: Random): string {
  const kind = random();
  if (kind < 0.05) return nasty(random);
  if (kind < 0.08) return "[".repeat(20_000);
  const fields: Record<string, unknown> = {
    message: "hello",
    target: "echo",
    images: ["aGVsbG8="],
    conversationId: pick(ids, random),
    parentTurnId: pick(ids, random),
    username: "bob",
    password: "x",
    current: "x",
    code: "123456",
    name: "n",
    scopes: ["chat"],
    title: "t",
    pinned: true,
    id: "p",
    botId: "echo",
    model: "echo",
    messages: [{ role: "user", content: "hello" }],
    input: "hello",
    stream: random() < 0.5,
  };
  for (const key of Object.keys(fields)) {
    const fate = random();
    if (fate < 0.3) delete fields[key];
    else if (fate < 0.45) fields[key] = value(random, 0);
  }
  if (random() < 0.05) fields[nasty(random)] = value(random, 0);
  const text = JSON.stringify(fields);
  if (kind < 0.12) {
    return text.replace("{", '{"__proto__":{"role":"admin"},"constructor":{"prototype":{"x":1}},');
  }
  return kind < 0.2 ? text.slice(0, Math.floor(random() * text.length)) : text;
}

/** The first part of a body, at most; streams without an end are hung up on. */
async function firstText(response: Response): Promise<string> {
  if (!response.body) return "";
  const stream = response.headers.get("content-type")?.startsWith("text/event-stream");
  if (!stream) return await response.text();
  const reader = response.body.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const part = await Promise.race([
    reader.read(),
    new Promise<undefined>((resolve) => timer = setTimeout(() => resolve(undefined), 5)),
  ]);
  clearTimeout(timer);
  await reader.cancel();
  return new TextDecoder().decode(part?.value);
}

/* ── frames ────────────────────────────────────────────────────────────────────────────────────────────────────────────── */

/** A WebSocket without a network. */
class FuzzWire implements WebSocketLike {
  readyState = 1;
  readonly bufferedAmount = 0;
  readonly sent: string[] = [];
  onmessage: WebSocketLike["onmessage"] = null;
  onclose: WebSocketLike["onclose"] = null;
  onerror: WebSocketLike["onerror"] = null;

  send(text: string): void {
    assert.ok(!text.includes(SECRET) || this.#mayHear, "a bot was sent another's words");
    this.sent.push(text);
    if (this.sent.length > 50) this.sent.shift();
    this.heard?.(JSON.parse(text));
  }

  close(): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.(new CloseEvent("close"));
  }

  hear(data: unknown): void {
    if (this.readyState === 1) this.onmessage?.(new MessageEvent("message", { data }));
  }

  // deno-lint-ignore no-explicit-any -- frames are looked at field by field
  heard?: (frame: any) => void;
  #mayHear = false;

  /** The bot that Alice spoke to. */
  trust(): void {
    this.#mayHear = true;
  }
}

async function open(app: App, wires: FuzzWire[]): Promise<FuzzWire> {
  await app.fetch(new Request("http://gateway/bot-ws", { headers: { upgrade: "websocket" } }), {
    address: "10.9.9.9",
  });
  return wires.at(-1)!;
}

async function registerEcho(app: App, wires: FuzzWire[]): Promise<void> {
  const wire = await open(app, wires);
  wire.trust();
  wire.heard = (frame) => {
    if (frame.type !== "chat") return;
    // Her words come back to her only: what others hear is fixed.
    const content = frame.from === "alice" ? `${SECRET} ${frame.content}` : "hello";
    queueMicrotask(() =>
      wire.hear(JSON.stringify({ type: "reply", replyTo: frame.id, content, done: true }))
    );
  };
  wire.hear(JSON.stringify({ type: "register", botId: "echo", botName: "Echo", token: "secret" }));
}

let current: FuzzWire | undefined;

function frame(app: App, wires: FuzzWire[], random: Random): void {
  if (!current || current.readyState !== 1 || random() < 0.02) {
    current?.close();
    // The upgrade is answered at once, so the socket is there.
    void open(app, wires);
    current = wires.at(-1)!;
    wires.splice(1, wires.length - 2);
    if (random() < 0.9) {
      current.hear(
        JSON.stringify({
          type: "register",
          botId: `b${Math.floor(random() * 5)}`,
          botName: "B",
          token: "secret",
          protocol: pick([1, 2], random),
        }),
      );
    }
  }
  const chat = current.sent.map((text) => JSON.parse(text)).findLast(({ type }) => type === "chat");
  const fields: Record<string, unknown> = {
    type: pick([
      "register",
      "reply",
      "fail",
      "push",
      "status",
      "cancelled",
      "ping",
      "pong",
      "chat",
      "ack",
      nasty(random),
    ], random),
    replyTo: chat?.id ?? "none",
    id: chat?.id ?? "none",
    content: "text",
    done: random() < 0.5,
    seq: Math.floor(random() * 4),
    kind: pick(["text", "reasoning", "tool"], random),
    botId: "b1",
    botName: "B",
    token: "secret",
    to: pick(["user:alice", "user:bob", "conversation:x", "user:"], random),
    busy: 1,
    code: "x",
    resume: [{ replyTo: "none", seq: 1 }],
  };
  for (const key of Object.keys(fields)) {
    const fate = random();
    if (fate < 0.2) delete fields[key];
    else if (fate < 0.4) fields[key] = value(random, 0);
  }
  const text = JSON.stringify(fields);
  const kind = random();
  current.hear(
    kind < 0.03
      ? new Uint8Array([1, 2, 3]).buffer
      : kind < 0.06
      ? nasty(random)
      : kind < 0.1
      ? text.slice(0, Math.floor(random() * text.length))
      : text,
  );
}

/* ── what they are made of ─────────────────────────────────────────────────────────────────────────────────────────────── */

const NASTY = [
  "",
  " ",
  "null",
  "-1",
  "1e309",
  "0x10",
  "true",
  "../../etc/passwd",
  "..%2f..%2f",
  "%00",
  "\u0000",
  "\ud800",
  "\u202e",
  "😀",
  "天气",
  "'; DROP TABLE entries; --",
  '" OR "1"="1',
  "{{7*7}}",
  "<script>alert(1)</script>",
  "\r\nset-cookie: x=y",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "conv:alice:",
  "turn:",
  "*",
  "NEAR(",
  "a".repeat(5000),
  "🦭".repeat(500),
  "9".repeat(400),
  "-0",
  "NaN",
] as const;

function nasty(random: Random): string {
  const text = pick(NASTY, random);
  return random() < 0.8 ? text : text + pick(NASTY, random);
}

function value(random: Random, depth: number): unknown {
  const kind = Math.floor(random() * 9);
  if (kind === 0) return null;
  if (kind === 1) return random() < 0.5;
  if (kind === 2) return pick([0, -1, 1.5, 1e308, -1e308, 2 ** 53, 1e21], random);
  if (kind < 6 || depth > 3) return nasty(random);
  if (kind < 8) {
    return Array.from({ length: Math.floor(random() * 4) }, () => value(random, depth + 1));
  }
  return Object.fromEntries(
    Array.from(
      { length: Math.floor(random() * 4) },
      () => [nasty(random), value(random, depth + 1)],
    ),
  );
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[Math.floor(random() * from.length)]!;
}

function trySet(headers: Headers, name: string, text: string): void {
  try {
    headers.set(name, text);
  } catch { /* a client could not send it either */ }
}

async function signIn(app: App, username: string): Promise<string> {
  const body = JSON.stringify({ username, password: `${username}-pass` });
  const response = await app.fetch(
    new Request("http://gateway/api/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    }),
    {
      address: "10.8.8.8",
    },
  );
  return (await response.json()).token;
}

/** Alice's things, whose ids the others try. */
async function furnish(app: App, token: string): Promise<string[]> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const post = async (path: string, body: unknown) =>
    await (await app.fetch(
      new Request(`http://gateway${path}`, { method: "POST", headers, body: JSON.stringify(body) }),
    )).json();
  const { id } = await post("/api/conversations", { title: SECRET });
  const answer = await post("/api/chat", { message: "hers", conversationId: id });
  assert.ok(answer.content?.startsWith(SECRET), JSON.stringify(answer));
  const key = await post("/api/keys", { name: "hers" });
  return [id, answer.turnId, key.key.id, "alice", "echo"];
}

function heap(): number {
  return Math.round(Deno.memoryUsage().heapUsed / (1 << 20));
}

/** A small generator of pseudo-random numbers, so that a seed tells a run (mulberry32). */
function mulberry(seed: number): Random {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4_294_967_296;
  };
}

if (import.meta.main) {
  const [inputs = "200000", seed = String(Date.now() % 100_000)] = Deno.args;
  console.log(`seed ${seed}`);
  console.log(JSON.stringify(await fuzz(Number(inputs), Number(seed))));
}
