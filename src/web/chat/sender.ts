/**
 * Sending messages: a message is stored until the gateway has confirmed it, and sent again with the
 * same idempotency key after a lost connection, so it is answered once.
 */
import type { BotJson, TurnEventJson } from "../../wire/chat.ts";
import { GatewayError } from "../gateway_client.ts";
import { retryDelay } from "../retry_sleeper.ts";
import type { ConnectionMonitor } from "./connection_monitor.ts";
import type { Conversations } from "./conversations.ts";
import type { TurnFollower } from "./follower.ts";
import type { PageContext } from "./page_context.ts";
import type { Thread } from "./thread.ts";
import type { ThreadStore } from "./thread_store.ts";
import { newId, PageTurn } from "./turn.ts";
import type { UnsentMessage, UnsentMessages } from "./unsent.ts";

/** A message as a person submits it. */
export interface OutgoingMessage {
  readonly text: string;
  readonly images: readonly string[];
  /** A bot id or a pool. */
  readonly target?: string;
  /** The turn that this message is another version of; else it follows the last turn. */
  readonly versionOf?: PageTurn;
}

/** Without a session a message waits until somebody signs in: the sleeper is woken then. */
const SIGNED_OUT_WAIT_MS = 3_600_000;

export interface SenderParts {
  readonly page: PageContext;
  readonly conversations: Conversations;
  readonly threads: ThreadStore;
  readonly follower: TurnFollower;
  readonly unsent: UnsentMessages;
  readonly monitor: ConnectionMonitor;
  readonly findBot: (id: string | undefined) => BotJson | undefined;
  readonly onEnd: (turn: PageTurn) => void;
}

type Submission = Omit<UnsentMessage, "at" | "conversationId">;

export class MessageSender {
  readonly #parts: SenderParts;
  readonly #submissions = new WeakMap<PageTurn, Submission>();

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  /** Sends a message. The turn shows at once. */
  send(thread: Thread, { text, images, target, versionOf }: OutgoingMessage): PageTurn {
    const parentId = versionOf ? thread.parentForVersion(versionOf) : thread.parentForNext();
    return this.#submit(thread, { key: newId(), text, images, target, parentId });
  }

  /** Repeats a failed turn: one that reached the gateway as a new version, another in its place. */
  retry(thread: Thread, turn: PageTurn): void {
    const { text, images } = turn.question;
    if (turn.id.value) {
      this.send(thread, { text, images, versionOf: turn });
      return;
    }
    thread.remove(turn);
    const before = this.#submissions.get(turn);
    this.#submit(thread, { ...before, key: newId(), text, images, parentId: turn.parentId });
  }

  /** Stops a turn. One that was not sent yet is dropped. */
  async stop(turn: PageTurn): Promise<void> {
    if (turn.ended || turn.stopping.value) return;
    if (!turn.id.value) {
      if (turn.state.value === "offline") turn.end("cancelled");
      return;
    }
    const { page } = this.#parts;
    turn.stopping.value = true;
    try {
      const { confirmed } = await page.gateway.post<{ status: string; confirmed: boolean }>(
        `/api/turns/${encodeURIComponent(turn.id.value)}/cancel`,
      );
      turn.stopped.value = confirmed;
      const words = page.words.value;
      page.announce(confirmed ? words.cancelledConfirmed : words.cancelledSilent);
    } catch (error) {
      page.toast((error as Error).message);
    } finally {
      turn.stopping.value = false;
    }
  }

  /**
   * Sends what was not confirmed before a reload. A message whose turn is in the history already is
   * not sent again.
   */
  async restore(): Promise<void> {
    const { threads, unsent } = this.#parts;
    for (const message of unsent.all()) {
      let thread = threads.newThread.value;
      if (message.conversationId) {
        await threads.show(message.conversationId);
        thread = threads.get(message.conversationId) ?? thread;
      }
      const known = thread.findSent(message.key);
      if (!known) this.#start(thread, message, message.at);
      else if (known.id.value) unsent.remove(message.key);
    }
    await this.#resumeRunning();
  }

  /** Follows the last turn of a gateway without history. */
  async #resumeRunning(): Promise<void> {
    const { conversations, threads, unsent, follower } = this.#parts;
    if (conversations.hasHistory.value !== false) return;
    const running = unsent.running;
    if (!running?.turnId || threads.newThread.value.turns.value.length > 0) return;
    const thread = threads.open.value;
    const question = { text: running.text, images: [] };
    const turn = new PageTurn(thread.id.value, question, running.at, undefined);
    turn.id.value = running.turnId;
    turn.state.value = "waiting";
    thread.add(turn);
    thread.state.value = "ready";
    await follower.follow(turn);
  }

  #submit(thread: Thread, submission: Submission): PageTurn {
    const turn = this.#start(thread, submission, Date.now());
    this.#parts.unsent.add({ ...submission, conversationId: thread.id.value, at: turn.at });
    return turn;
  }

  #start(thread: Thread, submission: Submission, at: number): PageTurn {
    const { key, text, images, parentId, target } = submission;
    const turn = new PageTurn(thread.id.value, { text, images }, at, parentId, {
      idempotencyKey: key,
    });
    const bot = this.#parts.findBot(target);
    if (bot) turn.botName.value = bot.name;
    this.#submissions.set(turn, submission);
    thread.add(turn);
    if (thread.state.value === "new") thread.state.value = "ready";
    void this.#run(thread, turn, submission);
    return turn;
  }

  /** Sends until the gateway has the message, and reads the reply to its end. */
  async #run(thread: Thread, turn: PageTurn, submission: Submission): Promise<void> {
    const { follower, unsent } = this.#parts;
    follower.claim(turn);
    try {
      for (let tries = 0; !turn.ended && !turn.id.value; tries++) {
        await this.#try(thread, turn, submission, tries);
      }
    } finally {
      follower.release(turn);
      unsent.remove(submission.key);
    }
    if (!turn.ended) await follower.follow(turn, true);
  }

  async #try(thread: Thread, turn: PageTurn, submission: Submission, tries: number): Promise<void> {
    try {
      await this.#createConversation(thread, submission.target);
      if (await this.#post(thread, turn, submission)) return;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      if (turn.ended || turn.id.value) return;
      const isSignedOut = error.status === 401;
      if (error.code !== "offline" && !isSignedOut) return fail(turn, error);
      turn.state.value = "offline";
      await this.#parts.page.retrySleeper.sleep(
        isSignedOut ? SIGNED_OUT_WAIT_MS : retryDelay(tries),
      );
      if (!turn.ended) turn.state.value = "sending";
    }
  }

  /** The first message of a conversation creates it. */
  async #createConversation(thread: Thread, target: string | undefined): Promise<void> {
    const { conversations, threads } = this.#parts;
    if (thread.id.value || conversations.hasHistory.value === false) return;
    const id = await conversations.create(target);
    if (id !== undefined) threads.setId(thread, id);
  }

  /** Posts the message and reads the reply. Returns whether the reply has ended. */
  async #post(thread: Thread, turn: PageTurn, submission: Submission): Promise<true> {
    const { page, monitor, onEnd } = this.#parts;
    const { key, text, target, images, parentId } = submission;
    const events = page.gateway.stream("/api/chat/stream", {
      method: "POST",
      headers: { "idempotency-key": key },
      signal: monitor.signal,
      body: {
        message: text,
        target,
        images: images.length > 0 ? images : undefined,
        conversationId: thread.id.value || undefined,
        parentTurnId: parentId,
      },
    });
    for await (const { data, id } of events) {
      monitor.touch();
      const event = JSON.parse(data) as TurnEventJson;
      if (event.type === "start") this.#confirm(thread, turn, event);
      if (turn.apply(event, id)) {
        onEnd(turn);
        return true;
      }
    }
    throw new GatewayError("offline", "the stream broke", 0);
  }

  /** The gateway has the message: `start` names its turn. */
  #confirm(
    thread: Thread,
    turn: PageTurn,
    start: Extract<TurnEventJson, { type: "start" }>,
  ): void {
    const { conversations, threads, unsent } = this.#parts;
    if (!turn.id.value) {
      // A repeated message may have its turn in the loaded history.
      const loaded = thread.find(start.turnId);
      if (loaded && loaded !== turn) thread.remove(loaded);
      unsent.remove(turn.idempotencyKey!);
      unsent.running = { turnId: start.turnId, text: turn.question.text, at: turn.at };
    }
    if (!thread.id.value && start.conversationId) threads.setId(thread, start.conversationId);
    conversations.markRunning(thread.id.value, start.turnId);
  }
}

function fail(turn: PageTurn, { code, message, retryAfter }: GatewayError): void {
  turn.errorText.value = code === "broken" ? undefined : message;
  turn.retryAfter.value = retryAfter;
  turn.end("failed", code);
}
