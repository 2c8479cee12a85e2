/**
 * A checkup tries every connection to an outside service once: apps on chat platforms, model APIs,
 * ways to sign in. `nexus check --online` prints the findings; the running gateway holds the newest
 * result for its admins.
 */
import type { Clock } from "./clock.ts";
import { type Finding, FindingReport, withoutSecrets } from "./finding.ts";

/**
 * How much a check calls: `thrifty` makes no call that costs money or counts against a monthly
 * quota.
 */
export type Thoroughness = "thrifty" | "full";

/** The check of one target. */
export interface Probe {
  /** Its place in the configuration, such as `bots.gpt`. */
  readonly target: string;
  /**
   * Adds its findings to the report and returns the secrets that must not be shown. Throws where
   * the target could not be checked.
   */
  run(report: FindingReport, how: Thoroughness): Promise<readonly string[]>;
}

/** The result of one target's check. */
export interface CheckResult {
  readonly target: string;
  /** When it ended, milliseconds since the epoch. */
  readonly at: number;
  readonly findings: readonly Finding[];
}

export interface CheckupParts {
  /** The probes of everything that is configured now. */
  readonly probes: () => readonly Probe[];
  readonly clock: Clock;
}

/** The most milliseconds that the check of one target may take. */
export const CHECK_TIMEOUT_MS = 30_000;

/** Milliseconds after a check in which a user cannot start another one. */
const MIN_PAUSE_MS = 10_000;

/** Targets that are checked concurrently. */
const MAX_CONCURRENT = 8;

export class Checkup {
  readonly #parts: CheckupParts;
  #results: readonly CheckResult[] = [];
  #running: Promise<readonly CheckResult[]> | undefined;
  #at: number | undefined;

  constructor(parts: CheckupParts) {
    this.#parts = parts;
  }

  /** The results of the last check for targets that are still configured. */
  get results(): readonly CheckResult[] {
    const targets = new Set(this.#parts.probes().map(({ target }) => target));
    return this.#results.filter(({ target }) => targets.has(target));
  }

  /** When the last check ended; nothing before the end of the first. */
  get at(): number | undefined {
    return this.#at;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  /** Checks everything. A call during a check gets the result of that check. */
  run(how: Thoroughness = "full"): Promise<readonly CheckResult[]> {
    return this.#running ??= this.#all(how).then((results) => {
      this.#at = this.#parts.clock.now();
      return this.#results = results;
    }).finally(() => this.#running = undefined);
  }

  /**
   * Checks everything again, unless the last check has just ended. Returns whether a new check
   * began.
   */
  async again(): Promise<boolean> {
    const isNew = !this.running &&
      (this.#at === undefined || this.#parts.clock.now() - this.#at >= MIN_PAUSE_MS);
    if (isNew || this.running) await this.run();
    return isNew;
  }

  async #all(how: Thoroughness): Promise<CheckResult[]> {
    const probes = this.#parts.probes();
    const results: CheckResult[] = new Array(probes.length);
    let next = 0;
    const work = async () => {
      for (let at = next++; at < probes.length; at = next++) {
        results[at] = await this.#one(probes[at]!, how);
      }
    };
    await Promise.all(Array.from({ length: Math.min(MAX_CONCURRENT, probes.length) }, work));
    return results;
  }

  async #one(probe: Probe, how: Thoroughness): Promise<CheckResult> {
    const { clock } = this.#parts;
    const { target } = probe;
    const report = new FindingReport(target);
    const late = Promise.withResolvers<"late">();
    const stop = clock.after(CHECK_TIMEOUT_MS, () => late.resolve("late"));
    const running = probe.run(report, how).catch((): "failed" => "failed");
    const end = await Promise.race([running, late.promise]);
    stop();
    // Without the secrets of a service, its answers cannot be cleaned, so they are not shown.
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
