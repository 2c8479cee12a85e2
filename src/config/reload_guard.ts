/**
 * What an edit of the configuration must not do to a gateway that runs. A file that a script left
 * empty, or a variable that nobody set, reads like an order to let nobody in, or every bot; a
 * restart is the way to say that this is meant.
 */
import { type Config, readConfig } from "./config.ts";
import type { ConfigProblem } from "./config.ts";

/** What the change would take away; empty where it may be taken over. */
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
 * Whether nothing is set. The port and the address do not count: the command line gives them to an
 * empty file, too.
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
