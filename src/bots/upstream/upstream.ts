/**
 * This is a model API as a bot: a {@linkcode Link} that Nexus dials out to instead of being
 * dialled.
 *
 * Model APIs remember nothing, so every question carries the conversation: what the client told
 * (OpenAI clients do), else what the archive knows, back to as many tokens as the configuration
 * allows.
 */
import { estimateTokenCount } from "tokenx";
import { withoutTrailingSlashes } from "../../core/address.ts";
import type { Clock } from "../../core/clock.ts";
import { asNexusError, NexusError } from "../../core/error.ts";
import { TokenEstimate } from "../../core/token_estimate.ts";
import { parseJson } from "../../core/json.ts";
import type { Bot, Link, Sink, Task } from "../../core/link.ts";
import type { ChatMessage, GenerationOptions, Usage } from "../../core/message.ts";
import type { Observer } from "../../core/observer.ts";
import type { Store } from "../../core/store.ts";
import { anthropic } from "./anthropic.ts";
import { type BudgetUse, UpstreamBudget } from "./budget.ts";
import { ModelCall, type ModelCallResult } from "./call.ts";
import { type Dialect, isFields } from "./dialect.ts";
import { type ApiError, apiErrorOf } from "./fault.ts";
import type { UpstreamSettings } from "./settings.ts";
import type { CancelToken } from "./halt.ts";
import { ConnectionError, type HttpClient, type HttpRequest, type HttpResponse } from "./http.ts";
import { openai } from "./openai.ts";

export interface UpstreamParts {
  readonly clock: Clock;
  readonly observer: Observer;
  readonly store: Store;
  readonly http: HttpClient;
  /** What was said in the task's conversation before it, oldest first. */
  readonly history: (task: Task) => Promise<readonly ChatMessage[]>;
  /**
   * What a setting such as `env:NAME` stands for; `undefined` where it is not set. Other texts
   * stand for themselves.
   */
  readonly secret: (text: string) => string | undefined;
  /** Told when `draining` or what it says of itself changed. */
  readonly changed?: () => void;
  /** A number from 0 up to 1. */
  readonly random?: () => number;
}

const DIALECTS: Readonly<Record<UpstreamSettings["type"], { dialect: Dialect; baseUrl: string }>> =
  {
    openai: { dialect: openai, baseUrl: "https://api.openai.com/v1" },
    anthropic: { dialect: anthropic, baseUrl: "https://api.anthropic.com/v1" },
  };

/**
 * How often calls are looked at for silence, in milliseconds; a tenth of the shortest timeout where
 * that is less.
 */
const LOOK = 1_000;

/** The longest rest that an API's `Retry-After` can bring, in milliseconds. */
const MAX_REST = 300_000;

/** A secret shorter than this is part of too many words to be taken out. */
const SECRET = 6;

export class Upstream implements Link {
  readonly wire = "model";
  readonly #parts: UpstreamParts;
  readonly #budget: UpstreamBudget;
  readonly #calls = new Map<string, ModelCall>();
  /** Everything whose socket may still be open, the calls that were told to stop included. */
  readonly #open = new Set<Promise<void>>();
  #settings: UpstreamSettings;
  #bot: Bot;
  #model: string | undefined;
  #look: (() => void) | undefined;
  #restsUntil = 0;
  #wake: (() => void) | undefined;
  #trouble: string | undefined;
  #closed = false;

  constructor(id: string, settings: UpstreamSettings, parts: UpstreamParts) {
    this.#parts = parts;
    this.#budget = new UpstreamBudget(parts, id);
    this.#settings = settings;
    this.#bot = botOf(id, settings, parts.clock.now());
  }

  get bot(): Bot {
    return this.#bot;
  }

  /** In a pool the others answer while this one rests; alone, it says itself that it is limited. */
  get draining(): boolean {
    return this.#closed ||
      (this.#settings.pool !== undefined && this.#restsUntil > this.#parts.clock.now());
  }

  get busy(): number {
    return this.#calls.size;
  }

  /** Why it did badly the last time; gone once it did well. */
  get note(): string | undefined {
    return this.#trouble;
  }

  /** What is used of its budget now. */
  used(): Promise<BudgetUse> {
    return this.#budget.used(this.#settings);
  }

  /** What it cost this month, in the currency of its price. */
  spent(): Promise<number> {
    return this.#budget.spent();
  }

  /**
   * Goes on with other settings: a new key counts from the next try on. Answers that run are not
   * disturbed.
   */
  configure(settings: UpstreamSettings): void {
    this.#settings = settings;
    this.#bot = botOf(this.#bot.id, settings, this.#bot.connectedAt);
    this.#model = undefined;
    this.#rest(0);
    this.#trouble = undefined;
    this.#parts.changed?.();
  }

  honours(name: string, value: unknown): boolean {
    const settings = this.#settings;
    return !settings.ignore.includes(name) &&
      DIALECTS[settings.type].dialect.takes(name, value, settings);
  }

  /** Of what a client wishes, what this API can do. */
  #granted({ temperature, topP, extra, ...rest }: GenerationOptions): GenerationOptions {
    const passed = Object.entries(extra ?? {}).filter(([name, value]) => this.honours(name, value));
    return {
      ...rest,
      temperature: this.honours("temperature", temperature) ? temperature : undefined,
      topP: this.honours("top_p", topP) ? topP : undefined,
      extra: Object.fromEntries(passed),
    };
  }

  ask(task: Task, sink: Sink): void {
    const { clock, http, random = Math.random } = this.#parts;
    const { dialect } = DIALECTS[this.#settings.type];
    const redact = (text: string) => this.#redact(text);
    const call = new ModelCall({
      clock,
      http,
      random,
      dialect,
      settings: this.#settings,
      sink,
      redact,
    });
    this.#calls.set(task.id, call);
    this.#look ??= clock.every(this.#lookEvery(), () => this.#lookAtCalls());
    const over = this.#converse(call, task).then((end) => {
      this.#learn(end);
      end.tell();
    }).catch((error) => {
      const { code, detail, retryAfter } = asNexusError(error);
      if (code === "internal") {
        this.#parts.observer.tell({ type: "fault", where: `bot ${this.#bot.id}`, error });
      }
      if (code === "bot_misconfigured") this.#trouble = detail;
      sink.fail(code === "internal" ? "bot_failed" : code, detail, true, { retryAfter });
    }).finally(() => {
      this.#open.delete(over);
      if (this.#calls.get(task.id) === call) this.#letGo(task.id);
    });
    this.#open.add(over);
  }

  async #converse(call: ModelCall, task: Task): Promise<ModelCallResult> {
    const settings = this.#settings;
    const { message } = task;
    const limits = settings.budget;
    const now = this.#parts.clock.now();
    if (this.#restsUntil > now) {
      throw new NexusError("limited", this.#trouble, {
        retryAfter: Math.ceil((this.#restsUntil - now) / 1000),
      });
    }
    if (
      limits.requestsPerMinute !== undefined || limits.tokensPerMinute !== undefined ||
      limits.spendPerMonth !== undefined
    ) {
      await this.#budget.admit(settings).catch((error) => this.#spentOut(error));
    }
    const before = message.transcript ??
      within(settings.history, settings.history > 0 ? await this.#parts.history(task) : []);
    const said = this.#told(
      before,
      message.transcript ? undefined : { role: "user", text: message.text, images: message.images },
    );
    const model = settings.model ?? await this.#firstModel(call.halt);
    if (call.halt.halted) return { calledOff: true, tell: () => {}, usage: {}, units: 0 };
    const { dialect, baseUrl } = DIALECTS[settings.type];
    const options = this.#granted(message.options ?? {});
    const whole = options.whole === true;
    const body = dialect.body({ messages: said, model, options, stream: !whole }, settings);
    const url = withoutTrailingSlashes(settings.baseUrl ?? baseUrl) + dialect.path;
    const end = await call.run(() => this.#request(dialect, url, body), whole);
    if (settings.price || limits.tokensPerMinute !== undefined) {
      // The answer is there and paid for; a store that fails now must not take it away.
      await this.#budget.spend(settings, counted(end, said)).catch((error) =>
        this.#parts.observer.tell({ type: "fault", where: `bot ${this.#bot.id}`, error })
      );
    }
    return end;
  }

  /** What is sent: the configuration's own words first, and no images to a model that sees none. */
  #told(before: readonly ChatMessage[], last: ChatMessage | undefined): ChatMessage[] {
    const { system, images } = this.#settings;
    const said: ChatMessage[] = system
      ? [{ role: "system", text: system, images: [] }, ...before]
      : [...before];
    if (last) said.push(last);
    return images ? said : said.map(blind);
  }

  #request(dialect: Dialect, url: string, body: string | undefined): Omit<HttpRequest, "halt"> {
    const headers: Record<string, string> = dialect.headers(this.#key());
    if (body !== undefined) headers["content-type"] = "application/json";
    for (const [name, text] of Object.entries(this.#settings.headers)) {
      const value = this.#parts.secret(text);
      if (value !== undefined) headers[name.toLowerCase()] = value;
    }
    return { method: body === undefined ? "GET" : "POST", url, headers, body };
  }

  #key(): string | undefined {
    const { apiKey } = this.#settings;
    if (apiKey === undefined) return undefined;
    const key = this.#parts.secret(apiKey);
    if (!key) throw new NexusError("bot_misconfigured", "its API key is not set");
    return key;
  }

  /** An API may quote the key or a header that it refuses, and people would see it. */
  #redact(text: string): string {
    const { apiKey, headers } = this.#settings;
    for (const setting of [apiKey, ...Object.values(headers)]) {
      const value = setting === undefined ? undefined : this.#parts.secret(setting);
      if (value !== undefined && value.length >= SECRET) text = text.replaceAll(value, "…");
    }
    return text;
  }

  /** The first model that the server lists, asked for once. */
  async #firstModel(halt: CancelToken): Promise<string> {
    if (this.#model !== undefined) return this.#model;
    const { dialect, baseUrl } = DIALECTS[this.#settings.type];
    const url = `${withoutTrailingSlashes(this.#settings.baseUrl ?? baseUrl)}/models`;
    let list: unknown, refused: ApiError | undefined;
    try {
      const answer = await this.#parts.http.request({
        ...this.#request(dialect, url, undefined),
        halt,
      });
      const text = await textOf(answer);
      if (answer.status === 401 || answer.status === 403) refused = apiErrorOf(answer.status, text);
      else if (answer.status === 200) list = parseJson(text);
      else throw new ConnectionError(`status ${answer.status}`);
    } catch (cause) {
      if (cause instanceof NexusError) throw cause;
      throw new NexusError("bot_failed", "the model API does not list its models; set `model`", {
        cause,
      });
    }
    if (refused) throw new NexusError(refused.code, refused.detail);
    const models = isFields(list) && Array.isArray(list.data) ? list.data : [];
    const id = isFields(models[0]) ? models[0].id : undefined;
    if (typeof id !== "string") {
      throw new NexusError("bot_misconfigured", "the model API lists no model; set `model`");
    }
    return this.#model = id;
  }

  /*
   * ── its own books
   * ─────────────────────────────────────────────────────────────────────────────────────────────────
   */

  #learn({ calledOff, trouble }: ModelCallResult): void {
    if (calledOff) return;
    const before = this.#trouble;
    this.#trouble = trouble?.detail;
    if (trouble?.code === "limited" && trouble.retryAfter !== undefined) {
      this.#rest(trouble.retryAfter * 1000);
    }
    if (before !== this.#trouble) this.#parts.changed?.();
  }

  #spentOut(error: unknown): never {
    if (error instanceof NexusError && error.code === "limited") {
      this.#trouble = error.detail;
      this.#rest((error.retryAfter ?? 1) * 1000);
    }
    throw error;
  }

  /** Takes nothing new for a while; 0 ends a rest. */
  #rest(ms: number): void {
    const { clock } = this.#parts;
    this.#wake?.();
    this.#wake = undefined;
    this.#restsUntil = ms === 0 ? 0 : clock.now() + Math.min(ms, MAX_REST);
    if (ms > 0) this.#wake = clock.after(Math.min(ms, MAX_REST), () => this.#rest(0));
    this.#parts.changed?.();
  }

  /*
   * ── its calls
   * ─────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  #lookEvery(): number {
    const { firstTimeout, stallTimeout } = this.#settings;
    return Math.min(LOOK, firstTimeout / 10, stallTimeout / 10);
  }

  #lookAtCalls(): void {
    const now = this.#parts.clock.now();
    for (const call of this.#calls.values()) call.look(now);
  }

  /**
   * The socket is closed, which is a stop that every API understands; none of them sends a receipt.
   */
  cancel(taskId: string): Promise<boolean> {
    const known = this.#calls.has(taskId);
    this.forget(taskId);
    return Promise.resolve(known);
  }

  forget(taskId: string): void {
    const call = this.#calls.get(taskId);
    if (!call) return;
    this.#letGo(taskId);
    call.stop();
  }

  #letGo(taskId: string): void {
    this.#calls.delete(taskId);
    if (this.#calls.size > 0) return;
    this.#look?.();
    this.#look = undefined;
  }

  /** Takes nothing new; resolves when what it had begun is over. */
  async leave(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#open);
    this.#wake?.();
  }

  /** Takes nothing new and stops what runs. Resolves when no call holds anything any more. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const taskId of [...this.#calls.keys()]) this.forget(taskId);
    this.#wake?.();
    await Promise.all(this.#open);
  }
}

function botOf(id: string, settings: UpstreamSettings, connectedAt: number): Bot {
  const { name = id, description, pool, weight, maxConcurrent = Infinity, restart, images } =
    settings;
  return {
    id,
    name,
    description,
    connectedAt,
    pool,
    weight,
    maxConcurrent,
    restart,
    capabilities: images ? ["images", "cancel", "wishes"] : ["cancel", "wishes"],
  };
}

/**
 * The end of a conversation that fits into so many tokens, by estimate: within some 5 % of the real
 * count for European languages and 15 % for Chinese, for a thousandth of the memory of a
 * tokenizer's tables. Four tokens a message are what the APIs add.
 */
export function within(tokens: number, said: readonly ChatMessage[]): readonly ChatMessage[] {
  const estimate = new TokenEstimate(estimateTokenCount);
  let left = tokens;
  let first = said.length;
  while (first > 0) {
    const { text, images } = said[first - 1]!;
    // A text of more units than eight times what is left cannot fit, and need not be read to know
    // it.
    if (text.length > left * 8) break;
    left -= estimate.of(text) + images.length * IMAGE_TOKENS + 4;
    if (left < 0) break;
    first--;
  }
  // An answer whose question was left out would puzzle the model.
  while (said[first]?.role === "assistant") first++;
  return said.slice(first);
}

/** About what the APIs count for one picture of a megapixel. */
const IMAGE_TOKENS = 1000;

/** What an answer took: as the API counted, else by estimate. */
function counted({ usage, units }: ModelCallResult, said: readonly ChatMessage[]): Usage {
  const { inputTokens, outputTokens } = usage;
  return {
    inputTokens: inputTokens ??
      said.reduce((sum, { text }) => sum + Math.ceil(text.length / UNITS_PER_TOKEN), 0),
    outputTokens: outputTokens ?? Math.ceil(units / UNITS_PER_TOKEN),
  };
}

/** Between English (4) and Chinese (1.5): a budget should rather count too much. */
const UNITS_PER_TOKEN = 2.5;

function blind(said: ChatMessage): ChatMessage {
  if (said.images.length === 0) return said;
  const note = said.images.length === 1
    ? "(an image that you cannot see)"
    : `(${said.images.length} images that you cannot see)`;
  return { ...said, text: said.text ? `${said.text}\n${note}` : note, images: [] };
}

async function textOf(answer: HttpResponse): Promise<string> {
  let all = "";
  while (true) {
    const text = await answer.read();
    if (text === undefined) break;
    all += text;
    if (all.length > MAX_LIST) {
      answer.close();
      throw new ConnectionError("the list of models is too large");
    }
  }
  return all;
}

const MAX_LIST = 4 << 20;
