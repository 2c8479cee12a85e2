/** Conformance cases, and the runner that judges them. It knows neither side of the protocol. */

/** The page with the rules. The kit's links point into it. */
export const PROTOCOL_PAGE = "docs/protocol.md";

/** A rule and its test on a stage `S`. */
export interface ConformCase<S> {
  /** Short, stable and unique: a CI may name it. */
  readonly name: string;
  /** The expectation, and the harm where it does not hold. */
  readonly why: string;
  /** The section of the protocol page. */
  readonly anchor: string;
  /** `should` is shown, but does not fail the run. */
  readonly level: "must" | "should";
  /** The version of the protocol for which the rule holds. */
  readonly version: 1 | 2 | "both";
  /** Abilities of the other side. Without them the case is skipped, with the stage's reason. */
  readonly needs?: readonly string[];
  /** Throws {@linkcode Failed} or {@linkcode Skipped}; may return what it observed. */
  run(stage: S): Promise<string | void>;
}

export interface CaseResult {
  readonly name: string;
  readonly why: string;
  readonly link: string;
  readonly level: "must" | "should";
  readonly version: 1 | 2 | "both";
  readonly result: "pass" | "fail" | "skipped";
  /** The observation, or the reason for skipping. */
  readonly seen: string;
  /** Milliseconds. */
  readonly took: number;
}

/** The other side broke the rule. The message is the observation. */
export class Failed extends Error {}

/** The case cannot run. The message is the reason. */
export class Skipped extends Error {}

/** Throws {@linkcode Failed} with `seen`, the observation, unless `holds`. */
export function expect(holds: unknown, seen: string): asserts holds {
  if (!holds) throw new Failed(seen);
}

/** What the runner needs of a stage. */
export interface ConformStage {
  /** Why a need is not met; `undefined`: it is met. */
  lacks(need: string): string | undefined;
  /** Why a version cannot be tested; `undefined`: it can. */
  lacksVersion(version: 1 | 2 | "both"): string | undefined;
  /** Called after each case, whatever its outcome. */
  cleanUp(): Promise<void>;
}

/** Runs the cases one after the other. `tell` receives each result at once. */
export async function runCases<S extends ConformStage>(
  cases: readonly ConformCase<S>[],
  stage: S,
  tell: (result: CaseResult) => void = () => {},
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
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

async function judge<S extends ConformStage>(
  one: ConformCase<S>,
  stage: S,
): Promise<[CaseResult["result"], string]> {
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
    await stage.cleanUp();
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A text in at most 60 characters, for a report. */
export function preview(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
