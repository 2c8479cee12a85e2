/**
 * OpenClaw as this plugin sees it: the calls it makes and the shapes it relies on. `channel.ts`
 * fits the real OpenClaw in, where the compiler compares the two; tests use a small one of their
 * own.
 */

/** OpenClaw's configuration, of which a plugin reads little and writes less. */
export interface Config {
  readonly channels?: { readonly [channel: string]: unknown };
  readonly session?: { readonly dmScope?: string };
  readonly accessGroups?: unknown;
}

/** Which agent answers, and in which session. */
export interface Route {
  readonly agentId: string;
  readonly accountId?: string;
  readonly dmScope?: string;
  readonly sessionKey: string;
}

/** What OpenClaw wants to be said, beyond the tokens that were told as they came. */
export interface Payload {
  readonly text?: string;
  readonly mediaUrl?: string;
  readonly mediaUrls?: readonly string[];
  readonly isError?: boolean;
  readonly isReasoning?: boolean;
  readonly isCompactionNotice?: boolean;
  readonly isFallbackNotice?: boolean;
  readonly isStatusNotice?: boolean;
}

/** The callbacks of a run. OpenClaw calls them in order and waits for none of ours. */
export interface RunCallbacks {
  readonly abortSignal: AbortSignal;
  readonly disableBlockStreaming: boolean;
  readonly streamReasoningInNonStreamModes?: boolean;
  /**
   * Without it OpenClaw keeps tools to itself, and a new message after a tool looks like a broken
   * one told again.
   */
  readonly allowToolLifecycleWhenProgressHidden: boolean;
  /**
   * The owner's verbose mode puts tools into the text; where they travel as a kind of their own,
   * that would be twice.
   */
  readonly suppressDefaultToolProgressMessages?: boolean;
  readonly onPartialReply?: (payload: { readonly text?: string }) => void;
  readonly onAssistantMessageStart?: () => void;
  readonly onReasoningStream?: (payload: { readonly text?: string }) => void;
  readonly onReasoningEnd?: () => void;
  readonly onToolStart?: (step: ToolStart) => void;
  readonly onItemEvent?: (step: ItemEvent) => void;
  readonly onCommandOutput?: (output: CommandOutput) => void;
  /** A run of the agent begins. */
  readonly onAgentRunStart?: () => void;
  /** How it ended; not called for one that was stopped. */
  readonly onAgentRunTerminalOutcome?: (outcome: "completed" | "failed") => void;
}

export interface ToolStart {
  readonly toolCallId?: string;
  readonly name?: string;
  readonly phase?: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

export interface ItemEvent {
  readonly itemId?: string;
  readonly toolCallId?: string;
  readonly kind?: string;
  readonly title?: string;
  readonly name?: string;
  readonly phase?: string;
  readonly status?: string;
  readonly summary?: string;
  /** It runs a command, whose output is told apart. */
  readonly commandBearing?: boolean;
}

export interface CommandOutput {
  readonly itemId?: string;
  readonly toolCallId?: string;
  readonly name?: string;
  readonly phase?: string;
  readonly status?: string;
  readonly output?: string;
  readonly exitCode?: number | null;
}

/** What became of a message. */
export interface RunResult {
  /**
   * The session was at work on something else. `steer`: the message went into that run, which
   * answers it where it answers. `followup`: it got a run of its own afterwards, which is over by
   * now and sent its answer as an outgoing message.
   */
  readonly deferred?: "steer" | "followup";
}

/** One message for an agent, and where its answer goes. */
export interface Run {
  readonly config: Config;
  readonly accountId: string;
  readonly route: Route;
  /** As {@linkcode Host.admit} gave it. */
  readonly admission: unknown;
  readonly message: {
    readonly id: string;
    readonly text: string;
    readonly timestamp: number;
    readonly senderId: string;
    readonly senderName: string;
    readonly conversationId: string | undefined;
    readonly commandAuthorized: boolean;
    readonly media: readonly SavedMedia[];
  };
  readonly callbacks: RunCallbacks;
  deliver(payload: Payload, kind: "tool" | "block" | "final"): Promise<void>;
  onProblem(text: string, cause: unknown): void;
}

export interface SavedMedia {
  readonly path: string;
  readonly contentType?: string;
}

/** Whether OpenClaw lets a person in. */
export type InboundAdmission =
  | { readonly verdict: "dispatch"; readonly commandAuthorized: boolean; readonly token: unknown }
  | {
    readonly verdict: "pairing";
    readonly challenge: (tell: (text: string) => void) => Promise<void>;
  }
  | { readonly verdict: "drop"; readonly reason: string };

export interface InboundQuestion {
  readonly config: Config;
  readonly accountId: string;
  readonly route: Route;
  readonly messageId: string;
  readonly senderId: string;
  readonly senderName: string;
  readonly text: string;
  readonly dmPolicy: string;
  readonly allowFrom: readonly string[];
}

export interface Host {
  /**
   * The configuration as it is now; edits outside `channels.nexus` arrive without a restart of the
   * channel.
   */
  config(): Config;
  route(config: Config, accountId: string, peer: string): Route;
  /** Pairing, allowlist, open, and who may give commands: OpenClaw's own rules. */
  admit(question: InboundQuestion): Promise<InboundAdmission>;
  /** Who has been let in by code: their ids. */
  paired(accountId: string): Promise<readonly string[]>;
  /** `/stop`, `/approve` and their like, which must reach a session whose turn is still running. */
  isControl(text: string, config: Config): boolean;
  /** `/stop` and what else people say to make an agent stop. */
  isStop(text: string): boolean;
  saveImage(bytes: Uint8Array, type: string, maxBytes: number): Promise<SavedMedia>;
  /**
   * A file that OpenClaw has staged, or an address it lets through; throws for anything else and
   * past the bound.
   */
  loadMedia(
    url: string,
    within: { readonly config: Config; readonly agentId: string; readonly maxBytes: number },
  ): Promise<{ readonly bytes: Uint8Array; readonly type?: string; readonly fileName?: string }>;
  /**
   * Somebody else's plugin may rewrite or hold back what is said, so nothing may be told before it
   * has seen the whole.
   */
  mustWait(): boolean;
  /** Settles when the agent is through with the message. */
  run(run: Run): Promise<RunResult>;
}
