/**
 * `nexus audit verify`: whether the audit log is as it was written.
 */
import { verifyAudit } from "../core/people/audit.ts";
import { readOptions } from "./command.ts";
import { withStore } from "./store.ts";

const USAGE = `Usage: nexus audit verify [--dir DIR] [--json]

Checks the chain of hashes of the audit log, also while the gateway runs. Exit code 1: the chain is
broken; the first entry that does not match is printed. Note the printed head elsewhere: it proves
later that the end was not cut off either.`;

export async function audit(args: readonly string[]): Promise<number> {
  const read = readOptions(
    args,
    { dir: { type: "string", default: "." }, json: { type: "boolean" } },
    USAGE,
    1,
  );
  if (typeof read === "number") return read;
  const { values, positionals: [verb] } = read;
  if (verb !== "verify") {
    console.error(USAGE);
    return 2;
  }
  return await withStore(values.dir, values.json, async (store) => {
    const verdicts = await verifyAudit(store);
    const entries = Object.entries(verdicts);
    const text = entries.map(([node, { lines, head, broken }]) =>
      broken
        ? `${node}: BROKEN at line ${broken.n}: ${broken.why}`
        : `${node}: ${lines} lines, whole; head ${head}`
    ).join("\n");
    const broken = entries.some(([, verdict]) => verdict.broken);
    return { text: text || "the audit log is empty", json: verdicts, code: broken ? 1 : 0 };
  }, false);
}
