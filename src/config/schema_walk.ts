/**
 * Looks into a zod schema: which setting a path names, and which keys of a value are no settings.
 */
import type { z } from "zod";
import type { ConfigProblem } from "./problem.ts";

// deno-lint-ignore no-explicit-any -- zod has no public type for schemas within schemas
type AnySchema = any;

function inner(schema: AnySchema): AnySchema {
  let current = schema;
  while (current?.def?.innerType) current = current.def.innerType;
  return current;
}

/** The schema of the setting at a path; `undefined` if there is none. */
export function fieldAt(schema: AnySchema, keys: readonly string[]): z.ZodType | undefined {
  let current = schema;
  for (const key of keys) {
    const shape = inner(current)?.shape;
    if (!shape || !Object.hasOwn(shape, key)) return undefined;
    current = shape[key];
  }
  return current;
}

/**
 * Adds a warning for each key that is no setting, most likely because it is misspelt. It is no
 * error, because Nexus 1.x ignored unknown keys.
 */
export function unknownKeys(
  value: unknown,
  schema: AnySchema,
  path: string[],
  out: ConfigProblem[],
): void {
  const type = inner(schema);
  if (typeof value !== "object" || value === null) return;
  if (type?.shape) {
    for (const [key, child] of Object.entries(value)) {
      if (Object.hasOwn(type.shape, key)) unknownKeys(child, type.shape[key], [...path, key], out);
      else out.push({ path: [...path, key].join("."), message: "is not a setting and is ignored" });
    }
  } else if (type?.def?.type === "record") {
    for (const [key, child] of Object.entries(value)) {
      unknownKeys(child, type.def.valueType, [...path, key], out);
    }
  }
}
