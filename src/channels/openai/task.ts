/**
 * Requests that a chat program makes for itself: a title for the chat, tags, what one might ask next.
 * Nobody wants to find them among their conversations.
 *
 * Source: Open WebUI 0.10 to 0.12 (`routers/tasks.py`, `config.py`, `utils/headers.py`). It keeps
 * `metadata.task` to itself and sends `X-OpenWebUI-Task` only where an admin added that header to the
 * connection, so that its tasks are also known by their words: one message, made of a template that
 * begins and ends as all of them do. The template for documents (`### Task:` as well) has no history
 * of a chat in it: what it asks is the person's own question.
 */
import type { Said } from "../../core/message.ts";

/** Names of tasks: `title_generation`, `follow_up_generation`, `function_calling`, … */
const NAMES = /^(?:[a-z_]{1,50}_generation|function_calling)$/;

const BEGIN = "### Task:\n", END = "</chat_history>";

/** How the templates begin that end in another way. */
const OTHERS = [
  "### Task:\nYou are an autocompletion system.",
  "Your task is to reflect the speaker's likely facial expression through a fitting emoji.",
];

/** Whether a request says that it is a task. */
export function isTask(headers: Headers, { task, said }: { task?: unknown; said: readonly Said[] }): boolean {
  // Before 0.10 the placeholder {{TASK}} is sent as it stands, with every request.
  const named = headers.get("x-openwebui-task") || task;
  if (typeof named === "string" && NAMES.test(named)) return true;
  const [only, ...more] = said.filter(({ role }) => role !== "system");
  if (!only || more.length > 0 || only.role !== "user") return false;
  if (OTHERS.some((begin) => only.text.startsWith(begin))) return true;
  return only.text.startsWith(BEGIN) && only.text.trimEnd().endsWith(END);
}
