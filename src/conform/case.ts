/**
 * This is what a conformance case is, and how a row of them is run and judged. It knows neither
 * side of the wire.
 */

/** Where the rules are written. The kit's links are relative to it. */
export const PROTOCOL_PAGE = "docs/protocol.md";

/** One rule, tried on a stage `S`. */
export interface Case<S> {
  /** Short, stable and unique: a CI may name it. */
  readonly name: string;
  /** What is expected, and what goes wrong for somebody when it does not hold. */
  readonly why: string;
  /** The section of the protocol page. */
  readonly anchor: string;
  /** `should` is shown, but does not fail the run. */
  readonly level: "must" | "should";
  /** The version of the protocol for which the rule holds. */
  readonly version: 1 | 2 | "both";
  /**
   * What the other side must be able to do. Where it is not, the case is skipped with the reason
   * that the stage gives.
   */
  readonly needs?: readonly string[];
  /** Tries it. Throws {@linkcode Failed} or {@linkcode Skipped}; may return what was seen. */
  run(stage: S): Promise<string | void>;
}

export interface Result {
  readonly name: string;
  readonly why: string;
  readonly link: string;
  readonly level: "must" | "should";
  readonly version: 1 | 2 | "both";
  readonly result: "pass" | "fail" | "skipped";
  /** What was seen, or why it was skipped. */
  readonly seen: string;
  /** Milliseconds. */
  readonly took: number;
}

/** The other side did something else than it should. The message tells what was seen. */
export class Failed extends Error {}

/** It cannot be tried. The message tells why. */
export class Skipped extends Error {}

/** `seen` tells what was seen when `holds` is false. */
export function expect(holds: unknown, seen: string): asserts holds {
  if (!holds) throw new Failed(seen);
}

/** What every stage offers the runner. */
export interface Stage {
  /** Why a need is not met; `undefined` when it is. */
  lacks(need: string): string | undefined;
  /** Why nothing of a version can be tried; `undefined` when it can. */
  lacksVersion(version: 1 | 2 | "both"): string | undefined;
  /** Called after each case, whatever its outcome. */
  tidy(): Promise<void>;
}

/** Runs the cases one after the other. `tell` gets each result as it comes. */
export async function runCases<S extends Stage>(
  cases: readonly Case<S>[],
  stage: S,
  tell: (result: Result) => void = () => {},
): Promise<Result[]> {
  const results: Result[] = [];
  for (const one of cases) {
    const began = performance.now();
    const [result, seen] = await judge(one, stage);
    const { name, why, anchor, level, version } = one;
    const took = Math.round(performance.now() - began);
    results.push({
      name,
      why,
      link: `${PROTOCOL_PAGE}#${anchor}`,
      level,
      version,
      result,
      seen,
      took,
    });
    tell(results.at(-1)!);
  }
  return results;
}

async function judge<S extends Stage>(one: Case<S>, stage: S): Promise<[Result["result"], string]> {
  const lack = stage.lacksVersion(one.version) ??
    one.needs?.map((need) => stage.lacks(need)).find((why) => why);
  if (lack) return ["skipped", lack];
  try {
    return ["pass", await one.run(stage) ?? "as expected"];
  } catch (error) {
    if (error instanceof Skipped) return ["skipped", error.message];
    if (error instanceof Failed) return ["fail", error.message];
    return ["fail", `unexpected: ${error instanceof Error ? error.message : error}`];
  } finally {
    await stage.tidy();
  }
}

/** Several that wait for something to become true, with a time-out each. */
export class Waiting {
  #waiting = new Set<() => void>();

  /** Whatever is waited for may have become true. */
  wake(): void {
    for (const look of [...this.#waiting]) look();
  }

  /**
   * Resolves with the first value of `look` that is not `undefined` or `false`; throws {@linkcode
   * Failed} with `what` past `ms`.
   */
  until<T>(look: () => T | undefined | false, ms: number, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        this.#waiting.delete(again);
      };
      const again = () => {
        let found: T | undefined | false;
        try {
          found = look();
        } catch (error) {
          end();
          return reject(error);
        }
        if (found === undefined || found === false) return;
        end();
        resolve(found);
      };
      const timer = setTimeout(() => {
        end();
        reject(new Failed(`${what} did not come within ${ms} ms`));
      }, ms);
      this.#waiting.add(again);
      again();
    });
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A text in at most 60 characters, for a report. */
export function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
