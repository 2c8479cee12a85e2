/** The steps of tools that a bot reports while it answers. */

/** A step of a tool. */
export interface ToolStep {
  readonly name: string;
  readonly state?: string;
  readonly detail?: string;
}

/** Characters of a name. */
const MAX_NAME = 200;

/** Reads a step. Its JSON is free, so the usual fields of different kinds of bots are tried. */
export function readToolStep(content: unknown): ToolStep {
  let found: unknown = content;
  if (typeof content === "string") {
    try {
      found = JSON.parse(content);
    } catch {
      return { name: content.slice(0, MAX_NAME) };
    }
  }
  if (typeof found !== "object" || found === null) {
    return { name: String(found).slice(0, MAX_NAME) };
  }
  const given = found as Record<string, unknown>;
  const text = (value: unknown) =>
    value === undefined || value === null
      ? undefined
      : typeof value === "string"
      ? value
      : JSON.stringify(value, null, 2);
  const name = text(given.name ?? given.title ?? given.tool ?? given.type) ?? "";
  const detail = text(
    given.detail ?? given.output ?? given.result ?? given.args ?? given.input ?? given.text,
  );
  return {
    name: name.slice(0, MAX_NAME),
    state: text(given.phase ?? given.status ?? given.state),
    detail,
  };
}

/** Adds a step. A later state of the same tool (started, then ended) replaces the last step. */
export function addStep(steps: readonly ToolStep[], step: ToolStep): ToolStep[] {
  const last = steps.at(-1);
  if (
    last && last.name === step.name && last.state !== step.state &&
    !/^(done|end|finish|ok|error|result|complete)/i.test(last.state ?? "end")
  ) {
    return [...steps.slice(0, -1), { ...step, detail: step.detail ?? last.detail }];
  }
  return [...steps, step];
}
