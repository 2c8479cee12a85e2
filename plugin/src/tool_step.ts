/**
 * A step of a tool as people see it: its name, its progress, and a glimpse of what it works on.
 */
import type { CommandOutput, ItemEvent, ToolStart } from "./host.ts";

/** UTF-16 units of one shown value: enough for a path or a command, too little for a file. */
const GLIMPSE = 300;
/** UTF-16 units of what a command printed. */
const OUTPUT = 1000;

/** One JSON object on the wire. */
export type ToolStep = Readonly<Record<string, unknown>> & {
  /** The same for all steps of one call. */
  readonly id?: string;
  readonly name: string;
  readonly status: "start" | "update" | "end" | "error";
  readonly title?: string;
  /** The arguments as JSON, cut. */
  readonly input?: string;
  /** What a command printed, cut. OpenClaw hands out no result of other tools. */
  readonly output?: string;
  readonly exitCode?: number;
};

export function toolStep(step: ToolStart | ItemEvent): ToolStep {
  const item = step as ItemEvent & ToolStart;
  const title = item.title ?? item.summary;
  const input = item.args && cut(JSON.stringify(item.args));
  return {
    id: item.toolCallId ?? item.itemId,
    name: item.name ?? item.kind ?? "tool",
    status: statusOf(item.phase, item.status),
    ...(title ? { title: cut(title) } : {}),
    ...(input && input !== "{}" ? { input } : {}),
  };
}

/** The end of a command, with what it printed; nothing while it runs. */
export function commandStep(
  { toolCallId, itemId, name, phase, status, output, exitCode }: CommandOutput,
):
  | ToolStep
  | undefined {
  if (phase !== "end") return undefined;
  return {
    id: toolCallId ?? itemId,
    name: name ?? "command",
    status: statusOf(phase, exitCode ? "failed" : status),
    ...(output ? { output: cut(output, OUTPUT) } : {}),
    ...(typeof exitCode === "number" ? { exitCode } : {}),
  };
}

function statusOf(phase: string | undefined, status: string | undefined): ToolStep["status"] {
  if (status === "failed" || status === "error" || status === "blocked") return "error";
  if (phase === "end" || phase === "result" || status === "completed") return "end";
  return phase === "update" ? "update" : "start";
}

function cut(text: string, most = GLIMPSE): string {
  return text.length > most ? `${text.slice(0, most).toWellFormed()}…` : text;
}
