/**
 * What is wrong with a configuration, in words. Secrets are never shown.
 */

/** One mistake in a configuration, and what would be right. */
export interface ConfigProblem {
  /** Such as `users.alice.password`, or the name of a variable. */
  readonly path: string;
  readonly message: string;
}

export type Fields = Record<string, unknown>;

/** Returns the value for an error text; for a secret only its type. */
export function shown(path: readonly string[], value: unknown): string {
  if (!/password|token|secret|apikey/i.test(path.at(-1) ?? "")) return show(value);
  return value === undefined
    ? "nothing"
    : Array.isArray(value)
    ? "a list"
    : `${typeof value === "object" ? "an" : "a"} ${typeof value}`;
}

export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  // An address may contain a user name and a password.
  // linear: what follows the slashes ends at the next one.
  const text = (JSON.stringify(value) ?? String(value)).replace(/\/\/[^/@\s]*@/g, "//…@");
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
