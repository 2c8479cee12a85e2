/** A question of the person, and the events that the gateway under test sent back. */
import { Failed, preview } from "./case.ts";
import type { RawFrame } from "./raw.ts";
import { ConditionWaiter } from "./waiting.ts";

/** A question of the person, and what came back. */
export class PersonQuestion {
  readonly events: RawFrame[] = [];
  /** Texts in order, as a page would join them. */
  text = "";
  images: string[] = [];
  status: number | undefined;
  ended = false;
  readonly #waiting = new ConditionWaiter();
  readonly #patience: number;
  readonly abort = new AbortController();

  constructor(patience: number) {
    this.#patience = patience;
  }

  async run(url: string, token: string, body: RawFrame): Promise<void> {
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: this.abort.signal,
      });
      this.status = response.status;
      if (!response.ok) {
        this.events.push({ type: "refused", status: response.status, ...await response.json() });
      } else {
        for await (const event of readEvents(response.body!)) this.#take(event);
      }
    } catch (error) {
      if (!this.abort.signal.aborted) this.events.push({ type: "cut", error: String(error) });
    }
    this.ended = true;
    this.#waiting.wake();
  }

  #take(event: RawFrame): void {
    this.events.push(event);
    if (event.type === "chunk") this.text += event.content ?? "";
    if (event.type === "replace") this.text = "";
    if (event.type === "image") this.images.push(event.content ?? event.image ?? event.url ?? "");
    this.#waiting.wake();
  }

  until<T>(look: () => T | undefined | false, what: string, ms = this.#patience): Promise<T> {
    return this.#waiting.until(
      () => {
        const found = look();
        if ((found === undefined || found === false) && this.ended) {
          throw new Failed(
            `the person's stream ended (${preview(this.events.at(-1))}) before ${what} came`,
          );
        }
        return found;
      },
      ms,
      what,
    );
  }

  /** How the turn ended for the person: `done`, or anything else. */
  async outcome(ms = this.#patience): Promise<string> {
    await this.#waiting.until(() => this.ended, ms, "the end of the person's stream");
    const last = this.events.findLast(({ type }) =>
      ["end", "error", "refused", "cut"].includes(type)
    );
    return last?.type === "end" ? last.status ?? "done" : last?.type ?? "nothing";
  }
}

async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<RawFrame> {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n\n");
    rest = parts.pop()!;
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) =>
        line.slice(5).trim()
      ).join(
        "\n",
      );
      if (data) yield JSON.parse(data);
    }
  }
}
