/**
 * This is a reply on the screen: blocks of Markdown in a container, of which only the last ones are ever drawn again. It is not a
 * component, because two hundred changes a second are not a matter for a view library.
 */
import { Highlighter, idle } from "./highlight.ts";
import { type Block, MarkdownStream } from "./markdown.ts";
import { MathSetter } from "./math.ts";
import { Sanitizer } from "./safe.ts";
import type { Words } from "./words.ts";

/** What all replies of a page share. */
export class Press {
  readonly sanitizer = new Sanitizer(window);
  readonly highlighter = new Highlighter();
  readonly math = new MathSetter();
}

/** A letter run at the end of a growing text may be half a word: it waits for its rest, but not for long. */
// linear: it is given the last 25 units.
const HALF_WORD = /[A-Za-z0-9_\u00c0-\u024f]{1,24}$/;
const HALF_WORD_WAIT = 160;

interface Shown {
  block: Block;
  node: HTMLElement;
}

export class Prose {
  #stream = new MarkdownStream();
  #shown: Shown[] = [];
  #held: ReturnType<typeof setTimeout> | undefined;
  #busyUntil = 0;
  #later: ReturnType<typeof setTimeout> | undefined;
  #latest: { text: string; open: boolean } = { text: "", open: false };
  #closed = false;

  constructor(
    readonly element: HTMLElement,
    readonly press: Press,
    readonly words: () => Words,
  ) {}

  /** Shows this text. `open`: more will come; a text that does not begin with what is shown starts over. */
  show(text: string, open: boolean): void {
    this.#latest = { text, open };
    clearTimeout(this.#held);
    const wait = this.#busyUntil - performance.now();
    if (open && wait > 0) {
      // The last drawing was long (a table of a thousand rows): the page stays free for twice that time.
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
        this.#held = setTimeout(() => this.#draw(text, true), HALF_WORD_WAIT);
      }
    }
    this.#draw(visible, open);
  }

  #draw(text: string, open: boolean): void {
    const begun = performance.now();
    const before = this.#stream.text;
    if (this.#closed || text.length < before.length || !text.startsWith(before)) {
      if (text.length < before.length && before.startsWith(text) && open) return;
      this.#stream = new MarkdownStream();
      this.#closed = false;
      this.#stream.push(text);
    } else {
      this.#stream.push(text.slice(before.length));
    }
    const blocks = open ? this.#stream.blocks() : this.#stream.end();
    this.#closed = !open;
    this.#patch(blocks);
    const spent = performance.now() - begun;
    this.#busyUntil = spent > 8 ? performance.now() + spent * 3 : 0;
  }

  #patch(blocks: readonly Block[]): void {
    let same = 0;
    while (same < blocks.length && same < this.#shown.length && this.#shown[same]!.block === blocks[same]) same++;
    for (let index = same; index < blocks.length; index++) {
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
  }

  /** Code that became longer gets the rest; the element, its scrolling and its selection stay. */
  #grow(shown: Shown, block: Block): boolean {
    const [old, now] = [shown.block.code, block.code];
    if (!old || !now || old.language !== now.language || !now.text.startsWith(old.text) || !old.open) return false;
    const code = shown.node.querySelector("code")!;
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
    if (block.code) return this.#makeCode(block.code);
    if (block.plain) return makePlain(block.raw);
    const fragment = this.press.sanitizer.fragment(block.html) ?? asText(block.raw);
    const only = fragment.children.length === 1 && fragment.childNodes.length <= 2 ? fragment.firstElementChild : null;
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
      const code = node.querySelector("code")!;
      if (BIDI.test(block.code.text)) markBidi(code);
      else void idle().then(() => this.press.highlighter.paint(code, block.code!.language));
      return;
    }
    for (const element of node.querySelectorAll<HTMLElement>("[data-math]")) void this.press.math.set(element);
    if (node.dataset.math) void this.press.math.set(node);
  }
}

/** A text without end in slices, of which only those in sight are laid out. */
function makePlain(raw: string): HTMLElement {
  const holder = document.createElement("div");
  for (let at = 0; at < raw.length; at += PLAIN_SLICE) {
    const slice = document.createElement("p");
    slice.className = "plain-slice";
    slice.textContent = raw.slice(at, at + PLAIN_SLICE);
    holder.append(slice);
  }
  return holder;
}

const PLAIN_SLICE = 2000;

function asText(raw: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  const paragraph = document.createElement("p");
  paragraph.textContent = raw;
  fragment.append(paragraph);
  return fragment;
}

/** Characters that make code read differently from what it is. */
const BIDI = /[\u202a-\u202e\u2066-\u2069]/;

function markBidi(code: HTMLElement): void {
  const parts = (code.textContent ?? "").split(/([\u202a-\u202e\u2066-\u2069])/);
  code.replaceChildren(...parts.map((part) => {
    if (!BIDI.test(part)) return part;
    const mark = document.createElement("span");
    mark.className = "bidi";
    mark.textContent = `U+${part.charCodeAt(0).toString(16).toUpperCase()}`;
    return mark;
  }));
}
