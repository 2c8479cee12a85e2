/**
 * Scrolling of the open conversation: it follows a growing answer while the reader is at the end,
 * and stays where the reader is otherwise.
 */
import { signal } from "@preact/signals";

/** Pixels from the end that count as the end. */
const NEAR_END_PX = 60;

/** Pixels from the top at which earlier messages are loaded. */
const NEAR_TOP_PX = 600;

/** A scroll within this time after a touch is the reader's own. */
const TOUCH_MS = 1200;

/** How long a turn that was searched for is highlighted. */
const HIGHLIGHT_MS = 2500;

/** Time for the layout of a turn before the view scrolls to it. */
const LAYOUT_MS = 60;

export class ReaderScroll {
  scroller!: HTMLElement;
  column!: HTMLElement;
  /** Whether the view follows the end. */
  #isFollowing = true;
  #touchedAt = 0;
  /** Whether the reader is away from the end. */
  readonly isAway = signal(false);
  /** Whether something new stands below. */
  readonly hasNews = signal(false);

  /** Follows changes of size until the returned function is called. */
  observe(): () => void {
    const observer = new ResizeObserver(() => {
      if (this.#isFollowing) this.#scrollToEnd();
      else this.hasNews.value = true;
    });
    observer.observe(this.column);
    observer.observe(this.scroller);
    return () => observer.disconnect();
  }

  /** Goes to the end and follows it. */
  followEnd(): void {
    this.#isFollowing = true;
    this.isAway.value = false;
    this.hasNews.value = false;
    this.#scrollToEnd();
  }

  /** Notes that the reader touches the view: the scroll that follows is theirs. */
  touch(): void {
    this.#touchedAt = performance.now();
  }

  /** The reader has turned the wheel. */
  wheel(deltaY: number): void {
    this.touch();
    // The next growth of the answer must not pull the reader back.
    if (deltaY < 0) this.#isFollowing = false;
  }

  /** Returns whether earlier messages should be loaded. */
  onScroll(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    const left = scrollHeight - scrollTop - clientHeight;
    // The view also scrolls when content above it gets its real height. Only a scroll by hand ends
    // the following.
    if (left < NEAR_END_PX) this.#isFollowing = true;
    else if (performance.now() - this.#touchedAt < TOUCH_MS) this.#isFollowing = false;
    this.isAway.value = !this.#isFollowing && left > NEAR_END_PX;
    if (this.#isFollowing) this.hasNews.value = false;
    return scrollTop < NEAR_TOP_PX && !this.#isFollowing;
  }

  /** Runs a change that adds content above, and leaves the reader where they are. */
  async holdPosition(change: () => Promise<boolean>): Promise<void> {
    const before = this.scroller.scrollHeight - this.scroller.scrollTop;
    if (!await change()) return;
    await new Promise(requestAnimationFrame);
    this.scroller.scrollTop = this.scroller.scrollHeight - before;
  }

  /** Scrolls to a turn and highlights it for a moment. */
  reveal(turnKey: string): void {
    this.#isFollowing = false;
    setTimeout(() => {
      const element = this.column.querySelector<HTMLElement>(
        `[data-turn="${CSS.escape(turnKey)}"]`,
      );
      element?.scrollIntoView({ block: "center" });
      element?.classList.add("found");
      setTimeout(() => element?.classList.remove("found"), HIGHLIGHT_MS);
    }, LAYOUT_MS);
  }

  #scrollToEnd(): void {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}
