/**
 * A reply on the screen: blocks of Markdown in a container. Only the last blocks are rendered
 * again when text arrives. It is not a component, because a view library is too slow for two
 * hundred changes a second.
 */
import { Highlighter, idle } from "./highlighter.ts";
import { type Block, MarkdownStream } from "./markdown_stream.ts";
import { MathRenderer } from "./math_renderer.ts";
import { Sanitizer } from "./sanitizer.ts";
import type { Words } from "../words/words.ts";

/** What all replies of a page share. */
export class MarkdownRenderer {
  readonly sanitizer = new Sanitizer(window);
  readonly highlighter = new Highlighter();
  readonly math = new MathRenderer();
}

/**
 * A letter run at the end of a growing text may be half a word: it waits for its rest, but not for
 * long.
 */
// linear: it is given the last 25 units.
const HALF_WORD = /[A-Za-z0-9_\u00c0-\u024f]{1,24}$/;
const HALF_WORD_WAIT_MS = 160;

interface ShownBlock {
  block: Block;
  node: HTMLElement;
}

/** Milliseconds for which a reply is read and drawn before the page gets its turn. */
export const RENDER_BUDGET_MS = 12;

export class MarkdownView {
  #stream = new MarkdownStream();
  #shown: ShownBlock[] = [];
  #held: ReturnType<typeof setTimeout> | undefined;
  #busyUntil = 0;
  #later: ReturnType<typeof setTimeout> | undefined;
  #latest: { text: string; open: boolean } = { text: "", open: false };
  #closed = false;
  #blocks: readonly Block[] = [];
  /** It could not be read. */
  #plain = false;

  constructor(
    readonly element: HTMLElement,
    readonly renderer: MarkdownRenderer,
    readonly words: () => Words,
  ) {}

  /**
   * Shows this text. `open`: more will come; a text that does not begin with what is shown starts
   * over.
   */
  show(text: string, open: boolean): void {
    this.#latest = { text, open };
    clearTimeout(this.#held);
    const wait = this.#busyUntil - performance.now();
    if (open && wait > 0) {
      // The last drawing was long (a table of a thousand rows): the page stays free for twice that
      // time.
      this.#later ??= setTimeout(() => this.#drawLatest(), wait);
      return;
    }
    this.#drawLatest();
  }

  dispose(): void {
    clearTimeout(this.#held);
    clearTimeout(this.#later);
  }

  #drawLatest(): void {
    clearTimeout(this.#later);
    this.#later = undefined;
    const { text, open } = this.#latest;
    let visible = text;
    if (open) {
      const half = HALF_WORD.exec(text.slice(-25));
      if (half) {
        visible = text.slice(0, text.length - half[0].length);
        this.#held = setTimeout(() => this.#draw(text, true), HALF_WORD_WAIT_MS);
      }
    }
    this.#draw(visible, open);
  }

  #draw(text: string, open: boolean): void {
    const begun = performance.now();
    const before = this.#stream.text;
    if (
      this.#closed
        ? open || text !== before
        : text.length < before.length || !text.startsWith(before)
    ) {
      if (text.length < before.length && before.startsWith(text) && open) return;
      this.#stream = new MarkdownStream();
      this.#closed = false;
      this.#stream.push(text);
    } else {
      this.#stream.push(text.slice(before.length));
    }
    const read = this.#read(open, begun + RENDER_BUDGET_MS);
    const drawn = this.#patch(this.#blocks, begun + RENDER_BUDGET_MS) && read;
    // What is left follows when the page has had its turn.
    if (!drawn) {
      clearTimeout(this.#later);
      this.#later = setTimeout(() => this.#goOn(open));
    }
    const spent = performance.now() - begun;
    this.#busyUntil = spent > 8 ? performance.now() + spent * 3 : 0;
  }

  #goOn(open: boolean): void {
    this.#later = undefined;
    this.#draw(this.#stream.text, open);
    // More may have come meanwhile.
    if (this.#later === undefined && this.#latest.text !== this.#stream.text) this.#drawLatest();
  }

  /** Reads until that time, or all; whether it was all. */
  #read(open: boolean, until: number): boolean {
    if (this.#closed) return true;
    try {
      if (this.#plain) throw new RangeError("It was not readable before");
      do this.#blocks = this.#stream.blocks(); while (
        this.#stream.hasUnread && performance.now() < until
      );
      if (this.#stream.hasUnread) return false;
      if (!open) this.#blocks = this.#stream.end();
    } catch (error) {
      // Whatever a bot found, its words are shown.
      if (!this.#plain) console.warn("Shown as it was written:", error);
      this.#plain = true;
      this.#blocks = [{ raw: this.#stream.text, html: "", plain: true }];
    }
    this.#closed = !open;
    return true;
  }

  /** Draws what is new until that time; whether it was all. */
  #patch(blocks: readonly Block[], until: number): boolean {
    let same = 0;
    while (
      same < blocks.length && same < this.#shown.length && this.#shown[same]!.block === blocks[same]
    ) same++;
    for (let index = same; index < blocks.length; index++) {
      if (index > same && performance.now() > until) return false;
      const block = blocks[index]!;
      const shown = this.#shown[index];
      if (shown && this.#grow(shown, block)) continue;
      const node = this.#make(block);
      if (shown) {
        shown.node.replaceWith(node);
        this.#shown[index] = { block, node };
      } else {
        this.element.append(node);
        this.#shown.push({ block, node });
      }
      this.#finish(block, node);
    }
    for (const { node } of this.#shown.splice(blocks.length)) node.remove();
    return true;
  }

  /** Code that became longer gets the rest; the element, its scrolling and its selection stay. */
  #grow(shown: ShownBlock, block: Block): boolean {
    const [old, now] = [shown.block.code, block.code];
    if (
      !old || !now || old.language !== now.language || !now.text.startsWith(old.text) || !old.open
    ) return false;
    const code = shown.node.querySelector("code");
    if (!code || hasLongLine(now.text)) return false;
    const rest = now.text.slice(old.text.length);
    if (rest) {
      const last = code.lastChild;
      if (last instanceof Text) last.appendData(rest);
      else code.append(rest);
    }
    shown.block = block;
    if (!now.open) this.#finish(block, shown.node);
    return true;
  }

  #make(block: Block): HTMLElement {
    if (block.code && !hasLongLine(block.code.text)) return this.#makeCode(block.code);
    if (block.code || block.plain) return plainBlock(block.raw);
    const fragment = this.#fragment(block) ?? plainParagraph(block.raw);
    const only = fragment.children.length === 1 && fragment.childNodes.length <= 2
      ? fragment.firstElementChild
      : null;
    // One block is one element, so that it can be replaced as one.
    if (only instanceof HTMLElement && only.localName !== "table" && only.localName !== "img") {
      only.dir ||= "auto";
      return only;
    }
    const holder = document.createElement("div");
    holder.dir = "auto";
    holder.append(fragment);
    for (const table of holder.querySelectorAll("table")) {
      const frame = document.createElement("div");
      frame.className = "table-frame";
      frame.tabIndex = 0;
      table.replaceWith(frame);
      frame.append(table);
    }
    return holder;
  }

  /** `undefined`: no document can be made of it, for instance because it is nested too deeply. */
  #fragment({ html }: Block): DocumentFragment | undefined {
    try {
      return this.renderer.sanitizer.fragment(html);
    } catch {
      return undefined;
    }
  }

  #makeCode({ text, language }: NonNullable<Block["code"]>): HTMLElement {
    const words = this.words();
    const frame = document.createElement("div");
    frame.className = "code";
    frame.dir = "ltr";
    const head = document.createElement("div");
    head.className = "code-head";
    const label = document.createElement("span");
    label.textContent = language.slice(0, 30);
    const copy = document.createElement("button");
    copy.type = "button";
    copy.className = "code-copy";
    copy.dataset.copyCode = "";
    copy.textContent = words.copy;
    copy.setAttribute("aria-label", words.copyCode);
    head.append(label, copy);
    const pre = document.createElement("pre");
    pre.tabIndex = 0;
    const code = document.createElement("code");
    code.textContent = text;
    pre.append(code);
    frame.append(head, pre);
    return frame;
  }

  /** Colours, formulas and marks come after the text is there. */
  #finish(block: Block, node: HTMLElement): void {
    if (block.code) {
      if (block.code.open) return;
      const code = node.querySelector("code");
      if (!code) return;
      if (BIDI.test(block.code.text)) markBidi(code);
      else void idle().then(() => this.renderer.highlighter.highlight(code, block.code!.language));
      return;
    }
    for (const element of node.querySelectorAll<HTMLElement>("[data-math]")) {
      void this.renderer.math.render(element);
    }
    if (node.dataset.math) void this.renderer.math.render(node);
  }
}

/** A text without end in slices, of which only those in sight are laid out. */
function plainBlock(raw: string): HTMLElement {
  const holder = document.createElement("div");
  for (let at = 0; at < raw.length; at += PLAIN_SLICE_LENGTH) {
    const slice = document.createElement("p");
    slice.className = "plain-slice";
    slice.textContent = raw.slice(at, at + PLAIN_SLICE_LENGTH).replace(
      /[\u202a-\u202e\u2066-\u2069]/g,
      codePointName,
    );
    holder.append(slice);
  }
  return holder;
}

const PLAIN_SLICE_LENGTH = 2000;

function plainParagraph(raw: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  const paragraph = document.createElement("p");
  paragraph.textContent = raw;
  fragment.append(paragraph);
  return fragment;
}

/** Characters that make code read differently from what it is. */
const BIDI = /[\u202a-\u202e\u2066-\u2069]/;

/** Elements for such characters in one block; with more they are named in its text. */
const MAX_BIDI_MARKS = 1_000;

function markBidi(code: HTMLElement): void {
  const parts = (code.textContent ?? "").split(/([\u202a-\u202e\u2066-\u2069])/);
  const nodes = parts.map((part) => {
    if (!BIDI.test(part)) return part;
    if (parts.length > MAX_BIDI_MARKS) return codePointName(part);
    const mark = document.createElement("span");
    mark.className = "bidi";
    mark.textContent = codePointName(part);
    return mark;
  });
  if (parts.length > MAX_BIDI_MARKS) code.textContent = nodes.join("");
  else code.replaceChildren(...nodes);
}

function codePointName(sign: string): string {
  return `U+${sign.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** A line that is not wrapped is laid out as a whole, which takes seconds for a long one. */
const MAX_LINE_LENGTH = 10_000;

function hasLongLine(text: string): boolean {
  for (let from = 0; text.length - from > MAX_LINE_LENGTH;) {
    const end = text.indexOf("\n", from);
    if (end < 0 || end - from > MAX_LINE_LENGTH) return true;
    from = end + 1;
  }
  return false;
}
