/**
 * A checkup tries every connection to somebody else's service once: apps on chat platforms, model
 * APIs, ways to sign in. `nexus check --online` prints what it finds; the running gateway keeps the
 * newest result for its admins.
 */
import type { Clock } from "./clock.ts";
import { type Finding, FindingReport, withoutSecrets } from "./finding.ts";

/** How thoroughly: `thrifty` makes no call that costs money or counts against a month's quota. */
export type Thoroughness = "thrifty" | "full";

/** The check of one target. */
export interface Probe {
  /** Its place in the configuration, such as `bots.gpt`. */
  readonly target: string;
  /**
   * Adds what is wrong to the report and returns the values that nobody may see. May throw: then it
   * could not be checked.
   */
  run(report: FindingReport, how: Thoroughness): Promise<readonly string[]>;
}

/** What came of one target's check. */
export interface CheckResult {
  readonly target: string;
  /** When it ended, milliseconds since the epoch. */
  readonly at: number;
  readonly findings: readonly Finding[];
}

export interface CheckupParts {
  /** All that are configured now. */
  readonly probes: () => readonly Probe[];
  readonly clock: Clock;
}

/** Milliseconds that the check of one target may take in all. */
export const CHECK_TIMEOUT_MS = 30_000;

/** Milliseconds after a check in which another one is not begun by a press of a button. */
const PAUSE = 10_000;

/** Targets that are checked at once. */
const AT_ONCE = 8;

export class Checkup {
  readonly #p: CheckupParts;
  #results: readonly CheckResult[] = [];
  #flight: Promise<readonly CheckResult[]> | undefined;
  #at: number | undefined;

  constructor(parts: CheckupParts) {
    this.#p = parts;
  }

  /** What the last check found, of targets that are still configured. */
  get results(): readonly CheckResult[] {
    const targets = new Set(this.#p.probes().map(({ target }) => target));
    return this.#results.filter(({ target }) => targets.has(target));
  }

  /** When the last check ended; nothing before the first one has. */
  get at(): number | undefined {
    return this.#at;
  }

  get running(): boolean {
    return this.#flight !== undefined;
  }

  /** Checks everything. Who asks while a check is under way gets that one's result. */
  run(how: Thoroughness = "full"): Promise<readonly CheckResult[]> {
    return this.#flight ??= this.#all(how).then((results) => {
      this.#at = this.#p.clock.now();
      return this.#results = results;
    }).finally(() => this.#flight = undefined);
  }

  /**
   * Checks everything once more, unless the last check ended only just now. Whether a new check was
   * begun.
   */
  async again(): Promise<boolean> {
    const isNew = !this.running &&
      (this.#at === undefined || this.#p.clock.now() - this.#at >= PAUSE);
    if (isNew || this.running) await this.run();
    return isNew;
  }

  async #all(how: Thoroughness): Promise<CheckResult[]> {
    const probes = this.#p.probes();
    const results: CheckResult[] = new Array(probes.length);
    let next = 0;
    const work = async () => {
      for (let at = next++; at < probes.length; at = next++) {
        results[at] = await this.#one(probes[at]!, how);
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, probes.length) }, work));
    return results;
  }

  async #one(probe: Probe, how: Thoroughness): Promise<CheckResult> {
    const { clock } = this.#p;
    const { target } = probe;
    const report = new FindingReport(target);
    const late = Promise.withResolvers<"late">();
    const stop = clock.after(CHECK_TIMEOUT_MS, () => late.resolve("late"));
    const running = probe.run(report, how).catch((): "failed" => "failed");
    const end = await Promise.race([running, late.promise]);
    stop();
    // What a service said stays unread where its secrets are not known.
    const found = end === "late" || end === "failed"
      ? [unchecked(target, end)]
      : withoutSecrets(report.found, end);
    return { target, at: clock.now(), findings: found };
  }
}

function unchecked(target: string, why: "late" | "failed"): Finding {
  const report = new FindingReport(target);
  const todo = {
    en: "look at the network between the gateway and the service, and check again",
    zh: "检查网关与该服务之间的网络，然后重新检查",
  };
  if (why === "late") {
    const seconds = CHECK_TIMEOUT_MS / 1000;
    report.wrong("", {
      en: `the check did not end within ${seconds} s`,
      zh: `检查没有在 ${seconds} 秒内结束`,
    }, todo);
  } else report.wrong("", { en: "the check itself failed", zh: "检查本身失败了" }, todo);
  return report.found[0]!;
}
