/**
 * A budget is how much a platform lets us send, as a tree: one send takes a permit from every scope
 * on its path (address, app and API, chat, person, card, month), and from none of them when one
 * says no.
 *
 * A slot of a window is taken when the permit is given and comes back one window after the *answer*
 * to that call arrived. The platform counts the call somewhere between the two, so no spread of
 * latencies can put more than `limit` calls into any of its windows, sliding or fixed. That is
 * stricter than a token bucket or GCRA, whose burst adds to its rate, and it uses small limits (5 a
 * second, 30 a minute) to the full.
 *
 * ```ts
 * const budget = new Budget({ clock, store });
 * const permit = await budget.take([{ key: "chat:1", rates: [{ limit: 4, per: 1000 }] }], { priority: "edit", chat: "1" });
 * if (typeof permit !== "string") {
 *   // call the platform
 *   permit.done();
 * }
 * ```
 */
import type { Clock } from "../../core/clock.ts";
import type { Store } from "../../core/store.ts";

/**
 * Who goes first: what ends an answer, what begins one, what shows it growing, what nobody asked
 * for.
 */
export type Priority = "final" | "first" | "edit" | "push";

const ORDER: readonly Priority[] = ["final", "first", "edit", "push"];

/**
 * The part of a window that each priority may fill. What lower ones leave is there for finals at
 * any moment; a window always grants at least one, or a limit of 1 would let no edit through.
 */
const SHARE: Record<Priority, number> = { final: 1, first: 0.98, edit: 0.96, push: 0.6 };

/**
 * Windows from here on are long enough to hurt when edits fill them at once: a final would wait for
 * the rest of the minute. In them edits are spread: a quarter of the window at will, because a
 * crowd of answers is largest when it begins, the rest evenly. Together that is what edits may
 * fill, so they never come to a standstill.
 */
const LONG_WINDOW_MS = 10_000;
const EDIT_BURST = 0.25;
const EDIT_RATE = 0.72;

/**
 * The part of a long window that edits leave: for finals a call for every fourth answer under way
 * (they do not end in one minute), within these bounds; what pays for finals ahead comes on top.
 */
const FINALS_RESERVE = { least: 0.03, most: 0.1, answers: 4 };

/** At most `limit` calls in any `per` milliseconds. */
export interface RateLimit {
  readonly limit: number;
  readonly per: number;
}

/**
 * At most `limit` calls in a calendar day or month. Counted in the Store, so a restart changes
 * nothing.
 */
export interface Quota {
  readonly limit: number;
  readonly period: "day" | "month";
  /** Calls at the end that only finals may use; a tenth of `limit` unless it says otherwise. */
  readonly keep?: number;
  /**
   * Minutes east of UTC where the platform's calendar turns; 480 (China) unless it says otherwise.
   */
  readonly zone?: number;
}

/** One node of the tree. The same key must always come with the same figures. */
export interface BudgetScope {
  readonly key: string;
  readonly rates: readonly RateLimit[];
  readonly quota?: Quota;
}

/** The right to make one call now. */
export interface Permit {
  /**
   * The answer is here (or will not come). `uncounted`: the platform did not count the call, so a
   * quota gets it back.
   */
  done(outcome?: "uncounted"): void;
}

/**
 * `dropped`: the asker withdrew, or too many wait already. `exhausted`: the day's or month's quota
 * has nothing left for this priority.
 */
export type PermitRefusal = "dropped" | "exhausted";

export interface PermitRequest {
  readonly priority: Priority;
  /** Chats take turns within one priority. */
  readonly chat: string;
  /** Withdraws the ask while it waits; a permit that was given stays given. */
  readonly signal?: AbortSignal;
  /** A final that was paid for when its answer began. */
  readonly reservation?: Reservation;
}

/** A final paid for in advance. */
export interface Reservation {
  /** Gives back what was not used. Calling it twice, or after use, does nothing. */
  release(): void;
  /** Set once a final took it. */
  readonly used: boolean;
}

/** What a scope looks like now, for pages and metrics. */
export interface ScopeView {
  readonly key: string;
  readonly windows: readonly {
    readonly limit: number;
    readonly per: number;
    readonly used: number;
  }[];
  readonly quota?: {
    readonly limit: number;
    readonly used: number;
    readonly left: number;
    readonly period: string;
  };
  /** Milliseconds until a throttled scope opens again; 0 when open. */
  readonly closedFor: number;
  readonly waiting: number;
  readonly granted: Readonly<Record<Priority, number>>;
}

export interface SendBudgetParts {
  readonly clock: Clock;
  /** Needed as soon as a scope has a quota. */
  readonly store?: Store;
  /** How many may wait before edits and pushes are dropped; finals always wait. */
  readonly maxWaiting?: number;
}

export class SendBudget {
  readonly #clock: Clock;
  readonly #store: Store | undefined;
  readonly #maxWaiting: number;
  readonly #nodes = new Map<string, ScopeState>();
  readonly #lanes: Record<Priority, Map<string, Waiter[]>>;
  #waiting = 0;
  /** Answers under way: those whose final is paid for and has not come. */
  #answers = 0;
  #stopTimer: (() => void) | undefined;
  #timerAt = Infinity;
  #sweepAt = 1024;
  #pumping = false;
  #pumpAgain = false;

  constructor(parts: SendBudgetParts) {
    this.#clock = parts.clock;
    this.#store = parts.store;
    this.#maxWaiting = parts.maxWaiting ?? 20_000;
    this.#lanes = { final: new Map(), first: new Map(), edit: new Map(), push: new Map() };
  }

  /**
   * Resolves with a permit as soon as every scope of the path has room, or with the reason why
   * there will be none.
   */
  async take(path: readonly BudgetScope[], ask: PermitRequest): Promise<Permit | PermitRefusal> {
    if (ask.signal?.aborted) return "dropped";
    if (this.#waiting >= this.#maxWaiting && ask.priority !== "final") return "dropped";
    const nodes = path.map((scope) => this.#node(scope));
    const paid = ask.reservation as PaidReservation | undefined;
    const usesHold = paid !== undefined && !paid.used && ask.priority === "final";
    const charged = usesHold ? paid.use() : await this.#charge(nodes, ask.priority);
    if (!charged) return "exhausted";
    return await new Promise((resolve) => {
      const waiter: Waiter = { nodes, ask, charged, resolve, leave: undefined };
      if (ask.signal) {
        const withdraw = () => this.#withdraw(waiter);
        ask.signal.addEventListener("abort", withdraw, { once: true });
        waiter.leave = () => ask.signal!.removeEventListener("abort", withdraw);
        if (ask.signal.aborted) {
          this.#refund(charged);
          return resolve("dropped");
        }
      }
      const lane = this.#lanes[ask.priority];
      const queue = lane.get(ask.chat);
      if (queue) queue.push(waiter);
      else lane.set(ask.chat, [waiter]);
      this.#waiting++;
      this.#pump();
    });
  }

  /**
   * Pays for the final of an answer that begins: one call of each quota on the path, and one slot
   * of each long window that edits and pushes then leave alone. `undefined`: there is not even
   * that.
   */
  async reserve(path: readonly BudgetScope[]): Promise<Reservation | undefined> {
    const nodes = path.map((scope) => this.#node(scope));
    const charged = await this.#charge(nodes, "final");
    if (!charged) return undefined;
    for (const node of nodes) node.held++;
    this.#answers++;
    return new PaidReservation(charged, () => {
      this.#answers--;
      for (const node of nodes) node.held--;
      this.#pump();
    }, () => this.#refund(charged));
  }

  /**
   * Closes a scope for `ms`: the platform said so. Nothing is lost, everything on that path waits.
   * A scope not seen yet is made.
   */
  close(scope: BudgetScope, ms: number): void {
    const node = this.#node(scope);
    node.closedUntil = Math.max(node.closedUntil, this.#clock.now() + ms);
    this.#pump();
  }

  /** What is left of a quota, from 0 to `limit`; `Infinity` without one. */
  async left(scope: BudgetScope): Promise<number> {
    if (!scope.quota) return Infinity;
    const node = this.#node(scope);
    await this.#read(node);
    return Math.max(0, scope.quota.limit - node.spent);
  }

  /**
   * How full the path's scopes are for edits, as the longest time in milliseconds until one could
   * go; Infinity while in flight.
   */
  pressure(path: readonly BudgetScope[]): number {
    const now = this.#clock.now();
    let longest = 0;
    for (const scope of path) {
      longest = Math.max(longest, this.#node(scope).wait("edit", now, this.#answers));
    }
    return longest;
  }

  get waiting(): number {
    return this.#waiting;
  }

  snapshot(): ScopeView[] {
    const now = this.#clock.now();
    const waiting = new Map<ScopeState, number>();
    for (const priority of ORDER) {
      for (const queue of this.#lanes[priority].values()) {
        for (const waiter of queue) {
          for (const node of waiter.nodes) waiting.set(node, (waiting.get(node) ?? 0) + 1);
        }
      }
    }
    return [...this.#nodes.values()].map((node) => node.view(now, waiting.get(node) ?? 0));
  }

  /** Lets go of the timer; whoever waits is told `dropped`. */
  stop(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    for (const priority of ORDER) {
      for (const queue of this.#lanes[priority].values()) {
        for (const waiter of queue) {
          waiter.leave?.();
          this.#refund(waiter.charged);
          waiter.resolve("dropped");
        }
      }
      this.#lanes[priority].clear();
    }
    this.#waiting = 0;
  }

  #node(scope: BudgetScope): ScopeState {
    let node = this.#nodes.get(scope.key);
    if (!node) {
      if (this.#nodes.size >= this.#sweepAt) this.#sweep();
      node = new ScopeState(scope);
      this.#nodes.set(scope.key, node);
    }
    return node;
  }

  /**
   * Chats and cards come and go; a scope that holds nothing is forgotten. Waits until the number
   * has doubled, so it costs nothing on average.
   */
  #sweep() {
    const now = this.#clock.now();
    const inUse = new Set<ScopeState>();
    for (const priority of ORDER) {
      for (const queue of this.#lanes[priority].values()) {
        for (const waiter of queue) for (const node of waiter.nodes) inUse.add(node);
      }
    }
    for (const [key, node] of this.#nodes) {
      if (!inUse.has(node) && node.idle(now)) this.#nodes.delete(key);
    }
    this.#sweepAt = Math.max(1024, this.#nodes.size * 2);
  }

  #withdraw(waiter: Waiter) {
    const lane = this.#lanes[waiter.ask.priority];
    const queue = lane.get(waiter.ask.chat);
    const at = queue?.indexOf(waiter) ?? -1;
    if (!queue || at < 0) return;
    queue.splice(at, 1);
    if (queue.length === 0) lane.delete(waiter.ask.chat);
    this.#waiting--;
    this.#refund(waiter.charged);
    waiter.resolve("dropped");
  }

  /**
   * Gives out what can be given, in order of priority, chats in turn; then waits for the next
   * moment at which that may change.
   */
  #pump() {
    // A grant resolves a promise, it never calls back at once; only `done` inside a signal's
    // listener could come back in here.
    if (this.#pumping) {
      this.#pumpAgain = true;
      return;
    }
    this.#pumping = true;
    let next = Infinity;
    do {
      this.#pumpAgain = false;
      next = this.#round();
    } while (this.#pumpAgain);
    this.#pumping = false;
    this.#wakeIn(next);
  }

  #round(): number {
    const now = this.#clock.now();
    let next = Infinity;
    const claimed: ScopeState[] = [];
    for (const priority of ORDER) {
      const lane = this.#lanes[priority];
      let granted = true;
      while (granted && lane.size > 0) {
        granted = false;
        for (const [chat, queue] of [...lane]) {
          const taken = this.#serve(queue, now, (wait, waiter) => {
            next = Math.min(next, wait);
            // A final that waits for one scope must not find the others taken when that one opens.
            if (priority === "final" && wait < 1000) {
              for (const node of waiter.nodes) {
                if (node.claimed === 0) claimed.push(node);
                node.claimed++;
              }
            }
          });
          if (!taken) continue;
          granted = true;
          lane.delete(chat);
          if (queue.length > 0) lane.set(chat, queue);
        }
        // What was claimed in a round that granted something is claimed anew in the next.
        if (granted && priority === "final") {
          for (const node of claimed.splice(0)) node.claimed = 0;
        }
      }
    }
    for (const node of claimed) node.claimed = 0;
    return next;
  }

  /** Grants the first of a chat's waiters that can go. */
  #serve(queue: Waiter[], now: number, blocked: (wait: number, waiter: Waiter) => void): boolean {
    for (let at = 0; at < queue.length; at++) {
      const waiter = queue[at]!;
      let wait = 0;
      for (const node of waiter.nodes) {
        wait = Math.max(wait, node.wait(waiter.ask.priority, now, this.#answers));
      }
      if (wait > 0) {
        blocked(wait, waiter);
        continue;
      }
      queue.splice(at, 1);
      this.#waiting--;
      waiter.leave?.();
      for (const node of waiter.nodes) node.take(waiter.ask.priority, now);
      waiter.resolve(this.#permit(waiter));
      return true;
    }
    return false;
  }

  #permit(waiter: Waiter): Permit {
    let open = true;
    return {
      done: (outcome) => {
        if (!open) return;
        open = false;
        const now = this.#clock.now();
        for (const node of waiter.nodes) node.settle(now);
        if (outcome === "uncounted") this.#refund(waiter.charged);
        if (this.#waiting > 0) this.#pump();
      },
    };
  }

  #wakeIn(ms: number) {
    const at = this.#clock.now() + ms;
    if (this.#stopTimer && this.#timerAt <= at) {
      if (ms !== Infinity) return;
    }
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#timerAt = Infinity;
    if (ms === Infinity) return;
    this.#timerAt = at;
    this.#stopTimer = this.#clock.after(ms, () => {
      this.#stopTimer = undefined;
      this.#timerAt = Infinity;
      this.#pump();
    });
  }

  /** Counts one call in every quota of the path, or in none. */
  async #charge(nodes: readonly ScopeState[], priority: Priority): Promise<Charge | undefined> {
    const charged: Charge = [];
    for (const node of nodes) {
      const quota = node.scope.quota;
      if (!quota) continue;
      const cap = priority === "final"
        ? quota.limit
        : quota.limit - (quota.keep ?? Math.ceil(quota.limit / 10));
      const key = this.#quotaKey(node);
      // What this process knows already spares the Store a count and its undoing.
      const known = node.period === key ? node.spent : 0;
      const spent = known >= cap ? known + 1 : await this.#count(key, 1);
      if (known < cap) {
        node.period = key;
        node.spent = spent;
        charged.push({ node, key });
      }
      if (spent <= cap) continue;
      this.#refund(charged);
      return undefined;
    }
    return charged;
  }

  #refund(charged: Charge) {
    for (const { node, key } of charged.splice(0)) {
      if (node.period === key) node.spent--;
      // A refund that fails leaves the quota counted too high: the safe side, and nobody waits for
      // it.
      this.#count(key, -1).catch(() => undefined);
    }
  }

  async #read(node: ScopeState): Promise<void> {
    const key = this.#quotaKey(node);
    node.spent = await this.#count(key, 0);
    node.period = key;
  }

  #count(key: string, by: number): Promise<number> {
    if (!this.#store) throw new TypeError("A scope with a quota needs a store to count it in");
    return this.#store.count(key, by, 40 * 24 * 3_600_000);
  }

  #quotaKey(node: ScopeState): string {
    const quota = node.scope.quota!;
    const local = new Date(this.#clock.now() + (quota.zone ?? 480) * 60_000).toISOString();
    return `budget:${node.scope.key}:${local.slice(0, quota.period === "month" ? 7 : 10)}`;
  }
}

interface Waiter {
  readonly nodes: readonly ScopeState[];
  readonly ask: PermitRequest;
  readonly charged: Charge;
  readonly resolve: (outcome: Permit | PermitRefusal) => void;
  leave: (() => void) | undefined;
}

type Charge = { node: ScopeState; key: string }[];

class PaidReservation implements Reservation {
  #open = true;
  used = false;

  constructor(
    private readonly charged: Charge,
    private readonly letGo: () => void,
    private readonly refund: () => void,
  ) {}

  /** Hands the payment on to the final that uses it. */
  use(): Charge {
    this.used = true;
    if (this.#open) {
      this.#open = false;
      this.letGo();
    }
    return this.charged.splice(0);
  }

  release(): void {
    if (!this.#open) return;
    this.#open = false;
    this.letGo();
    this.refund();
  }
}

/** One scope's books. */
class ScopeState {
  readonly windows: SlidingWindow[];
  readonly granted: Record<Priority, number> = { final: 0, first: 0, edit: 0, push: 0 };
  closedUntil = 0;
  /** Finals paid for in advance that have not come yet. */
  held = 0;
  /** Finals that wait for another scope right now and will want one slot here. */
  claimed = 0;
  /** The quota's count as last heard, and the day or month it belongs to. */
  spent = 0;
  period = "";

  constructor(readonly scope: BudgetScope) {
    this.windows = scope.rates.map((rate) => new SlidingWindow(rate));
  }

  /**
   * Milliseconds until a call of this priority could go; Infinity when that hangs on calls in
   * flight.
   */
  wait(priority: Priority, now: number, answers: number): number {
    let wait = Math.max(0, this.closedUntil - now);
    const kept = priority === "final" ? 0 : this.claimed;
    for (const window of this.windows) {
      wait = Math.max(wait, window.wait(priority, now, this.held, kept, answers));
    }
    return wait;
  }

  take(priority: Priority, now: number) {
    this.granted[priority]++;
    for (const window of this.windows) window.take(priority, now);
  }

  settle(now: number) {
    for (const window of this.windows) window.settle(now);
  }

  idle(now: number): boolean {
    return this.held === 0 && this.closedUntil <= now && !this.scope.quota &&
      this.windows.every((w) => w.used(now) === 0);
  }

  view(now: number, waiting: number): ScopeView {
    const quota = this.scope.quota;
    return {
      key: this.scope.key,
      windows: this.windows.map((w) => ({
        limit: w.rate.limit,
        per: w.rate.per,
        used: w.used(now),
      })),
      quota: quota &&
        {
          limit: quota.limit,
          used: this.spent,
          left: Math.max(0, quota.limit - this.spent),
          period: quota.period,
        },
      closedFor: Math.max(0, this.closedUntil - now),
      waiting,
      granted: { ...this.granted },
    };
  }
}

/**
 * The calls of one sliding window: those in flight, and those answered less than `per` ago. Up to
 * 64 are kept one by one; a larger window keeps 64 groups, each dated by its last call, so it can
 * only err on the careful side, by at most 1/64 of its length.
 */
class SlidingWindow {
  readonly #grain: number;
  #inFlight = 0;
  #answered = 0;
  /** Pairs of (first, last, count), oldest first, from `#head` on. */
  #groups: { first: number; last: number; count: number }[] = [];
  #head = 0;
  /** When the next edit is due, and how far ahead of that it may come. Only in long windows. */
  #editDue = 0;
  readonly #editGap: number;
  readonly #editAhead: number;

  constructor(readonly rate: RateLimit) {
    this.#grain = rate.limit > 64 ? rate.per / 64 : 0;
    this.#editGap = rate.per >= LONG_WINDOW_MS ? rate.per / (rate.limit * EDIT_RATE) : 0;
    this.#editAhead = this.#editGap * Math.max(0, Math.floor(rate.limit * EDIT_BURST) - 1);
  }

  used(now: number): number {
    this.#expire(now);
    return this.#inFlight + this.#answered;
  }

  wait(priority: Priority, now: number, held: number, claimed: number, answers: number): number {
    const { limit, per } = this.rate;
    const used = this.used(now) + claimed;
    let share = SHARE[priority];
    if (per >= LONG_WINDOW_MS && (priority === "edit" || priority === "first")) {
      const kept = Math.min(
        FINALS_RESERVE.most,
        Math.max(FINALS_RESERVE.least, answers / FINALS_RESERVE.answers / limit),
      );
      share = priority === "edit" ? 1 - kept : 1 - kept / 2;
    }
    let room = Math.max(1, Math.floor(limit * share));
    // A short window is free again before it matters; only a long one can leave a paid final
    // waiting.
    if (priority !== "final" && per >= LONG_WINDOW_MS) room = Math.min(room, limit - held);
    let wait = 0;
    if (used >= room) {
      let short = used - room + 1;
      wait = Infinity;
      for (let at = this.#head; at < this.#groups.length; at++) {
        const group = this.#groups[at]!;
        short -= group.count;
        if (short > 0) continue;
        wait = group.last + per - now;
        break;
      }
    }
    if (priority === "edit" && this.#editGap > 0) {
      wait = Math.max(wait, this.#editDue - this.#editAhead - now);
    }
    return wait;
  }

  take(priority: Priority, now: number) {
    this.#inFlight++;
    if (priority === "edit" && this.#editGap > 0) {
      this.#editDue = Math.max(this.#editDue, now) + this.#editGap;
    }
  }

  settle(now: number) {
    this.#inFlight--;
    this.#answered++;
    const last = this.#groups[this.#groups.length - 1];
    if (last && this.#groups.length > this.#head && now - last.first < this.#grain) {
      last.last = now;
      last.count++;
    } else this.#groups.push({ first: now, last: now, count: 1 });
  }

  #expire(now: number) {
    while (this.#head < this.#groups.length) {
      const group = this.#groups[this.#head]!;
      if (group.last + this.rate.per > now) break;
      this.#answered -= group.count;
      this.#head++;
    }
    if (this.#head > 64) {
      this.#groups = this.#groups.slice(this.#head);
      this.#head = 0;
    }
  }
}
