/**
 * Settings in environment variables: `PORT`, and `NEXUS_<KEY>` for every key, such as
 * `NEXUS_REPLY_TIMEOUT` and `NEXUS_QUEUE__TOTAL`. Lists and objects are JSON.
 */
import type { z } from "zod";
import { type ConfigProblem, type Fields, shown } from "./problem.ts";
import { configSchema } from "./schema.ts";
import { fieldAt } from "./schema_walk.ts";

/** Reads the variables. A problem names the variable as its path. */
export function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): { overrides: Fields; problems: ConfigProblem[] } {
  const overrides: Fields = {};
  const problems: ConfigProblem[] = [];
  const set = (variable: string, keys: string[], raw: string) => {
    const field = fieldAt(configSchema, keys);
    if (!field) {
      problems.push({
        path: variable,
        message: "is not a setting; see docs/configuration.md",
      });
      return;
    }
    // A JSON list is read as a list even if the setting accepts a text, as `botToken` does.
    const value = !raw.startsWith("[") && field.safeParse(raw).success
      ? raw
      : listOrText(field, raw);
    const checked = field.safeParse(value);
    if (!checked.success) {
      for (const issue of checked.error.issues) {
        problems.push({ path: variable, message: `${issue.message}, got ${shown(keys, raw)}` });
      }
      return;
    }
    let target = overrides;
    for (const key of keys.slice(0, -1)) target = (target[key] ??= {}) as Fields;
    target[keys.at(-1)!] = value;
  };
  for (const [variable, raw] of Object.entries(env)) {
    if (raw === undefined || !variable.startsWith("NEXUS_") || isOfKubernetes(variable, raw)) {
      continue;
    }
    set(variable, variable.slice("NEXUS_".length).split("__").map(camel), raw);
  }
  if (env.PORT) set("PORT", ["port"], env.PORT);
  return { overrides, problems };
}

/**
 * Kubernetes sets variables with the same prefix in every pod of a service called `nexus`
 * (NEXUS_SERVICE_HOST, NEXUS_PORT=tcp://…).
 */
function isOfKubernetes(variable: string, value: string): boolean {
  return /^NEXUS_(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP|SCTP))(_|$)/.test(variable) ||
    (variable === "NEXUS_PORT" && /^(tcp|udp|sctp):\/\//.test(value));
}

/** `SESSION_TTL` → `sessionTTL`, by the spelling the schema knows. */
function camel(upper: string): string {
  const plain = upper.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  return plain === "sessionTtl" ? "sessionTTL" : plain;
}

/**
 * Parses the value as JSON if the setting accepts the result; a text that only looks like a list
 * stays a text.
 */
function listOrText(field: z.ZodType, raw: string): unknown {
  const value = fromJson(raw);
  return field.safeParse(value).success || !field.safeParse(raw).success ? value : raw;
}

function fromJson(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return raw;
  }
}
