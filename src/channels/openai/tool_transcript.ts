/**
 * This is how calls of tools that stand in a talk are told to a bot, in words: another model made
 * them before, and no wire of ours has a place for them.
 */
import type { ChatMessage } from "../../core/message.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Names the tools of one talk by the ids of their calls. */
export class ToolTranscript {
  readonly #names = new Map<string, string>();

  /** A model's calls, as chat completions list them, behind what it said. */
  called(text: string, calls: readonly unknown[]): string {
    const told = calls.map((call) => {
      const { id, custom, function: called } = fieldsOf(call);
      const { name, arguments: args, input } = fieldsOf(called ?? custom);
      return this.call(id, name, args ?? input);
    });
    return [text, ...told].filter((line) => line !== "").join("\n");
  }

  /** One call. */
  call(id: unknown, name: unknown, args: unknown): string {
    const known = wordOf(name) || "a tool";
    if (typeof id === "string") this.#names.set(id, known);
    return `[called ${known}(${wordOf(args)})]`;
  }

  /** What came back, as the user's words: nobody else can say something to a bot. */
  result(
    id: unknown,
    name: unknown,
    { text, images }: Pick<ChatMessage, "text" | "images">,
  ): ChatMessage {
    const known = wordOf(name) || (typeof id === "string" ? this.#names.get(id) : undefined) ||
      "a tool";
    return { role: "user", text: `[result of ${known}]\n${text}`, images };
  }
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? value as Fields : {};
}

function wordOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
