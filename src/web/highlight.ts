/**
 * This is colour on code in the page. A worker finds the colours; until it has, and for a language
 * nobody knows, the code is plain.
 */
import { colourer, hasColours, type Piece } from "./colours.ts";
import { trusted } from "./trusted.ts";

/** Set by the build: the address of the worker; empty where the page is one file and has none. */
declare const __COLOURS__: string;

/** Longer code stays plain. */
export const LONGEST = 20_000;

/** Without a worker, because a few thousand units of the worst code take 50 ms. */
const LONGEST_HERE = 4_000;

/** Milliseconds that the worker may take for one block. */
export const MOST_TIME = 1_000;

/** Workers that are ended before the page does without colours. */
export const MOST_ENDED = 3;

export class Highlighter {
  #worker: Worker | undefined;
  #ended = 0;
  /** One block at a time. */
  #queue: Promise<unknown> = Promise.resolve();

  /** Colours the element's text in place, when that is possible. */
  async paint(element: HTMLElement, language: string): Promise<void> {
    const text = element.textContent ?? "";
    if (!hasColours(language) || text.length > (__COLOURS__ ? LONGEST : LONGEST_HERE)) return;
    const found = this.#queue.then(() => this.#piecesOf(text, language));
    this.#queue = found;
    const pieces = await found;
    await idle();
    // The block may have been drawn anew while the colours were on their way.
    if (!pieces?.length || !element.isConnected || element.textContent !== text) return;
    element.replaceChildren(toNodes(pieces));
  }

  async #piecesOf(text: string, language: string): Promise<readonly Piece[] | undefined> {
    try {
      if (!__COLOURS__) return (await colourer(language))(text);
      if (this.#ended >= MOST_ENDED) return undefined;
      this.#worker ??= new Worker(trusted(__COLOURS__), { type: "module" });
      return await this.#ask(this.#worker, { text, language });
    } catch {
      // Offline, or the build it came from is gone: plain code reads well enough.
      return undefined;
    }
  }

  #ask(
    worker: Worker,
    question: { text: string; language: string },
  ): Promise<readonly Piece[] | undefined> {
    return new Promise((resolve) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const end = () => {
        worker.terminate();
        this.#worker = undefined;
        resolve(undefined);
      };
      worker.onerror = end;
      worker.onmessage = ({ data }: MessageEvent<"begun" | readonly Piece[]>) => {
        if (data === "begun") {
          timer = setTimeout(() => {
            this.#ended++;
            end();
          }, MOST_TIME);
        } else {
          clearTimeout(timer);
          resolve(data);
        }
      };
      worker.postMessage(question);
    });
  }
}

function toNodes(pieces: readonly Piece[]): DocumentFragment {
  const fragment = document.createDocumentFragment();
  for (const piece of pieces) {
    if (typeof piece === "string") {
      fragment.append(piece);
      continue;
    }
    const span = document.createElement("span");
    span.className = `hl-${piece[0].split(".")[0]!.replace(/[^\w-]/g, "")}`;
    span.append(toNodes(piece[1]));
    fragment.append(span);
  }
  return fragment;
}

/** The next moment with nothing better to do. */
export function idle(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof requestIdleCallback === "function") {
      requestIdleCallback(() => resolve(), { timeout: 500 });
    } else setTimeout(resolve, 30);
  });
}
