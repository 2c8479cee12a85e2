/**
 * This is the reading end of server-sent events: text in pieces of any size goes in, whole events
 * come out. `EventSource` is not used because it can neither POST nor send a Bearer token.
 */

/** One event. Comments (the server's sign of life) are not events. */
export interface SseEvent {
  readonly data: string;
  /** The last `id:` seen, which the specification lets hold for later events too. */
  readonly id: string;
}

/** Collects lines over the pieces; one for each response. */
export class SseReader {
  #rest = "";
  #data: string[] = [];
  #id = "";
  /** A piece that ended in CR: the LF that may open the next one belongs to it. */
  #sawCr = false;
  #begun = false;

  /** The events that this piece completes. */
  push(text: string): SseEvent[] {
    if (!this.#begun && text !== "") {
      this.#begun = true;
      if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    if (this.#sawCr && text !== "") {
      this.#sawCr = false;
      if (text.charCodeAt(0) === 10) text = text.slice(1);
    }
    if (text.endsWith("\r")) this.#sawCr = true;
    // Only the new piece is searched for line ends: a long line that comes in many pieces costs its
    // length once.
    const lines = text.split(/\r\n|\r|\n/);
    if (lines.length === 1) {
      this.#rest += text;
      return [];
    }
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop()!;
    const events: SseEvent[] = [];
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length > 0) events.push({ data: this.#data.join("\n"), id: this.#id });
        this.#data = [];
        continue;
      }
      const colon = line.indexOf(":");
      if (colon === 0) continue;
      const field = colon < 0 ? line : line.slice(0, colon);
      let value = colon < 0 ? "" : line.slice(colon + 1);
      if (value.startsWith(" ")) value = value.slice(1);
      if (field === "data") this.#data.push(value);
      else if (field === "id" && !value.includes("\0")) this.#id = value;
    }
    return events;
  }
}
