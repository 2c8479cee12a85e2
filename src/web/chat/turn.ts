/**
 * A turn in the page: a question and a growing reply. Fields that change seldom are signals. The
 * text, which may change 200 times a second, is a plain field; `content` announces its changes at
 * most once a frame.
 */
import { signal } from "@preact/signals";
import type { PushNoticeJson, TurnEventJson, TurnJson } from "../../wire/chat.ts";
import { addStep, readToolStep, type ToolStep } from "./tool_step.ts";

export type TurnState =
  | "offline" // not sent: nobody reachable
  | "sending"
  | "queued"
  | "waiting"
  | "answering"
  | "done"
  | "incomplete"
  | "failed"
  | "cancelled";

const ENDED: ReadonlySet<string> = new Set(["done", "incomplete", "failed", "cancelled"]);

export class PageTurn {
  /** Stays the same from the first keystroke to the last word; ids come later. */
  readonly key: string;
  /** The idempotency key that the message was sent with, where it is known. */
  readonly idempotencyKey: string | undefined;
  readonly id = signal("");
  readonly botId = signal("");
  readonly botName = signal("");
  readonly state = signal<TurnState>("sending");
  readonly queuePosition = signal(0);
  /** Why it failed or is incomplete. */
  readonly code = signal<string | undefined>(undefined);
  readonly errorText = signal<string | undefined>(undefined);
  /** Seconds until a retry makes sense, where the gateway has sent them. */
  readonly retryAfter = signal<number | undefined>(undefined);
  /** Whether the bot has confirmed a stop; `undefined` without a stop. */
  readonly stopped = signal<boolean | undefined>(undefined);
  readonly stopping = signal(false);
  /** The stream is broken and is being resumed. */
  readonly resuming = signal(false);
  /** The stream was resumed, and nothing is missing. */
  readonly resumed = signal(false);
  /** Grows with everything that changes text, reasoning, tools or images. */
  readonly content = signal(0);
  readonly endedAt = signal<number | undefined>(undefined);

  text = "";
  reasoning = "";
  tools: ToolStep[] = [];
  images: string[] = [];
  /** Places in `text` where something was lost, and how much. */
  gaps: { at: number; length: number }[] = [];
  /** Grows when everything before became void. */
  generation = 0;
  firstAt: number | undefined;
  /** How far the log was read; a resume begins here. */
  offset = 0;
  /** A message that a bot wrote by itself has no question. */
  readonly pushed: boolean;

  #announced = false;

  constructor(
    readonly conversationId: string,
    readonly question: { readonly text: string; readonly images: readonly string[] },
    readonly at: number,
    public parentId: string | undefined,
    options: { key?: string; idempotencyKey?: string; pushed?: boolean } = {},
  ) {
    this.key = options.key ?? newId();
    this.idempotencyKey = options.idempotencyKey;
    this.pushed = options.pushed ?? false;
  }

  static from(record: TurnJson, conversationId: string): PageTurn {
    const question = {
      text: record.message.text,
      images: (record.message.images ?? []).map(asDataUrl),
    };
    const turn = new PageTurn(
      conversationId,
      question,
      record.at,
      record.parentTurnId ?? undefined,
      {
        key: record.id,
        idempotencyKey: record.idempotencyKey,
        pushed: question.text === "" && question.images.length === 0,
      },
    );
    turn.id.value = record.id;
    turn.take(record);
    return turn;
  }

  /** A message that a bot sent by itself. */
  static fromPush(push: PushNoticeJson): PageTurn {
    const question = { text: "", images: [] };
    const turn = new PageTurn(push.conversationId, question, Date.now(), undefined, {
      pushed: true,
    });
    turn.id.value = push.turnId;
    turn.botId.value = push.botId;
    turn.botName.value = push.botName;
    turn.text = push.content;
    turn.images = [...push.images ?? []];
    turn.end("done");
    return turn;
  }

  /** Takes the whole turn from a history. */
  take(record: TurnJson): void {
    this.botId.value = record.botId ?? "";
    this.botName.value = record.botName ?? record.botId ?? "";
    this.state.value = stateOf(record.status);
    this.code.value = record.code;
    this.errorText.value = record.detail;
    this.text = record.reply.text;
    this.reasoning = record.reply.reasoning ?? "";
    this.tools = (record.reply.tools ?? []).map((tool) => readToolStep(tool));
    this.images = [...record.reply.images ?? []];
    this.offset = record.reply.length;
    this.firstAt = record.firstAt;
    this.endedAt.value = record.endedAt;
    this.content.value++;
  }

  get ended(): boolean {
    return ENDED.has(this.state.value);
  }

  /** Applies an event of the stream. Returns whether it was the last one. */
  apply(event: TurnEventJson, id: string): boolean {
    const colon = id.lastIndexOf(":");
    const offset = colon < 0 ? NaN : Number(id.slice(colon + 1));
    switch (event.type) {
      case "start":
        this.id.value = event.turnId;
        this.botId.value = event.botId ?? "";
        this.botName.value = event.botName ?? event.botId ?? "";
        if (!this.ended && this.state.value !== "answering") this.state.value = "waiting";
        return false;
      case "queued":
        this.queuePosition.value = event.place;
        this.state.value = "queued";
        return false;
      case "chunk":
        if (event.content !== "") this.#write(() => this.text += event.content);
        break;
      case "reasoning":
        this.#write(() => this.reasoning += event.content);
        break;
      case "tool":
        this.#write(() => this.tools = addStep(this.tools, readToolStep(event.content)));
        break;
      case "image":
        this.#write(() => this.images = [...this.images, event.image]);
        break;
      case "replace":
        this.#void();
        this.botId.value = event.botId;
        this.botName.value = event.botName ?? event.botId;
        break;
      case "gap":
        this.#write(() =>
          this.gaps = [...this.gaps, { at: this.text.length, length: event.to - event.from }]
        );
        break;
      case "error":
        this.code.value = event.code;
        this.errorText.value = event.error;
        return false;
      case "end":
        this.end(stateOf(event.status ?? "done"), event.code);
        return true;
      default:
        return false;
    }
    if (offset > this.offset) this.offset = offset;
    return false;
  }

  end(state: TurnState, code?: string): void {
    if (code) this.code.value = code;
    this.state.value = state;
    this.resuming.value = false;
    this.stopping.value = false;
    this.endedAt.value ??= Date.now();
    this.content.value++;
  }

  /** Discards the reply: it starts over. */
  restart(): void {
    this.#void();
    this.offset = 0;
    this.state.value = "waiting";
    this.code.value = undefined;
    this.errorText.value = undefined;
  }

  #void(): void {
    this.generation++;
    this.text = "";
    this.reasoning = "";
    this.tools = [];
    this.images = [];
    this.gaps = [];
    this.#announce();
  }

  #write(change: () => void): void {
    change();
    if (this.firstAt === undefined) this.firstAt = Date.now();
    if (!this.ended && this.state.value !== "answering") this.state.value = "answering";
    this.#announce();
  }

  /** Once a frame at most; in a hidden page, where no frames come, four times a second. */
  #announce(): void {
    if (this.#announced) return;
    this.#announced = true;
    const say = () => {
      this.#announced = false;
      this.content.value++;
    };
    if (document.visibilityState === "hidden") setTimeout(say, 250);
    else requestAnimationFrame(say);
  }
}

/** Older clients send bare base64, whose first bytes tell the format. */
function asDataUrl(image: string): string {
  if (image.startsWith("data:")) return image;
  const type = image.startsWith("/9j/")
    ? "jpeg"
    : image.startsWith("R0lGOD")
    ? "gif"
    : image.startsWith("UklGR")
    ? "webp"
    : "png";
  return `data:image/${type};base64,${image}`;
}

function stateOf(status: string): TurnState {
  if (ENDED.has(status) || status === "queued" || status === "waiting" || status === "answering") {
    return status as TurnState;
  }
  return "waiting";
}

/** 128 random bits. `crypto.randomUUID` is missing where a gateway is reached over plain HTTP. */
export function newId(): string {
  return Array.from(
    crypto.getRandomValues(new Uint8Array(16)),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
}
