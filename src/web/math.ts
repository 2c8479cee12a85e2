/**
 * This is maths: fetched when the first formula appears, and set by KaTeX with its own DOM, so that
 * no HTML has to be trusted.
 */

/** A formula past this is shown as it was written. */
export const LONGEST = 2000;

/** Milliseconds for which formulas are set before the page gets its turn. */
const SLICE = 10;

export class MathSetter {
  #katex:
    | Promise<{ render(tex: string, element: HTMLElement, options: unknown): void }>
    | undefined;
  /** One formula after the other. */
  #queue: Promise<unknown> = Promise.resolve();
  #begun = 0;

  /**
   * Replaces the TeX in the element by the formula. What cannot be read stays as it was written.
   */
  set(element: HTMLElement): Promise<void> {
    const done = this.#queue.then(() => this.#set(element));
    this.#queue = done;
    return done;
  }

  async #set(element: HTMLElement): Promise<void> {
    const tex = element.textContent ?? "";
    if (tex.length > LONGEST) return;
    try {
      this.#katex ??= import("./math_katex.ts").then((module) => module.katex);
      const katex = await this.#katex;
      if (performance.now() - this.#begun > SLICE) {
        await new Promise((resolve) => setTimeout(resolve));
        this.#begun = performance.now();
      }
      if (!element.isConnected) return;
      const target = document.createElement("span");
      katex.render(tex, target, {
        displayMode: element.dataset.math === "block",
        // The bot's formula: no links, no HTML, no sizes that cover the page, no macros that grow
        // without end.
        trust: false,
        strict: "ignore",
        maxSize: 20,
        maxExpand: 200,
        throwOnError: true,
      });
      element.replaceChildren(target);
      element.dataset.set = "";
      element.setAttribute("data-tex", tex);
    } catch {
      element.dataset.set = "failed";
    }
  }
}
