/**
 * This is a whole gateway on a free port with model APIs that are played, for the tests of the
 * OpenAI face.
 */
import { type App, createApp } from "../../../src/app.ts";
import { readConfig } from "../../../src/config/config.ts";
import type { Clock } from "../../../src/core/clock.ts";
import type { Bot, Link, Sink, Task } from "../../../src/core/link.ts";
import { FakeUpstream, type Play } from "../../bots/upstream/fake_upstream.ts";

export interface Face {
  readonly app: App;
  readonly fake: FakeUpstream;
  /** Ends in `/v1`. */
  readonly url: string;
  /** Without a path. */
  readonly root: string;
  /** A session's token of `ada`, who may use everything. */
  readonly token: string;
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  chat(fields?: Record<string, unknown>, init?: RequestInit): Promise<Response>;
}

export async function withFace(
  plays: Play[],
  run: (face: Face) => Promise<void>,
  more: {
    settings?: Record<string, unknown>;
    config?: Record<string, unknown>;
    bots?: Record<string, unknown>;
    clock?: Clock;
  } = {},
): Promise<void> {
  const fake = new FakeUpstream("openai", ...plays);
  const gpt = {
    type: "openai",
    baseUrl: fake.url,
    model: "m",
    tries: 1,
    stallTimeout: 200,
    ...more.settings,
  };
  const read = readConfig(JSON.stringify({
    users: { ada: { password: "x", displayName: "Ada" }, bob: { password: "x", bots: ["other"] } },
    bots: { gpt, ...more.bots },
    ...more.config,
  }));
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const app = await createApp(read.config, { clock: more.clock });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => app.fetch(request),
  );
  const root = `http://127.0.0.1:${server.addr.port}`;
  const { token } = await app.sessions.begin("ada");
  const post = (path: string, body: unknown, init: RequestInit = {}) =>
    fetch(root + path, {
      method: "POST",
      body: JSON.stringify(body),
      ...init,
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${token}`,
        ...init.headers,
      },
    });
  const chat = (fields: Record<string, unknown> = {}, init?: RequestInit) =>
    post("/v1/chat/completions", {
      model: "gpt",
      messages: [{ role: "user", content: "hello" }],
      ...fields,
    }, init);
  try {
    await run({ app, fake, url: `${root}/v1`, root, token, post, chat });
  } finally {
    await app.close();
    await server.shutdown();
    await fake.close();
  }
}

/** A bot with a memory of its own, in the same process: keeps what it was asked and answers as it is told. */
export class Agent implements Link {
  readonly bot: Bot;
  readonly draining = false;
  readonly asked: Task[] = [];
  readonly stopped: string[] = [];
  onStop: (() => void) | undefined;
  readonly #answer: (task: Task, sink: Sink) => void;

  constructor(id: string, answer: (task: Task, sink: Sink) => void, more: Partial<Bot> = {}) {
    this.bot = {
      id,
      name: id,
      connectedAt: 0,
      weight: 1,
      maxConcurrent: Infinity,
      restart: "never",
      capabilities: [],
      ...more,
    };
    this.#answer = answer;
  }

  get busy(): number {
    return 0;
  }

  ask(task: Task, sink: Sink): void {
    this.asked.push(task);
    this.#answer(task, sink);
  }

  cancel(taskId: string): Promise<boolean> {
    this.stopped.push(taskId);
    this.onStop?.();
    return Promise.resolve(true);
  }

  forget(): void {}
}

/** Says these words and is done. */
export function says(...words: string[]): (task: Task, sink: Sink) => void {
  return (_task, sink) => {
    for (const word of words) sink.write("text", word);
    sink.done();
  };
}

/** The `data:` fields of an event stream, parsed where they are JSON. */
// deno-lint-ignore no-explicit-any -- tests look at whatever came
export async function events(response: Response): Promise<any[]> {
  const text = await response.text();
  return text.split("\n").filter((line) => line.startsWith("data: ")).map((line) => {
    const raw = line.slice(6);
    return raw === "[DONE]" ? raw : JSON.parse(raw);
  });
}
