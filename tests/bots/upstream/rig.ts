/**
 * A model API's bot in front of a stand-in for the API: what a question leads to, as the gateway
 * would be told.
 */
import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import type { HttpClient } from "../../../src/bots/upstream/http/client.ts";
import { SocketHttpClient } from "../../../src/bots/upstream/http/socket_client.ts";
import { Upstream } from "../../../src/bots/upstream/upstream.ts";
import { upstreamSchema } from "../../../src/config/upstream.ts";
import { systemClock } from "../../../src/core/clock.ts";
import type { AnswerMeta, FailureInfo, Sink, Task } from "../../../src/core/link.ts";
import type { ChatMessage, Message } from "../../../src/core/message.ts";
import { silentObserver } from "../../../src/core/observer.ts";
import { FakeUpstream, type Play } from "./fake_upstream.ts";

/** What one question led to. */
export interface Told {
  text: string;
  reasoning: string;
  images: string[];
  ending: string;
  detail?: string;
  facts?: AnswerMeta;
  more?: FailureInfo;
}

export class Ear implements Sink {
  readonly told: Told = { text: "", reasoning: "", images: [], ending: "" };
  readonly over: Promise<Told>;
  onWrite: (() => void) | undefined;
  #end!: (told: Told) => void;

  constructor() {
    this.over = new Promise((resolve) => this.#end = resolve);
  }
  alive() {}
  write(
    kind: "text" | "reasoning" | "tool" | "image",
    content: string | readonly string[],
  ): boolean {
    const all = typeof content === "string" ? content : content.join("");
    if (kind === "text") this.told.text += all;
    if (kind === "reasoning") this.told.reasoning += all;
    if (kind === "image") this.told.images.push(all);
    this.onWrite?.();
    return true;
  }
  setMeta(facts: AnswerMeta) {
    this.told.facts = facts;
  }
  done() {
    this.#finish("done");
  }
  fail(code: string, detail: string | undefined, retryable: boolean, more?: FailureInfo) {
    this.told.more = more;
    this.#finish(`fail ${code}${retryable ? " retryable" : ""}`, detail);
  }
  away() {
    return false;
  }
  lost(detail?: string) {
    this.#finish("lost", detail);
  }
  #finish(ending: string, detail?: string) {
    assert.equal(this.told.ending, "", `a second ending: ${ending}`);
    this.told.ending = ending;
    this.told.detail = detail;
    this.#end(this.told);
  }
}

export function task(fields: Partial<Message> = {}, id = "turn-1"): Task {
  const person = { id: "alice", name: "Alice", role: "member" } as const;
  return {
    id,
    conversationId: "c1",
    message: { person, text: "hello", images: [], channel: "web", ...fields },
    at: 0,
  };
}

/** Pauses are real but short, so that nothing here depends on a clock's hands. */
export const quickly = {
  ...systemClock,
  after: (ms: number, call: () => void) => systemClock.after(Math.min(ms, 20), call),
};

export interface Bench {
  readonly fake: FakeUpstream;
  readonly bot: Upstream;
  ask(fields?: Partial<Message>): Promise<Told>;
}

export async function withUpstream(
  plays: Play[],
  run: (bench: Bench) => Promise<void>,
  settings: Record<string, unknown> = {},
  more: {
    http?: HttpClient;
    history?: ChatMessage[];
    clock?: typeof systemClock;
    env?: Record<string, string>;
  } = {},
): Promise<void> {
  const type = settings.type === "anthropic" ? "anthropic" : "openai";
  const fake = new FakeUpstream(type, ...plays);
  const http = more.http ?? new SocketHttpClient();
  const store = new MemoryStore();
  const bot = new Upstream(
    "gpt",
    upstreamSchema.parse({ type, baseUrl: fake.url, model: "m", ...settings }),
    {
      clock: more.clock ?? quickly,
      observer: silentObserver,
      store,
      http,
      history: () => Promise.resolve(more.history ?? []),
      secret: (text) => text.startsWith("env:") ? more.env?.[text.slice(4)] : text,
      random: () => 0.5,
    },
  );
  let next = 0;
  const ask = (fields?: Partial<Message>) => {
    const ear = new Ear();
    bot.ask(task(fields, `turn-${next++}`), ear);
    return ear.over;
  };
  try {
    await run({ fake, bot, ask });
  } finally {
    await bot.close();
    http.close();
    await fake.close();
    await store.close();
  }
}
