/**
 * Checks the names of bots and pools: a pool must not have the name of a bot, and two names that
 * look alike are a warning.
 */
import { DEMO, foldName, isBotName } from "../core/bot_name.ts";
import type { ConfigProblem } from "./problem.ts";

/** The mistakes in the names of model APIs and their pools. */
export function nameProblems(
  bots: Readonly<Record<string, { readonly pool?: string }>>,
): { problems: ConfigProblem[]; warnings: ConfigProblem[] } {
  const problems: ConfigProblem[] = [], warnings: ConfigProblem[] = [];
  const looks = new Map([[DEMO, DEMO]]);
  const look = (path: string, name: string) => {
    const other = looks.get(foldName(name));
    if (other === undefined) looks.set(foldName(name), name);
    else if (other !== name) {
      warnings.push({ path, message: `looks like ${JSON.stringify(other)}` });
    }
  };
  for (const id of Object.keys(bots)) look(`bots.${id}`, id);
  for (const [id, { pool }] of Object.entries(bots)) {
    if (pool === undefined) continue;
    const path = `bots.${id}.pool`;
    if (pool === DEMO || Object.hasOwn(bots, pool)) {
      problems.push({ path, message: `must not be the id of a bot, got ${JSON.stringify(pool)}` });
    } else if (isBotName(pool)) look(path, pool);
    else {warnings.push({
        path,
        message: "nobody can ask for this pool: its name has white space, @ or hidden characters",
      });}
  }
  return { problems, warnings };
}
