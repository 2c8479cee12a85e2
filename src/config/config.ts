/**
 * The configuration: reads `config.json` and the environment, and reports all mistakes at once.
 */
import { z } from "zod";
import { appProblems } from "./app_problems.ts";
import { readEnvironment } from "./environment.ts";
import { nameProblems } from "./name_problems.ts";
import { type ConfigProblem, type Fields, show, shown } from "./problem.ts";
import { type Config, configSchema } from "./schema.ts";
import { unknownKeys } from "./schema_walk.ts";

export { type Config, configSchema } from "./schema.ts";
export type { ConfigProblem } from "./problem.ts";

export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: ConfigProblem[] }
  | { readonly ok: false; readonly problems: ConfigProblem[] };

/**
 * Reads a configuration file's text together with the environment, which overrides it: `PORT`, and
 * `NEXUS_<KEY>` for every key (`NEXUS_REPLY_TIMEOUT`, `NEXUS_QUEUE__TOTAL`; lists and objects as
 * JSON).
 */
export function readConfig(
  fileText: string,
  env: Readonly<Record<string, string | undefined>> = {},
): ConfigResult {
  let file: unknown;
  try {
    file = JSON.parse(fileText.replace(/^\ufeff/, ""));
  } catch (error) {
    return {
      ok: false,
      problems: [{ path: "(file)", message: `must be JSON: ${(error as Error).message}` }],
    };
  }
  if (typeof file !== "object" || file === null || Array.isArray(file)) {
    return {
      ok: false,
      problems: [{ path: "(file)", message: `must be a JSON object, got ${show(file)}` }],
    };
  }
  const { overrides, problems } = readEnvironment(env);
  const merged = merge(file as Fields, overrides);
  const parsed = configSchema.safeParse(merged);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const path = issue.path.map(String);
      problems.push({
        path: path.join(".") || "(file)",
        message: `${issue.message}, got ${shown(path, at(merged, path))}`,
      });
    }
  }
  const names = nameProblems(parsed.data?.bots ?? {});
  problems.push(...names.problems);
  const apps = parsed.success ? appProblems(parsed.data) : undefined;
  problems.push(...apps?.problems ?? []);
  if (problems.length > 0 || !parsed.success) return { ok: false, problems };
  const warnings = [...names.warnings, ...apps?.warnings ?? []];
  unknownKeys(merged, configSchema, [], warnings);
  return { ok: true, config: parsed.data, warnings };
}

/** The JSON Schema of the file, for completion in editors. */
export function configJsonSchema(): Record<string, unknown> {
  return {
    title: "Nexus configuration",
    ...z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any" }),
  };
}

/** Which top-level keys differ between two configurations. */
export function changedKeys(before: Config, after: Config): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].filter((key) =>
    JSON.stringify(before[key as keyof Config]) !== JSON.stringify(after[key as keyof Config])
  ).sort();
}

/**
 * What the ids of people begin with who sign in, or are seen in a chat, by an app of a platform:
 * `lark:main:`.
 */
export function chatPrefixesOf({ channels, signIn }: Config): string[] {
  const { lark, dingtalk, wecom } = signIn;
  const prefixes = new Set<string>();
  const add = (platform: string, ...scopes: (string | undefined)[]) => {
    for (const scope of scopes) if (scope !== undefined) prefixes.add(`${platform}:${scope}:`);
  };
  for (const [name, { appId }] of Object.entries(channels.feishu)) add("lark", name, appId);
  for (const [name, { clientId }] of Object.entries(channels.dingtalk)) {
    add("dingtalk", name, clientId);
  }
  for (const [name, app] of Object.entries(channels.wecom)) {
    add("wecom", name, app.kind === "webhook" ? undefined : app.corpId);
  }
  add("lark", lark?.appId);
  add("dingtalk", dingtalk?.appKey);
  add("wecom", wecom?.corpId);
  return [...prefixes];
}

function merge(file: Fields, overrides: Fields): Fields {
  const merged: Fields = { ...file };
  for (const [key, value] of Object.entries(overrides)) {
    const old = merged[key];
    merged[key] = isFields(value) && isFields(old) ? merge(old, value) : value;
  }
  return merged;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function at(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const key of path) {
    if (typeof current !== "object" || current === null) return undefined;
    current = (current as Fields)[key];
  }
  return current;
}
