/** How a run ended, from what OpenClaw tells of it. */
import assert from "node:assert/strict";
import { type RunEnd, RunEnding } from "../../plugin/src/run_ending.ts";

const quiet = { stopped: false, deferred: false };
const done = { status: "done" } as const;
const cancelled = { status: "cancelled" } as const;
const failed = (words: string) => ({ status: "failed", words }) as const;

const CASES: readonly [
  what: string,
  told: (ending: RunEnding) => void,
  how: typeof quiet,
  end: RunEnd,
][] = [
  ["an answer", (e) => (e.begin(), e.outcome("completed"), e.answer()), quiet, done],
  ["a command, which is answered without a run", (e) => e.answer(), quiet, done],
  ["a run that meant to say nothing", (e) => (e.begin(), e.outcome("completed")), quiet, done],
  ["nothing at all", () => {}, quiet, done],
  [
    "a failure",
    (e) => (e.begin(), e.outcome("failed"), e.error("⚠️ HTTP 500")),
    quiet,
    failed("HTTP 500"),
  ],
  [
    "a failure of which no word came",
    (e) => (e.begin(), e.outcome("failed")),
    quiet,
    failed("OpenClaw could not complete this answer."),
  ],
  [
    "a failure behind half an answer",
    (e) => (e.begin(), e.answer(), e.outcome("failed"), e.error("timed out"), e.error("timed out")),
    quiet,
    failed("timed out"),
  ],
  [
    "a failure after which a fallback said nothing",
    (e) => (e.begin(), e.outcome("failed"), e.outcome("completed"), e.error("no reply")),
    quiet,
    failed("no reply"),
  ],
  [
    "an error without a run, such as a model that is not allowed",
    (e) => e.error("no"),
    quiet,
    failed("no"),
  ],
  [
    "a tool's failure beside an answer",
    (e) => (e.begin(), e.outcome("completed"), e.answer(), e.error("x")),
    quiet,
    done,
  ],
  [
    "a run that this plugin stopped",
    (e) => (e.begin(), e.answer()),
    { ...quiet, stopped: true },
    cancelled,
  ],
  ["a run that was stopped from elsewhere", (e) => e.begin(), quiet, cancelled],
  ["a message that went into another run", (e) => e.begin(), { ...quiet, deferred: true }, done],
];

for (const [what, told, how, end] of CASES) {
  Deno.test(`${what} ends as ${end.status}`, () => {
    const ending = new RunEnding();
    told(ending);
    assert.deepEqual(ending.end(how), end);
  });
}
