/**
 * Group commit: callers that wait for a durable write share one commit.
 */

/**
 * Milliseconds between two commits that somebody waits for. Under load one commit then serves many
 * callers, which halves its cost; an idle store commits at once.
 */
const GROUP_COMMIT_MS = 5;

export class GroupCommit {
  readonly #commit: () => void;
  #next: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #committedAt = -Infinity;

  /** @param commit writes everything that is urgent, and calls {@linkcode done} */
  constructor(commit: () => void) {
    this.#commit = commit;
  }

  /**
   * Resolves after the next commit, which begins when the event loop has nothing else to do, or
   * {@linkcode GROUP_COMMIT_MS} after the last one.
   */
  wait(): Promise<void> {
    if (!this.#next) {
      this.#next = Promise.withResolvers<void>();
      const wait = GROUP_COMMIT_MS - (performance.now() - this.#committedAt);
      if (wait > 0) this.#timer = setTimeout(this.#commit, wait);
      else setImmediate(this.#commit);
    }
    return this.#next.promise;
  }

  /** Everything that was waited for is written, or nobody should wait for it any longer. */
  done(): void {
    clearTimeout(this.#timer);
    this.#committedAt = performance.now();
    this.#next?.resolve();
    this.#next = undefined;
  }
}
