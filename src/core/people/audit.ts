/**
 * The audit log: who did what to whom, from where, when. Each line carries the hash of the one
 * before it, so that a line that was changed, taken out or put in shows. Who can rewrite the whole
 * store can rewrite the whole chain: note the head's hash elsewhere, `nexus audit verify` prints
 * it.
 */
import { AuditLimiter } from "./audit_limiter.ts";
import type { Clock } from "../clock.ts";
import type { GatewayEvent, Observer } from "../observer.ts";
import { keyPart, type Store } from "../store.ts";

/** One line. Hashed are all fields but `hash`, in this order. */
export interface AuditEntry {
  /** From 0, without gaps. */
  readonly n: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** A person's id, or `-` for somebody unknown. */
  readonly who: string;
  /** Such as `sign_in`, `key_made`, `person_changed`. */
  readonly did: string;
  /** The person, bot or thing that it was done to. */
  readonly whom?: string;
  /** The address it came from. */
  readonly from?: string;
  readonly detail?: string;
  /** The hash of the line before, empty for the first. */
  readonly before: string;
  readonly hash: string;
}

export type AuditAction = Omit<AuditEntry, "n" | "at" | "before" | "hash">;

export interface AuditVerification {
  readonly lines: number;
  /** The hash of the last line. */
  readonly head: string;
  /** The first line that does not follow from those before it. */
  readonly broken?: { readonly n: number; readonly why: string };
}

/** Lines waiting to be written; past it the newest are counted and left out. */
const MAX_QUEUED_ENTRIES = 10_000;

const BATCH_SIZE = 1000;

/**
 * An {@linkcode Observer}: it writes down what it is told, where that is of its kind, and what
 * {@linkcode Audit.write} is given.
 */
export class Audit implements Observer {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: string;
  readonly #node: string;
  readonly #onFault: (error: unknown) => void;
  readonly #waiting: { act: AuditAction; at: number }[] = [];
  #writing: Promise<void> | undefined;
  #last: Promise<Pick<AuditEntry, "n" | "hash">> | undefined;
  readonly #bound: AuditLimiter;
  #dropped = 0;

  /**
   * @param parts.node names this process among several that share the store; each has a chain of
   *   its own
   */
  constructor(
    parts: { store: Store; clock: Clock; node?: string; onFault?: (error: unknown) => void },
  ) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#bound = new AuditLimiter(parts.clock);
    this.#node = parts.node ?? "1";
    this.#log = logOf(this.#node);
    this.#onFault = parts.onFault ?? (() => {});
  }

  tell(happening: GatewayEvent): void {
    const act = actOf(happening);
    if (act) this.write(act);
  }

  /** Writes a line, behind; nobody waits for it. */
  write(act: AuditAction): void {
    if (this.#waiting.length >= MAX_QUEUED_ENTRIES || !this.#bound.take(act)) {
      this.#dropped++;
      return;
    }
    this.#waiting.push({ act, at: this.#clock.now() });
    this.#writing ??= this.#drain().catch(this.#onFault).finally(() => this.#writing = undefined);
  }

  /** Resolves when everything told so far is written. */
  async settled(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** Lines of this process's chain, the newest first, before line `before`. */
  async entries(before: number | undefined, limit: number): Promise<AuditEntry[]> {
    await this.settled();
    const end = Math.min(before ?? Infinity, await this.#store.length(this.#log));
    const from = Math.max(0, end - limit);
    return (await this.#store.read(this.#log, from, end - from) as AuditEntry[]).reverse();
  }

  async #drain(): Promise<void> {
    let last = await (this.#last ??= this.#readLast());
    while (this.#waiting.length > 0) {
      const lines: AuditEntry[] = [];
      for (const { act, at } of this.#waiting.splice(0, BATCH_SIZE)) {
        lines.push(last = await seal(act, at, last));
      }
      if (this.#dropped > 0) {
        const detail = `${this.#dropped} lines were left out: too many at once`;
        this.#dropped = 0;
        lines.push(last = await seal({ who: "-", did: "flood", detail }, this.#clock.now(), last));
      }
      await this.#store.append(this.#log, lines);
      this.#last = Promise.resolve(last);
    }
  }

  async #readLast(): Promise<Pick<AuditEntry, "n" | "hash">> {
    await this.#store.set(`auditor:${keyPart(this.#node)}`, this.#log);
    const length = await this.#store.length(this.#log);
    const [line] = length > 0
      ? await this.#store.read(this.#log, length - 1, 1) as AuditEntry[]
      : [];
    return line ?? { n: -1, hash: "" };
  }
}

/** Checks every chain in a store, by the node that wrote it. */
export async function verifyAudit(store: Store): Promise<Record<string, AuditVerification>> {
  const verdicts: Record<string, AuditVerification> = {};
  for (const [key, log] of await store.list("auditor:")) {
    verdicts[key.slice("auditor:".length)] = await verifyLog(store, log);
  }
  return verdicts;
}

async function verifyLog(store: Store, log: string): Promise<AuditVerification> {
  let last: Pick<AuditEntry, "n" | "hash"> = { n: -1, hash: "" };
  while (true) {
    const lines = await store.read(log, last.n + 1, BATCH_SIZE) as AuditEntry[];
    for (const line of lines) {
      const n = last.n + 1;
      const why = line.n !== n
        ? `it says it is line ${line.n}`
        : line.before !== last.hash
        ? "it does not follow from the line before"
        : line.hash !== await hashOf(line)
        ? "its words were changed"
        : undefined;
      if (why !== undefined) return { lines: n, head: last.hash, broken: { n, why } };
      last = line;
    }
    if (lines.length < BATCH_SIZE) return { lines: last.n + 1, head: last.hash };
  }
}

async function seal(
  act: AuditAction,
  at: number,
  last: Pick<AuditEntry, "n" | "hash">,
): Promise<AuditEntry> {
  const { who, did, whom, from, detail } = act;
  const cut = (text: string | undefined) => text?.slice(0, 500);
  const line = {
    n: last.n + 1,
    at,
    who: who.slice(0, 500),
    did,
    whom: cut(whom),
    from: cut(from),
    detail: cut(detail),
  };
  const open = { ...line, before: last.hash };
  return { ...open, hash: await hashOf(open) };
}

async function hashOf(line: Omit<AuditEntry, "hash">): Promise<string> {
  const { n, at, who, did, whom, from, detail, before } = line;
  const words = JSON.stringify([
    n,
    at,
    who,
    did,
    whom ?? null,
    from ?? null,
    detail ?? null,
    before,
  ]);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(words)))
    .toHex();
}

function logOf(node: string): string {
  return `audit:${keyPart(node)}`;
}

function actOf(happening: GatewayEvent): AuditAction | undefined {
  switch (happening.type) {
    case "signed_in":
      return { who: happening.person, did: "sign_in", from: happening.address };
    case "signed_out":
      return { who: happening.person, did: "sign_out" };
    case "sign_in_refused":
      return {
        who: "-",
        did: "sign_in_refused",
        whom: happening.name,
        from: happening.address,
        detail: happening.why,
      };
    case "bot_refused":
      // Whoever it was that claimed this id has not shown that it is theirs.
      return {
        who: "-",
        did: "bot_refused",
        whom: happening.bot,
        from: happening.address,
        detail: happening.why,
      };
    case "callback_refused": {
      const { channel, app, address, why } = happening;
      return {
        who: "-",
        did: "callback_refused",
        whom: `${channel}:${app}`,
        from: address,
        detail: why,
      };
    }
    case "acted":
      return happening.act;
    default:
      return undefined;
  }
}
