/**
 * A guard against edits that would empty the configuration of a running gateway. A file that a
 * script left empty, or a variable that nobody set, looks like an order to let nobody in, or every
 * bot. A restart confirms that it is meant.
 */
import { type Config, type ConfigProblem, readConfig } from "./config.ts";

/** What the edit would remove; empty if the gateway can take it over. */
export function lostSettings(before: Config, after: Config): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const lose = (path: string, message: string) =>
    problems.push({ path, message: `${message}; ${MEANT}` });
  if (isBare(after) && !isBare(before)) lose("(file)", "would lose every setting");
  if (isEmpty(after.users) && !isEmpty(before.users)) lose("users", "would lose all people");
  if (after.botToken === "" && before.botToken !== "") {
    lose("botToken", "would become empty, which lets every bot in");
  }
  return problems;
}

const MEANT = "restart the gateway if that is meant";

/**
 * Whether nothing is set. The port and the address do not count, because the command line sets them
 * for an empty file too.
 */
function isBare(config: Config): boolean {
  const bare = readConfig("{}");
  if (!bare.ok) return false;
  return (Object.keys(config) as (keyof Config)[]).every((key) =>
    ["$schema", "host", "port"].includes(key) ||
    JSON.stringify(config[key]) === JSON.stringify(bare.config[key])
  );
}

function isEmpty(fields: object): boolean {
  return Object.keys(fields).length === 0;
}
