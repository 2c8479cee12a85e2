/**
 * Requests that a chat program makes for itself: a title for the chat, tags, what one might ask
 * next. Nobody wants to find them among their conversations.
 *
 * Sources: Open WebUI 0.10 to 0.12 (`routers/tasks.py`, `config.py`, `utils/headers.py`),
 * LibreChat's agents (`utils/title.ts`), LobeChat (`chains/summaryTitle.ts`), Cherry Studio
 * (`prompts.ts`). Open WebUI sends what it knows of a task only in a header that an admin adds to
 * the connection, the others not at all. So tasks are known by their words as well: one message,
 * made of a template.
 */
import type { ChatMessage } from "../../core/message.ts";

/** Names of tasks: `title_generation`, `follow_up_generation`, `function_calling`, … */
const NAMES = /^(?:[a-z_]{1,50}_generation|function_calling)$/;

/**
 * Most templates of Open WebUI begin and end so. The one for documents begins in the same way and
 * has no history of a chat in it: what it asks is the person's own question.
 */
const BEGIN = "### Task:\n", END = "</chat_history>";

/** How other templates of the user's message begin. */
const ASKED = [
  "### Task:\nYou are an autocompletion system.",
  "Your task is to reflect the speaker's likely facial expression through a fitting emoji.",
  "Provide a concise, 5-word-or-less title for the conversation",
  "Analyze this conversation and provide:\n1. The detected language of the conversation\n2. A concise title",
];

/** How templates of the system's message begin. */
const TOLD = [
  "You are a professional conversation summarizer. Generate a concise title",
  "总结给出的会话，将其总结为语言为",
  "Summarize the given session as a 10-word title",
];

/** Whether a request says that it is a task. */
export function isBackgroundTask(
  headers: Headers,
  { task, messages }: { task?: unknown; messages: readonly ChatMessage[] },
): boolean {
  // Before 0.10 Open WebUI sends the placeholder {{TASK}} as it stands, with every request.
  const named = headers.get("x-openwebui-task") || task;
  if (typeof named === "string" && NAMES.test(named)) return true;
  const [only, ...more] = messages.filter(({ role }) => role !== "system");
  if (!only || more.length > 0 || only.role !== "user") return false;
  if (
    begins(only.text, ASKED) || (messages[0]!.role === "system" && begins(messages[0]!.text, TOLD))
  ) {
    return true;
  }
  return only.text.startsWith(BEGIN) && only.text.trimEnd().endsWith(END);
}

function begins(text: string, templates: readonly string[]): boolean {
  return templates.some((template) => text.startsWith(template));
}
