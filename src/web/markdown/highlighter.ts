/**
 * Syntax highlighting in the page. A worker highlights finished blocks of code; until then, and
 * for an unknown language, the code is plain text.
 */
import { canHighlight, type HighlightedPart, loadHighlighter } from "./highlight_languages.ts";
import { trustedWorkerUrl } from "../trusted_types.ts";

/** Set by the build: the address of the worker; empty where the page is one file and has none. */
declare const __HIGHLIGHT_WORKER__: string;

/** Longer code stays plain. */
export const MAX_CODE_LENGTH = 20_000;

/** Without a worker, because a few thousand units of the worst code take 50 ms. */
const MAX_CODE_LENGTH_WITHOUT_WORKER = 4_000;

/** Milliseconds that the worker may take for one block. */
export const WORKER_TIMEOUT_MS = 1_000;

/** Workers that are ended before the page does without colours. */
export const MAX_WORKER_TIMEOUTS = 3;

export class Highlighter {
  #worker: Worker | undefined;
  #ended = 0;
  /** One block at a time. */
  #queue: Promise<unknown> = Promise.resolve();

  /** Colours the element's text in place, when that is possible. */
  async highlight(element: HTMLElement, language: string): Promise<void> {
    const text = element.textContent ?? "";
    if (
      !canHighlight(language) ||
      text.length > (__HIGHLIGHT_WORKER__ ? MAX_CODE_LENGTH : MAX_CODE_LENGTH_WITHOUT_WORKER)
    ) return;
    const found = this.#queue.then(() => this.#piecesOf(text, language));
    this.#queue = found;
    const pieces = await found;
    await idle();
    // The block may have been drawn anew while the colours were on their way.
    if (!pieces?.length || !element.isConnected || element.textContent !== text) return;
    element.replaceChildren(toNodes(pieces));
  }

  async #piecesOf(text: string, language: string): Promise<readonly HighlightedPart[] | undefined> {
    try {
      if (!__HIGHLIGHT_WORKER__) return (await loadHighlighter(language))(text);
      if (this.#ended >= MAX_WORKER_TIMEOUTS) return undefined;
      this.#worker ??= new Worker(trustedWorkerUrl(__HIGHLIGHT_WORKER__), { type: "module" });
      return await this.#ask(this.#worker, { text, language });
    } catch {
      // Offline, or the build it came from is gone: plain code reads well enough.
      return undefined;
    }
  }

  #ask(
    worker: Worker,
    question: { text: string; language: string },
  ): Promise<readonly HighlightedPart[] | undefined> {
    return new Promise((resolve) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const end = () => {
        worker.terminate();
        this.#worker = undefined;
        resolve(undefined);
      };
      worker.onerror = end;
      worker.onmessage = ({ data }: MessageEvent<"begun" | readonly HighlightedPart[]>) => {
        if (data === "begun") {
          timer = setTimeout(() => {
            this.#ended++;
            end();
          }, WORKER_TIMEOUT_MS);
        } else {
          clearTimeout(timer);
          resolve(data);
        }
      };
      worker.postMessage(question);
    });
  }
}

function toNodes(pieces: readonly HighlightedPart[]): DocumentFragment {
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
