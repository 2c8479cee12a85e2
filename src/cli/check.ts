/**
 * `nexus check`: is the configuration right? Says everything that is wrong at once and starts
 * nothing.
 */
import { configJsonSchema } from "../config/config.ts";
import { readOptions } from "./command.ts";
import { configPath, formatProblems, loadConfig, readConfigText } from "./config_file.ts";

const USAGE = `Usage: nexus check [--dir DIR] [--online [--language en|zh]] [--json] [--schema]

Checks config.json and the NEXUS_* variables without starting anything.

  --dir DIR   the folder of config.json (default: the current one)
  --online    also try once what they name: apps on chat platforms, model APIs, ways to sign in
  --language  en or zh: of what --online finds (default: by LANG)
  --json      print {"ok","problems","warnings"} as JSON, with --online also "checked"
  --schema    print the JSON Schema of config.json instead

Exit code 0: all right; 1: something is wrong.`;

export async function check(args: readonly string[]): Promise<number> {
  const read = readOptions(args, {
    dir: { type: "string", default: "." },
    json: { type: "boolean" },
    schema: { type: "boolean" },
    online: { type: "boolean" },
    language: { type: "string" },
  }, USAGE);
  if (typeof read === "number") return read;
  const { dir, json, schema, online, language } = read.values;
  if (schema) {
    console.log(JSON.stringify(configJsonSchema(), null, 2));
    return 0;
  }
  const result = await loadConfig(dir);
  if (online && result.ok) {
    const { checkOnline } = await import("./online.ts");
    return await checkOnline(dir, result, { json, language });
  }
  const problems = result.ok ? [] : result.problems;
  const warnings = result.ok ? result.warnings : [];
  if (json) {
    console.log(JSON.stringify({ ok: result.ok, problems, warnings }));
    return result.ok ? 0 : 1;
  }
  const isThere = await readConfigText(dir).catch(() => "") !== undefined;
  if (!isThere) console.log(`There is no ${configPath(dir)} yet: the first start writes one.`);
  if (warnings.length > 0) {
    console.log(`Worth a look in ${configPath(dir)}:\n${formatProblems(warnings)}`);
  }
  if (result.ok) console.log("The configuration is all right.");
  else {console.error(
      `The configuration ${configPath(dir)} is not right:\n${formatProblems(problems)}`,
    );}
  return result.ok ? 0 : 1;
}
