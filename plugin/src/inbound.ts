/**
 * The way in: a message of a person becomes a turn of an OpenClaw agent, and the output of the
 * agent becomes the answer.
 */
import type { Chat, Reply } from "../../src/bots/client.ts";
import { type Account, effectiveAllowFrom } from "./account.ts";
import { AnswerStream } from "./answer.ts";
import { retryWhileHeld } from "./state_retry.ts";
import { RunEnding } from "./run_ending.ts";
import type {
  Config,
  Host,
  InboundAdmission,
  Payload,
  Route,
  Run,
  RunCallbacks,
  SavedMedia,
} from "./host.ts";
import { LANE_BOUND, Lanes } from "./lanes.ts";
import { readImage, writeMedia } from "./media.ts";
import type { OpenTurns } from "./open_turns.ts";
import { peerKey, sessionKey, withOwnScope } from "./session.ts";
import { commandStep, toolStep } from "./tool_step.ts";

export interface InboundParts {
  readonly account: Account;
  readonly host: Host;
  readonly present: OpenTurns;
  /** The version of the wire that the gateway speaks. */
  readonly protocol: () => 1 | 2;
  /** Is told what went wrong and what was done about it. */
  onProblem(text: string, cause?: unknown): void;
  /** A person was heard. */
  onMessage?(): void;
  /** A person was given a code to be let in by. */
  onChallenge?(personId: string): void;
  /**
   * Milliseconds that a stopped run gets to come to its end; default 3,000. A tool that waits for
   * approval takes half an hour.
   */
  readonly stopPatience?: number;
}

const STOP_PATIENCE = 3000;
/** Images of one message; the wire bounds their size, this bounds their number. */
const MAX_IMAGES = 10;
/**
 * UTF-16 units of a question; the gateway's own bound is lower, this one is for strangers'
 * gateways.
 */
const MAX_TEXT = 1 << 20;

export class Inbound {
  readonly #parts: InboundParts;
  readonly #lanes = new Lanes();
  /**
   * Sessions whose agent waits for its person's answer: the next message is that answer, and may
   * not wait behind the turn.
   */
  readonly #asking = new Set<string>();
  /** What stops the turn that runs in a session. */
  readonly #running = new Map<string, AbortController>();

  constructor(parts: InboundParts) {
    this.#parts = parts;
  }

  /**
   * Answers one message. Settles when everything is said; what is thrown becomes an honest failure
   * on the wire.
   */
  async answer(chat: Chat, reply: Reply): Promise<void> {
    const { account, host, onMessage } = this.#parts;
    onMessage?.();
    const config = withOwnScope(host.config());
    const personId = chat.userId || chat.from || "anonymous";
    const text = chat.content.slice(0, MAX_TEXT);
    const base = host.route(config, account.accountId, peerKey(personId));
    const route = { ...base, sessionKey: sessionKey(base.sessionKey, chat.conversationId) };
    const question = {
      config,
      accountId: account.accountId,
      route,
      messageId: chat.id,
      senderId: personId,
      senderName: chat.senderName || chat.from || personId,
      text,
      dmPolicy: account.dmPolicy,
      allowFrom: effectiveAllowFrom(account),
    };
    const admission = await retryWhileHeld(() => host.admit(question), () => !reply.over);
    if (admission.verdict === "drop") return this.#refuse(admission.reason, personId, reply);
    if (admission.verdict === "pairing") return await this.#pair(admission, personId, reply);
    const passes = host.isControl(text, config) || this.#asking.has(route.sessionKey);
    const leave = passes ? () => {} : await this.#lanes.enter(route.sessionKey, reply.signal);
    if (leave === "gone") return;
    if (leave === "full") {
      return reply.fail(`${LANE_BOUND} messages of this conversation wait already`, {
        code: "queue_full",
      });
    }
    try {
      await this.#run({ chat, reply, config, route, personId, text, admission });
    } finally {
      leave();
    }
  }

  #refuse(reason: string, personId: string, reply: Reply): void {
    this.#parts.onProblem(`a message of ${personId} was refused: ${reason}`);
    reply.fail(`ask its owner to let you in; your id there is "${personId}"`, {
      code: "bot_declined",
    });
  }

  async #pair(
    admission: InboundAdmission & { verdict: "pairing" },
    personId: string,
    reply: Reply,
  ): Promise<void> {
    let told = false;
    await admission.challenge((text) => {
      told = true;
      reply.write(text);
    });
    // The code is shown once: whoever asks again while it is valid is told to use the one they
    // have.
    if (!told) {
      reply.write(
        "Your pairing request waits for the bot's owner; use the code that you were given.",
      );
    }
    this.#parts.onChallenge?.(personId);
  }

  async #run(turn: {
    readonly chat: Chat;
    readonly reply: Reply;
    readonly config: Config;
    readonly route: Route;
    readonly personId: string;
    readonly text: string;
    readonly admission: InboundAdmission & { verdict: "dispatch" };
  }): Promise<void> {
    const { chat, reply, config, route, personId, text, admission } = turn;
    const { account, host, present, onProblem } = this.#parts;
    const answer = new AnswerStream(reply);
    const ending = new RunEnding();
    const control = host.isControl(text, config);
    const stop = new AbortController();
    if (!control && !this.#running.has(route.sessionKey)) this.#running.set(route.sessionKey, stop);
    const signal = AbortSignal.any([reply.signal, stop.signal]);
    const leave = present.enter({
      personId,
      conversationId: chat.conversationId,
      answer,
      command: control,
    });
    let giveUp = () => {};
    const stopped = new Promise<void>((resolve) => giveUp = resolve);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onStop = () => timer ??= setTimeout(giveUp, this.#parts.stopPatience ?? STOP_PATIENCE);
    signal.addEventListener("abort", onStop, { once: true });
    if (signal.aborted) onStop();
    // From whom it takes no commands, OpenClaw lets `/stop` wait behind the very turn that it is to
    // stop.
    const isStop = control && host.isStop(text);
    let stops = isStop && this.#stop(route.sessionKey);
    if (isStop) onStop();
    try {
      const task: Run = {
        config,
        accountId: account.accountId,
        route,
        admission: admission.token,
        message: {
          id: chat.id,
          text,
          timestamp: chat.timestamp || Date.now(),
          senderId: personId,
          senderName: chat.senderName || chat.from || personId,
          conversationId: chat.conversationId,
          commandAuthorized: admission.commandAuthorized,
          media: await this.#images(chat),
        },
        callbacks: this.#callbacks(answer, ending, signal, route.sessionKey),
        deliver: (payload, kind) => this.#deliver(payload, kind, { answer, ending, config, route }),
        onProblem,
      };
      const run = retryWhileHeld(() => host.run(task), () => !ending.begun && !signal.aborted)
        .catch(
          (cause) => {
            // Also one that was given up on, which may fail any time later.
            if (!signal.aborted) throw cause;
            onProblem("a stopped run failed", cause);
          },
        );
      const result = await Promise.race([run, stopped]);
      if (isStop) {
        // The turn may have begun a moment after; and a `/stop` that still waits must not become a
        // question to the model.
        stops = this.#stop(route.sessionKey) || stops;
        stop.abort(new Error("nothing is left to stop"));
      }
      if (result?.deferred === "steer") answer.aside(STEERED);
      const silent = control && answer.told === "" && ending.warnings.length === 0;
      if (silent) answer.settle(silence(isStop, stops));
      if (silent || isStop) ending.answer();
      end(reply, answer, ending, {
        stopped: !isStop && stop.signal.aborted,
        deferred: result?.deferred !== undefined,
      });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onStop);
      leave();
      this.#asking.delete(route.sessionKey);
      if (this.#running.get(route.sessionKey) === stop) this.#running.delete(route.sessionKey);
    }
  }

  /** Stops the turn that runs in the session; whether there was one. */
  #stop(session: string): boolean {
    const running = this.#running.get(session);
    running?.abort(new Error("stopped by its person"));
    return running !== undefined;
  }

  /**
   * All images of a message, saved where OpenClaw keeps what comes in. One that cannot be used is
   * left out, and the log says so.
   */
  async #images(chat: Chat): Promise<SavedMedia[]> {
    const { account, host, onProblem } = this.#parts;
    const maxBytes = account.mediaMaxMb * (1 << 20);
    const saved: SavedMedia[] = [];
    const images = chat.images?.length ? chat.images : chat.image ? [chat.image] : [];
    if (images.length > MAX_IMAGES) {
      onProblem(`${images.length} images came at once; ${MAX_IMAGES} of them were taken`);
    }
    for (const text of images.slice(0, MAX_IMAGES)) {
      const image = readImage(text, maxBytes);
      if (!image) {
        onProblem(
          `an image of turn ${chat.id} was left out: not an image, or above ${account.mediaMaxMb} MiB`,
        );
      } else saved.push(await host.saveImage(image.bytes, image.type, maxBytes));
    }
    return saved;
  }

  #callbacks(
    answer: AnswerStream,
    ending: RunEnding,
    signal: AbortSignal,
    session: string,
  ): RunCallbacks {
    const { account, host } = this.#parts;
    const live = account.streaming === "token" && !host.mustWait();
    const { showReasoning, showTools } = account;
    return {
      abortSignal: signal,
      disableBlockStreaming: account.streaming !== "block",
      streamReasoningInNonStreamModes: showReasoning || undefined,
      allowToolLifecycleWhenProgressHidden: true,
      suppressDefaultToolProgressMessages: showTools || undefined,
      onPartialReply: live ? ({ text }) => text && answer.partial(text) : undefined,
      onAssistantMessageStart: () => answer.begin(),
      onReasoningStream: showReasoning ? ({ text }) => text && answer.think(text) : undefined,
      onReasoningEnd: showReasoning ? () => answer.thoughtOver() : undefined,
      onToolStart: (step) => {
        answer.step();
        if (step.name === "ask_user") this.#asking.add(session);
        if (showTools) answer.tool(toolStep(step));
      },
      onItemEvent: (item) => {
        if (item.kind !== "tool" && item.kind !== "command") return;
        answer.step();
        if (item.name === "ask_user" && item.phase === "end") this.#asking.delete(session);
        if (showTools) answer.tool(toolStep(item), item.commandBearing === true);
      },
      onCommandOutput: showTools
        ? (output) => {
          const step = commandStep(output);
          if (step) answer.tool(step, true);
        }
        : undefined,
      onAgentRunStart: () => ending.begin(),
      onAgentRunTerminalOutcome: (outcome) => ending.outcome(outcome),
    };
  }

  async #deliver(
    payload: Payload,
    kind: "tool" | "block" | "final",
    turn: {
      readonly answer: AnswerStream;
      readonly ending: RunEnding;
      readonly config: Config;
      readonly route: Route;
    },
  ): Promise<void> {
    const { account } = this.#parts;
    const { answer, ending, config, route } = turn;
    const text = payload.text ?? "";
    if (payload.isReasoning) {
      if (account.showReasoning) answer.think(text);
      return;
    }
    const notice = payload.isCompactionNotice || payload.isFallbackNotice || payload.isStatusNotice;
    const media = payload.mediaUrls?.length
      ? payload.mediaUrls
      : payload.mediaUrl
      ? [payload.mediaUrl]
      : [];
    if (payload.isError && kind !== "tool") return ending.error(text);
    if (kind !== "tool" && !notice && (text.trim() !== "" || media.length > 0)) ending.answer();
    if (notice || kind === "tool") answer.aside(text);
    else if (kind === "block" && account.streaming === "block" && media.length === 0) {
      answer.block(text);
    } else answer.settle(text);
    for (const url of media) await this.#show(url, answer, config, route);
  }

  async #show(url: string, answer: AnswerStream, config: Config, route: Route): Promise<void> {
    const { host, account, protocol, onProblem } = this.#parts;
    try {
      const maxBytes = account.mediaMaxMb * (1 << 20);
      const media = writeMedia(
        await host.loadMedia(url, { config, agentId: route.agentId, maxBytes }),
        protocol(),
      );
      if (media.url !== undefined) answer.image(media.url);
      else answer.aside(media.words);
    } catch (cause) {
      onProblem("media of an answer could not be loaded; the person was told", cause);
      answer.aside("(An attachment could not be sent.)");
    }
  }
}

/**
 * Said where the message went into another run of the session, which answers where it was begun.
 */
const STEERED = "OpenClaw takes this into the answer that it is working on already.";

/** The last word on the wire: an answer that is not whole must not look like one. */
function end(
  reply: Reply,
  answer: AnswerStream,
  ending: RunEnding,
  how: { stopped: boolean; deferred: boolean },
): void {
  const last = ending.end(how);
  if (last.status === "done") { for (const words of ending.warnings) answer.aside(words); }
  answer.finish();
  if (last.status === "cancelled") reply.fail("Stopped.", { code: "cancelled" });
  else if (last.status === "failed") {
    reply.fail(last.words, answer.told === "" ? {} : { code: "incomplete" });
  }
}

/**
 * What is said where OpenClaw passed over a command. Everyone may stop their own turn: the page
 * lets them as well.
 */
function silence(isStop: boolean, stopped: boolean): string {
  if (!isStop) return "OpenClaw did not answer this command: some are for its owner only.";
  return stopped ? "Stopped." : "There is nothing to stop.";
}
