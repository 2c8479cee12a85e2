/**
 * Completions: one question of an OpenAI client, asked of a bot and answered, streamed or whole.
 */
import type { RemainingMessages } from "../../core/people/allowance.ts";
import type { Clock } from "../../core/clock.ts";
import type { Gateway } from "../../core/gateway.ts";
import type { Message, Person } from "../../core/message.ts";
import type { Observer } from "../../core/observer.ts";
import type { Store } from "../../core/store.ts";
import type { Turn } from "../../core/turn.ts";
import type { Auth, Caller } from "../http/auth.ts";
import type { DisconnectWatcher } from "../http/disconnect_watcher.ts";
import { eventStream } from "../http/event_stream.ts";
import { ImageLoader } from "../http/image_loader.ts";
import { json } from "../http/response.ts";
import type { StreamReader, StreamRegistry } from "../http/stream_registry.ts";
import { type AnswerFormat, answerStream, firstOutput } from "./answer_stream.ts";
import { type CompleteAnswer, completeAnswer } from "./complete_answer.ts";
import { ConversationMatcher } from "./conversation_matcher.ts";
import { describeError, type ErrorBody, failureOf, OpenAiError } from "./error.ts";
import { isBackgroundTask } from "./background_task.ts";
import { withoutInlineFiles } from "./inline_images.ts";
import { OutputLimit } from "./output_limit.ts";
import { ignoredBy } from "./parameters.ts";
import { rateLimitHeaders } from "./rate_limit_headers.ts";
import { AUTO_MODEL, type LoadImage, type OpenAiRequest } from "./request.ts";
import { UI_HEADERS, uiFormat } from "./ui_message_stream.ts";

export interface OpenAiParts {
  readonly gateway: Gateway;
  readonly store: Store;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly auth: Auth;
  readonly streams: StreamRegistry;
  readonly disconnects: DisconnectWatcher;
  /** What is left to a person behind a message. */
  readonly left: (message: Message) => RemainingMessages | undefined;
  /** Whether images may be fetched from private addresses. */
  readonly allowPrivate: () => boolean;
}

/** One of the two shapes of `/v1`. */
export interface ResponseShape {
  readonly format: (turn: Turn, describe: DescribeError) => AnswerFormat;
  readonly whole: (turn: Turn, answer: CompleteAnswer) => unknown;
}

/** Describes an error as OpenAI's clients read it. */
export type DescribeError = (error: unknown) => ErrorBody;

/**
 * How long a stream's headers wait for the first word, in milliseconds. Within it a failure is
 * still a status, which official clients understand and retry on; past it the client should see
 * that it was heard.
 */
const FIRST_OUTPUT_MS = 2_000;

/** One question on its way: the request, who sends it, and what it asks. */
export interface Question {
  readonly request: Request;
  readonly caller: Caller;
  readonly asked: OpenAiRequest;
}

export class Completions {
  readonly #parts: OpenAiParts;
  readonly #conversations: ConversationMatcher;
  readonly #images: ImageLoader;

  constructor(parts: OpenAiParts) {
    this.#parts = parts;
    this.#conversations = new ConversationMatcher(parts);
    this.#images = new ImageLoader({
      clock: parts.clock,
      async fetch(url, bounds) {
        // Loads Node's HTTP client, which few requests need.
        const { fetchImage } = await import("../http/image_fetch.ts");
        const refuses = parts.allowPrivate() ? () => false : undefined;
        return await fetchImage(url, { ...bounds, refuses });
      },
    });
  }

  /**
   * Reads a question. The model is checked first, so that no image is fetched for a question that
   * no bot answers. Throws {@linkcode OpenAiError} where the model does not exist.
   */
  async read<B extends { model?: string | null }>(
    { person }: Caller,
    body: B,
    reader: (body: B, load: LoadImage) => Promise<OpenAiRequest>,
  ): Promise<OpenAiRequest> {
    const model = body.model ?? AUTO_MODEL;
    if (model !== AUTO_MODEL && !this.#parts.gateway.roster.knows(person, model)) {
      const known = `the model ${JSON.stringify(model)} does not exist or you may not use it`;
      throw new OpenAiError(404, "model_not_found", known, "model");
    }
    return await this.#images.withLoader(person.id, (load) => reader(body, load));
  }

  /** Answers in one of the two shapes of `/v1`. */
  async respond(question: Question, shape: ResponseShape): Promise<Response> {
    const { request, caller, asked } = question;
    if (asked.stream) {
      const reader = this.#parts.auth.streamReader(caller);
      return await this.#parts.streams.open(reader, () => this.#stream(question, reader, shape));
    }
    const turn = await this.#ask(question);
    const stopWatching = this.#parts.disconnects.watch(request, turn);
    const whole = await completeAnswer(
      turn,
      asked.messages,
      () => this.#limitFor(turn, asked),
      () => this.#stop(turn),
    ).finally(stopWatching);
    this.#remember(asked, turn, whole.text);
    return json(shape.whole(turn, whole), 200, this.#headersOf(turn, asked));
  }

  async #stream(
    question: Question,
    reader: StreamReader,
    shape: ResponseShape,
  ): Promise<Response> {
    const { streams, disconnects, clock } = this.#parts;
    const { request, asked } = question;
    const turn = await this.#ask(question);
    const stopWatching = disconnects.watch(request, turn);
    await firstOutput(turn, clock, FIRST_OUTPUT_MS);
    // The headers name the turn.
    await turn.recorded();
    stopWatching();
    // A turn that failed without output is a status, not a stream.
    if (turn.ending && turn.ending.status !== "done" && turn.reply.length === 0) {
      throw failureOf(turn.ending);
    }
    const body = answerStream(turn, {
      format: shape.format(turn, describeFor(request)),
      streams,
      reader,
      messages: asked.messages,
      cut: () => this.#limitFor(turn, asked),
      stop: () => this.#stop(turn),
      onHangUp: () => disconnects.cancelUnlessRepeatable(turn),
      onDone: (text) => this.#remember(asked, turn, text),
    });
    return eventStream(body, this.#headersOf(turn, asked));
  }

  /** Answers a `useChat` page. */
  async respondToUi(question: Question): Promise<Response> {
    const { request, caller, asked } = question;
    const reader = this.#parts.auth.streamReader(caller);
    return await this.#parts.streams.open(reader, async () => {
      const turn = await this.#ask(question);
      return this.#uiStream(request, turn, reader, (text) => this.#remember(asked, turn, text));
    });
  }

  /** Streams a turn that runs already to a `useChat` page, from its beginning. */
  async resumeUi(request: Request, caller: Caller, turn: Turn): Promise<Response> {
    const reader = this.#parts.auth.streamReader(caller);
    return await this.#parts.streams.open(reader, () => this.#uiStream(request, turn, reader));
  }

  /** The turn that runs in a chat now. */
  async runningIn(person: Person, chat: string): Promise<Turn | undefined> {
    const found = await this.#conversations.find(person, chat);
    return found && this.#parts.gateway.history.running(person)
      .find(({ conversationId }) => conversationId === found.id);
  }

  #uiStream(
    request: Request,
    turn: Turn,
    reader: StreamReader,
    onDone?: (text: string) => void,
  ): Response {
    const body = answerStream(turn, {
      format: uiFormat(turn, describeFor(request)),
      streams: this.#parts.streams,
      reader,
      messages: [],
      cut: () => new OutputLimit({}),
      stop: () => this.#stop(turn),
      onDone,
    });
    return eventStream(body, UI_HEADERS);
  }

  async #ask({ request, caller: { person, key }, asked }: Question): Promise<Turn> {
    const temporary = asked.temporary || key?.history === false ||
      isBackgroundTask(request.headers, asked);
    const message = await this.#conversations.messageOf(person, asked, temporary);
    const idempotencyKey = request.headers.get("idempotency-key")?.slice(0, 200) || undefined;
    return await this.#parts.gateway.ask({ ...message, idempotencyKey });
  }

  #headersOf(turn: Turn, asked: OpenAiRequest): [string, string][] {
    const { gateway, clock, left } = this.#parts;
    const headers: [string, string][] = [["x-request-id", turn.id]];
    if (!turn.message.temporary) headers.push(["x-conversation-id", turn.conversationId]);
    const ignored = ignoredBy(turn.bot && gateway.roster.get(turn.bot.id)?.link, asked);
    if (ignored.length > 0) headers.push(["x-nexus-ignored", ignored.join(", ")]);
    return [...headers, ...rateLimitHeaders(left(turn.message), clock.now())];
  }

  /** What the gateway enforces: stop words always, the length where the bot does not. */
  #limitFor(turn: Turn, { options }: OpenAiRequest): OutputLimit {
    const honours = turn.bot &&
      this.#parts.gateway.roster.get(turn.bot.id)?.bot.capabilities.includes("wishes");
    return new OutputLimit({
      stop: options.stop,
      maxTokens: honours ? undefined : options.maxTokens,
    });
  }

  #remember(asked: OpenAiRequest, turn: Turn, text: string): void {
    this.#conversations.remember(asked, turn, withoutInlineFiles(text)).catch((error) =>
      this.#parts.observer.tell({ type: "fault", where: "openai", error })
    );
  }

  #stop(turn: Turn): void {
    if (!turn.ending) void this.#parts.gateway.cancel(turn);
  }
}

function describeFor(request: Request): DescribeError {
  return (error) => describeError(error, request).body;
}
