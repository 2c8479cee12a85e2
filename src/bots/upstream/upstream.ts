/**
 * A model API as a bot: a {@linkcode Link} that calls the API for each question.
 *
 * Model APIs remember nothing, so every request carries the conversation: the one that the client
 * sent (OpenAI clients do), otherwise the end of the archived one, within the configured tokens.
 */
import type { Clock } from "../../core/clock.ts";
import { asNexusError, isCausedByRequest, NexusError } from "../../core/error.ts";
import type { Bot, Link, Sink, Task } from "../../core/link.ts";
import type { ChatMessage, GenerationOptions } from "../../core/message.ts";
import type { Observer } from "../../core/observer.ts";
import type { Store } from "../../core/store.ts";
import { ApiAccess } from "./api_access.ts";
import { type BudgetUse, UpstreamBudget } from "./budget.ts";
import { Cooldown } from "./cooldown.ts";
import type { HttpClient } from "./http/client.ts";
import { ModelCall } from "./model_call.ts";
import { type CallOutcome, conclude } from "./call_outcome.ts";
import { historyWithin, usageOf, withoutImages } from "./prompt.ts";
import type { UpstreamSettings } from "./settings.ts";

export interface UpstreamParts {
  readonly clock: Clock;
  readonly observer: Observer;
  readonly store: Store;
  readonly http: HttpClient;
  /** The conversation of a task before its question, oldest first. */
  readonly history: (task: Task) => Promise<readonly ChatMessage[]>;
  /**
   * What a setting such as `env:NAME` stands for; `undefined` where it is not set. Other texts
   * stand for themselves.
   */
  readonly secret: (text: string) => string | undefined;
  /** Is called when `draining` or the description of the bot changed. */
  readonly changed?: () => void;
  /** A number from 0 up to 1. */
  readonly random?: () => number;
}

/** How often timeouts are checked; a tenth of the shortest timeout where that is less. */
const CHECK_INTERVAL_MS = 1_000;

export class Upstream implements Link {
  readonly wire = "model";
  readonly #parts: UpstreamParts;
  readonly #budget: UpstreamBudget;
  readonly #cooldown: Cooldown;
  readonly #calls = new Map<string, ModelCall>();
  /** Every call whose socket may still be open, cancelled ones included. */
  readonly #open = new Set<Promise<void>>();
  #api: ApiAccess;
  #bot: Bot;
  /** The first model of the list, where none is configured. */
  #model: string | undefined;
  #stopChecking: (() => void) | undefined;
  #problem: string | undefined;
  #isClosed = false;

  constructor(id: string, settings: UpstreamSettings, parts: UpstreamParts) {
    this.#parts = parts;
    this.#budget = new UpstreamBudget(parts, id);
    this.#cooldown = new Cooldown(parts.clock, () => parts.changed?.());
    this.#api = new ApiAccess(settings, parts.secret);
    this.#bot = botOf(id, settings, parts.clock.now());
  }

  get bot(): Bot {
    return this.#bot;
  }

  /** During a cooldown the other bots of its pool answer; alone, it reports the limit itself. */
  get draining(): boolean {
    return this.#isClosed ||
      (this.#api.settings.pool !== undefined && this.#cooldown.left > 0);
  }

  get busy(): number {
    return this.#calls.size;
  }

  /** Why the last call failed; absent after one that succeeded. */
  get note(): string | undefined {
    return this.#problem;
  }

  /** How much of its budget is used. */
  used(): Promise<BudgetUse> {
    return this.#budget.used(this.#api.settings);
  }

  /** What it cost this month, in the currency of its price. */
  spent(): Promise<number> {
    return this.#budget.spent();
  }

  /** Changes the settings from the next question on. Running calls keep the former ones. */
  configure(settings: UpstreamSettings): void {
    this.#api = new ApiAccess(settings, this.#parts.secret);
    this.#bot = botOf(this.#bot.id, settings, this.#bot.connectedAt);
    this.#model = undefined;
    this.#problem = undefined;
    this.#cooldown.end();
  }

  honours(name: string, value: unknown): boolean {
    const { settings, dialect } = this.#api;
    return !settings.ignore.includes(name) && dialect.takes(name, value, settings);
  }

  ask(task: Task, sink: Sink): void {
    const { clock, http, observer, random = Math.random } = this.#parts;
    const api = this.#api;
    const { dialect, settings } = api;
    const redact = (text: string) => api.redact(text);
    const call = new ModelCall({ clock, http, random, dialect, settings, sink, redact });
    this.#calls.set(task.id, call);
    this.#stopChecking ??= clock.every(this.#checkInterval(), () => this.#checkTimeouts());
    const over = this.#converse(call, task, api).then((outcome) => {
      // The books come first, so that they are right when the next question arrives.
      this.#record(outcome);
      conclude(outcome, sink);
    }).catch((error) => {
      const { code, detail, retryAfter } = asNexusError(error);
      if (code === "internal") {
        observer.tell({ type: "fault", where: `bot ${this.#bot.id}`, error });
      }
      if (code === "bot_misconfigured") this.#problem = detail;
      sink.fail(code === "internal" ? "bot_failed" : code, detail, true, { retryAfter });
    }).finally(() => {
      this.#open.delete(over);
      if (this.#calls.get(task.id) === call) this.#remove(task.id);
    });
    this.#open.add(over);
  }

  async #converse(call: ModelCall, task: Task, api: ApiAccess): Promise<CallOutcome> {
    const { settings, dialect } = api;
    await this.#admit(settings);
    const messages = await this.#messages(task, settings);
    const model = settings.model ?? await this.#firstModel(api, call.signal);
    if (call.signal.aborted) return { status: "cancelled", usage: {}, units: 0 };
    const options = this.#supported(task.message.options ?? {});
    const isWhole = options.whole === true;
    const body = dialect.body({ messages, model, options, stream: !isWhole }, settings);
    const outcome = await call.run(() => api.chatRequest(body), isWhole);
    await this.#count(outcome, messages, settings);
    return outcome;
  }

  /** Throws `limited` during a cooldown and where the budget is used up. */
  async #admit(settings: UpstreamSettings): Promise<void> {
    const { left } = this.#cooldown;
    if (left > 0) {
      throw new NexusError("limited", this.#problem, { retryAfter: Math.ceil(left / 1000) });
    }
    const { requestsPerMinute, tokensPerMinute, spendPerMonth } = settings.budget;
    const isBounded = requestsPerMinute !== undefined || tokensPerMinute !== undefined ||
      spendPerMonth !== undefined;
    if (!isBounded) return;
    try {
      await this.#budget.admit(settings);
    } catch (error) {
      if (error instanceof NexusError && error.code === "limited") {
        this.#problem = error.detail;
        this.#cooldown.start((error.retryAfter ?? 1) * 1000);
      }
      throw error;
    }
  }

  /** The conversation as the model gets it: the configured system prompt, history and question. */
  async #messages(
    task: Task,
    { system, images, history }: UpstreamSettings,
  ): Promise<ChatMessage[]> {
    const { message } = task;
    const messages: ChatMessage[] = system ? [{ role: "system", text: system, images: [] }] : [];
    if (message.transcript) messages.push(...message.transcript);
    else {
      const before = history > 0 ? await this.#parts.history(task) : [];
      messages.push(...historyWithin(history, before));
      messages.push({ role: "user", text: message.text, images: message.images });
    }
    return images ? messages : messages.map(withoutImages);
  }

  async #firstModel(api: ApiAccess, signal: AbortSignal): Promise<string> {
    return this.#model ??= await api.firstModel(this.#parts.http, signal);
  }

  /** Those of a client's options that the API knows. */
  #supported({ temperature, topP, extra, ...rest }: GenerationOptions): GenerationOptions {
    const known = Object.entries(extra ?? {}).filter(([name, value]) => this.honours(name, value));
    return {
      ...rest,
      temperature: this.honours("temperature", temperature) ? temperature : undefined,
      topP: this.honours("top_p", topP) ? topP : undefined,
      extra: Object.fromEntries(known),
    };
  }

  /* Its books. */

  async #count(
    outcome: CallOutcome,
    messages: readonly ChatMessage[],
    settings: UpstreamSettings,
  ): Promise<void> {
    if (!settings.price && settings.budget.tokensPerMinute === undefined) return;
    // The answer exists and was paid for; a store that fails now must not take it away.
    await this.#budget.spend(settings, usageOf(outcome, messages)).catch((error) =>
      this.#parts.observer.tell({ type: "fault", where: `bot ${this.#bot.id}`, error })
    );
  }

  #record(outcome: CallOutcome): void {
    if (outcome.status === "cancelled") return;
    const failure = outcome.status === "failed" && !isCausedByRequest(outcome.failure.code)
      ? outcome.failure
      : undefined;
    const before = this.#problem;
    this.#problem = failure?.detail;
    if (failure?.code === "limited" && failure.retryAfter !== undefined) {
      this.#cooldown.start(failure.retryAfter * 1000);
    }
    if (before !== this.#problem) this.#parts.changed?.();
  }

  /* Its calls. */

  #checkInterval(): number {
    const { firstTimeout, stallTimeout } = this.#api.settings;
    return Math.min(CHECK_INTERVAL_MS, firstTimeout / 10, stallTimeout / 10);
  }

  #checkTimeouts(): void {
    const now = this.#parts.clock.now();
    for (const call of this.#calls.values()) call.checkTimeouts(now);
  }

  /** Closes the socket, which every API takes as a stop. None of them confirms it. */
  cancel(taskId: string): Promise<boolean> {
    const isKnown = this.#calls.has(taskId);
    this.forget(taskId);
    return Promise.resolve(isKnown);
  }

  forget(taskId: string): void {
    const call = this.#calls.get(taskId);
    if (!call) return;
    this.#remove(taskId);
    call.stop();
  }

  #remove(taskId: string): void {
    this.#calls.delete(taskId);
    if (this.#calls.size > 0) return;
    this.#stopChecking?.();
    this.#stopChecking = undefined;
  }

  /** Takes no new questions. Resolves when every answer is complete. */
  async leave(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#open);
    this.#cooldown.stop();
  }

  /** Takes no new questions and cancels every call. Resolves when no socket is open any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const taskId of [...this.#calls.keys()]) this.forget(taskId);
    this.#cooldown.stop();
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
