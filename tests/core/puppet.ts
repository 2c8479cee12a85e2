import type { Bot, Link, Sink, Task } from "../../src/core/link.ts";

/** A link whose bot does what the test says. */
export class Puppet implements Link {
  readonly bot: Bot;
  draining = false;
  readonly tasks = new Map<string, Sink>();
  readonly asked: Task[] = [];
  readonly cancelled: string[] = [];

  constructor(id: string, more: Partial<Bot> = {}) {
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
  }
  get busy(): number {
    return this.tasks.size;
  }
  ask(task: Task, sink: Sink): void {
    this.asked.push(task);
    this.tasks.set(task.id, sink);
  }
  cancel(taskId: string): Promise<boolean> {
    this.cancelled.push(taskId);
    this.tasks.delete(taskId);
    return Promise.resolve(true);
  }
  forget(taskId: string): void {
    this.tasks.delete(taskId);
  }
  /** The sink of the last task. */
  get sink(): Sink {
    return this.tasks.get(this.asked.at(-1)!.id)!;
  }
  /** Says the last word to a task. */
  done(text: string): void {
    const { sink } = this;
    sink.write("text", text);
    this.tasks.delete(this.asked.at(-1)!.id);
    sink.done();
  }
}
