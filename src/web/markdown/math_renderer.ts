/**
 * Renders formulas. KaTeX is loaded with the first one, and builds DOM nodes, so no HTML has to be
 * trusted.
 */

/** A formula past this is shown as it was written. */
export const MAX_FORMULA_LENGTH = 2000;

/** Milliseconds for which formulas are set before the page gets its turn. */
const RENDER_BUDGET_MS = 10;

export class MathRenderer {
  #katex:
    | Promise<{ render(tex: string, element: HTMLElement, options: unknown): void }>
    | undefined;
  /** One formula after the other. */
  #queue: Promise<unknown> = Promise.resolve();
  #begun = 0;

  /**
   * Replaces the TeX in the element by the formula. What cannot be read stays as it was written.
   */
  render(element: HTMLElement): Promise<void> {
    const done = this.#queue.then(() => this.#set(element));
    this.#queue = done;
    return done;
  }

  async #set(element: HTMLElement): Promise<void> {
    const tex = element.textContent ?? "";
    if (tex.length > MAX_FORMULA_LENGTH) return;
    try {
      this.#katex ??= import("./katex.ts").then((module) => module.katex);
      const katex = await this.#katex;
      if (performance.now() - this.#begun > RENDER_BUDGET_MS) {
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
