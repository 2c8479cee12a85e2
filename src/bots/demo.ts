/**
 * The bot of the first minute: answers while no real bot has ever joined, so that a newcomer sees a
 * conversation before connecting anything. It streams Markdown and echoes images.
 */
import type { Clock } from "../core/clock.ts";
import type { Bot, Link, Sink, Task } from "../core/link.ts";
import { dataUrl } from "../core/message.ts";

/** Milliseconds between two pieces: fast enough to be no bore, slow enough to be seen. */
const PACE = 24;

export class DemoBot implements Link {
  readonly wire = "built-in";
  readonly bot: Bot;
  readonly draining = false;
  readonly #clock: Clock;
  readonly #running = new Map<string, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.bot = {
      id: "demo",
      name: "Demo",
      connectedAt: clock.now(),
      weight: 1,
      maxConcurrent: Infinity,
      restart: "never",
      capabilities: ["images", "demo"],
      description:
        "Echoes what you say until a real bot connects · 在真正的机器人接入之前复述你的话",
    };
  }

  get busy(): number {
    return this.#running.size;
  }

  ask(task: Task, sink: Sink): void {
    const pieces = speech(task).match(/\S+\s*|\s+/g) ?? [];
    let next = 0;
    const stop = this.#clock.every(PACE, () => {
      if (next < pieces.length) return void sink.write("text", pieces[next++]!);
      this.forget(task.id);
      for (const image of task.message.images) sink.write("image", dataUrl(image));
      sink.done();
    });
    this.#running.set(task.id, stop);
  }

  cancel(taskId: string): Promise<boolean> {
    const running = this.#running.has(taskId);
    this.forget(taskId);
    return Promise.resolve(running);
  }

  forget(taskId: string): void {
    this.#running.get(taskId)?.();
    this.#running.delete(taskId);
  }
}

function speech({ message }: Task): string {
  const chinese = /\p{Script=Han}/u.test(message.text);
  const quoted = message.text.slice(0, 2000).split("\n").map((line) => `> ${line}`).join("\n");
  const pictures = message.images.length;
  if (chinese) {
    return `你好，${message.person.name}！我是**演示机器人**，在真正的机器人接入之前由我来回答。你刚才说：\n\n${quoted}\n\n` +
      (pictures ? `我还收到了 ${pictures} 张图片，原样还给你。\n\n` : "") +
      "接入一个真正的机器人只需要：\n\n1. 打开 WebSocket `/bot-ws`\n2. 发送 `register`\n3. 用 `reply` 逐段回答\n\n" +
      '```json\n{"type":"register","botId":"my-bot","botName":"My Bot","token":"…"}\n```\n\n它一上线，我就离开。';
  }
  return `Hello ${message.person.name}! I am the **demo bot**, here until a real bot connects. You said:\n\n${quoted}\n\n` +
    (pictures
      ? `And you sent ${pictures} image${
        pictures > 1 ? "s" : ""
      }, which I give back as they came.\n\n`
      : "") +
    "A real bot needs three things:\n\n1. open the WebSocket `/bot-ws`\n2. send `register`\n3. answer with `reply` frames, piece by piece\n\n" +
    '```json\n{"type":"register","botId":"my-bot","botName":"My Bot","token":"…"}\n```\n\nAs soon as one is here, I leave.';
}
