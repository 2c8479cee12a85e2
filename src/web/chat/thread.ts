/**
 * A conversation in the page: its turns and the versions that are shown. An edited or repeated
 * question is a sibling of the first one; a person reads the path through the chosen siblings.
 */
import { computed, signal } from "@preact/signals";
import type { PageTurn } from "./turn.ts";

export class Thread {
  /** Empty while nothing was sent. */
  readonly id = signal("");
  /** Every known turn, oldest first. */
  readonly turns = signal<readonly PageTurn[]>([]);
  /** There are earlier ones that were not loaded. */
  readonly more = signal(false);
  readonly state = signal<"new" | "loading" | "ready" | "failed" | "gone">("new");
  /** Parent's key (or `ROOT`) → key of the version that is shown. */
  readonly #chosen = signal<ReadonlyMap<string, string>>(new Map());

  readonly #tree = computed(() => childrenByParent(this.turns.value));

  readonly #siblings = computed(() => {
    const siblings = new Map<string, readonly PageTurn[]>();
    for (const group of this.#tree.value.values()) {
      for (const turn of group) siblings.set(turn.key, group);
    }
    return siblings;
  });

  /** What is shown, first question first. */
  readonly path = computed<readonly PageTurn[]>(() => {
    const path: PageTurn[] = [];
    let siblings = this.#tree.value.get(ROOT);
    while (siblings) {
      const parent = path.at(-1)?.key ?? ROOT;
      const chosen = this.#chosen.value.get(parent);
      const turn = siblings.find((sibling) => sibling.key === chosen) ?? siblings.at(-1)!;
      path.push(turn);
      siblings = this.#tree.value.get(turn.key);
    }
    return path;
  });

  add(turn: PageTurn): void {
    this.turns.value = [...this.turns.value, turn];
    this.choose(turn);
  }

  remove(turn: PageTurn): void {
    this.turns.value = this.turns.value.filter((other) => other !== turn);
  }

  /** All versions of a turn, oldest first, itself among them. */
  versions(turn: PageTurn): readonly PageTurn[] {
    return this.#siblings.value.get(turn.key) ?? [turn];
  }

  /** Shows this version. */
  choose(turn: PageTurn): void {
    const parent = parentKey(turn, this.turns.value);
    const chosen = new Map(this.#chosen.value);
    chosen.set(parent, turn.key);
    this.#chosen.value = chosen;
  }

  /** Makes a turn visible, whatever versions lead to it. */
  reveal(turn: PageTurn): void {
    const all = this.turns.value;
    for (let at: PageTurn | undefined = turn; at;) {
      this.choose(at);
      const key = parentKey(at, all);
      at = all.find((other) => other.key === key);
    }
  }

  find(id: string): PageTurn | undefined {
    return this.turns.value.find((turn) => turn.id.value === id);
  }

  /** The turn whose message was sent with this idempotency key. */
  findSent(idempotencyKey: string): PageTurn | undefined {
    return this.turns.value.find((turn) => turn.idempotencyKey === idempotencyKey);
  }

  /**
   * What a new turn has to name as its parent to follow what is shown; `undefined` where it simply
   * follows the last one.
   */
  parentForNext(): string | undefined {
    const last = this.path.value.at(-1);
    return last === this.turns.value.at(-1) ? undefined : last?.id.value;
  }

  /**
   * What another version of this turn has to name as its parent; empty for the first question of
   * the conversation.
   */
  parentForVersion(turn: PageTurn): string {
    const key = parentKey(turn, this.turns.value);
    return this.turns.value.find((other) => other.key === key)?.id.value ?? "";
  }
}

/** Stands for the beginning of the conversation among the keys. */
const ROOT = "";

/**
 * Without a parent of its own a turn follows the one before it; the empty parent is the beginning.
 */
function parentKey(turn: PageTurn, all: readonly PageTurn[]): string {
  if (turn.parentId === "") return ROOT;
  if (turn.parentId !== undefined) {
    return all.find((other) => other.id.value === turn.parentId)?.key ?? ROOT;
  }
  return all[all.indexOf(turn) - 1]?.key ?? ROOT;
}

function childrenByParent(all: readonly PageTurn[]): Map<string, PageTurn[]> {
  const byId = new Map(all.map((turn) => [turn.id.value, turn.key]));
  const tree = new Map<string, PageTurn[]>();
  all.forEach((turn, index) => {
    const parent = turn.parentId === ""
      ? ROOT
      : turn.parentId !== undefined
      ? byId.get(turn.parentId) ?? ROOT
      : all[index - 1]?.key ?? ROOT;
    const siblings = tree.get(parent);
    if (siblings) siblings.push(turn);
    else tree.set(parent, [turn]);
  });
  return tree;
}
