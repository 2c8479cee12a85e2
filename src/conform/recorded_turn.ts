/** A turn as the bot under test has answered it so far. */
import type { RawFrame } from "./raw.ts";

/** One turn, as far as the bot has answered it, over all the sockets that it took. */
export class RecordedTurn {
  readonly replies: { readonly frame: RawFrame; readonly at: number }[] = [];
  /** Last `seq` that was taken. */
  last = 0;
  text = "";
  ended: "done" | "fail" | "cancelled" | undefined;
  /** What came that may not come. */
  readonly violations: string[] = [];

  constructor(readonly id: string, readonly version: 1 | 2) {}

  /** Takes a frame in; returns whether it was new. */
  add(frame: RawFrame, at: number): boolean {
    this.replies.push({ frame, at });
    if (this.ended) {
      const repeat = frame.type === "reply" && this.version === 2 && frame.seq <= this.last;
      if (!repeat) {
        this.violations.push(`a ${frame.type} came after the turn had ended (${this.ended})`);
      }
      return false;
    }
    if (frame.type === "fail") {
      this.ended = "fail";
      return true;
    }
    if (this.version === 2) {
      if (frame.seq !== this.last + 1) {
        if (!(frame.seq <= this.last)) {
          this.violations.push(`seq ${frame.seq} came after ${this.last}`);
        }
        return false;
      }
      this.last = frame.seq;
    }
    if (frame.kind === undefined || frame.kind === "text") {
      this.text += [frame.content ?? ""].flat().join("");
    }
    if (frame.done === true) this.ended = "done";
    return true;
  }
}
