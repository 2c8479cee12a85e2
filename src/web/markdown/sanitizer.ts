/**
 * Sanitizes the HTML of a reply. The result contains nothing that runs, loads, moves or imitates
 * the page; every tag and attribute that is not listed is removed.
 *
 * The page's own policy (CSP with trusted types) is a second, independent barrier.
 */
import DOMPurify, { type Config } from "dompurify";
import { ADDRESS_ATTRIBUTES, isImageData, PLAIN_ATTRIBUTES, safeLink, TAGS } from "./known_html.ts";

const CONFIG: Config = {
  ALLOWED_TAGS: [...TAGS],
  ALLOWED_ATTR: [...PLAIN_ATTRIBUTES, ...ADDRESS_ATTRIBUTES],
  // Every other value is read as an address.
  ADD_URI_SAFE_ATTR: [...PLAIN_ATTRIBUTES],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOW_UNKNOWN_PROTOCOLS: false,
  ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:|tel:|data:image\/)/i,
  SANITIZE_DOM: true,
  RETURN_DOM_FRAGMENT: true,
};

/** Makes fragments that may stand in the page. One for each window. */
export class Sanitizer {
  readonly #purify: ReturnType<typeof DOMPurify>;

  constructor(window: Window & typeof globalThis) {
    this.#purify = DOMPurify(window);
    this.#purify.addHook("afterSanitizeAttributes", (node) => this.#check(node as Element));
  }

  /** `undefined`: not even a browser makes a document of this. */
  fragment(html: string): DocumentFragment | undefined {
    return (this.#purify.sanitize(html, CONFIG) as unknown as DocumentFragment | null) ?? undefined;
  }

  #check(node: Element): void {
    switch (node.localName) {
      case "a": {
        const href = safeLink(node.getAttribute("href"));
        if (!href) {
          node.removeAttribute("href");
          return;
        }
        node.setAttribute("href", href);
        node.setAttribute("target", "_blank");
        // The place that is linked to must learn nothing of the page, nor get hold of its window.
        node.setAttribute("rel", "noopener noreferrer nofollow");
        return;
      }
      case "img":
        if (!isImageData(node.getAttribute("src") ?? "")) this.#imageToText(node);
        return;
      case "input":
        // Only the boxes of a task list, which nobody can change.
        if (node.getAttribute("type") !== "checkbox") node.remove();
        else {
          node.setAttribute("disabled", "");
          node.setAttribute(
            "aria-label",
            (node.parentElement?.textContent ?? "").trim().slice(0, 100) || "·",
          );
        }
    }
  }

  /** An image from elsewhere would tell its server that it was seen. */
  #imageToText(node: Element): void {
    const source = safeLink(node.getAttribute("src"));
    node.removeAttribute("src");
    const label = node.getAttribute("alt") || source || "";
    if (!source) {
      node.replaceWith(label);
      return;
    }
    const link = node.ownerDocument.createElement("a");
    link.href = source;
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    link.dataset.picture = "";
    link.textContent = label;
    node.replaceWith(link);
  }
}
