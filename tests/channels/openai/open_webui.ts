/**
 * Requests as Open WebUI 0.10 to 0.12 sends them to a connection of type OpenAI, with the long
 * templates shortened in the middle (`…`).
 */

function tool(name: string, properties: Record<string, { type: string }>) {
  const parameters = { type: "object", properties, required: [] };
  return { type: "function", function: { name, description: `${name} …`, parameters } };
}

/** A person's question, with the tools that Open WebUI has built in. */
export const CHAT = {
  stream: true,
  model: "gpt",
  messages: [{ role: "user", content: "What did I note about the trip?" }],
  tools: [
    tool("get_current_timestamp", {}),
    tool("search_notes", { query: { type: "string" }, count: { type: "integer" } }),
    tool("search_chats", { query: { type: "string" }, count: { type: "integer" } }),
    tool("search_memories", { query: { type: "string" } }),
  ],
};

const HISTORY =
  "<chat_history>\nUSER: What did I note about the trip?\nASSISTANT: That it rains.\n</chat_history>";

function task(content: string, more: Record<string, unknown> = {}) {
  return { model: "gpt", messages: [{ role: "user", content }], stream: false, ...more };
}

/** What it asks for itself behind an answer, while somebody types, and before it searches. */
export const TASKS: Readonly<Record<string, Record<string, unknown>>> = {
  title: task(
    "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.\n### Guidelines:\n- …\n" +
      `### Output:\nJSON format: { "title": "your concise title here" }\n### Chat History:\n${HISTORY}`,
    { max_completion_tokens: 1000 },
  ),
  tags: task(
    "### Task:\nGenerate 1-3 broad tags categorizing the main themes of the chat history, …\n\n### Guidelines:\n- …\n\n" +
      `### Output:\nJSON format: { "tags": ["tag1", "tag2", "tag3"] }\n\n### Chat History:\n${HISTORY}`,
  ),
  "follow-ups": task(
    "### Task:\nSuggest 3-5 relevant follow-up questions or prompts that the user might naturally ask next …\n" +
      `### Output:\nJSON format: { "follow_ups": ["Question 1?"] }\n### Chat History:\n${HISTORY}`,
  ),
  queries: task(
    "### Task:\nAnalyze the chat history to determine the necessity of generating search queries, …\n\n" +
      `### Output:\nStrictly return in JSON format: \n{\n  "queries": ["query1"]\n}\n\n### Chat History:\n${HISTORY}\n`,
  ),
  "the prompt of an image": task(
    "### Task:\nGenerate a detailed prompt for am image generation task based on the given language and context. …\n\n" +
      `### Output:\nStrictly return in JSON format:\n{ "prompt": "…" }\n\n### Chat History:\n${HISTORY}`,
  ),
  autocompletion: task(
    "### Task:\nYou are an autocompletion system. Continue the text in `<text>` …\n\n---\n### Context:\n" +
      `${HISTORY}\n<type>search query</type>  \n<text>weather in</text>  \n#### Output:\n`,
  ),
  "an emoji": task(
    "Your task is to reflect the speaker's likely facial expression through a fitting emoji. …\n\nMessage: ```hello```",
    { max_completion_tokens: 4 },
  ),
};

/** A person's question about documents. Its template begins like a task's, and it is none. */
export const DOCUMENTS = {
  stream: true,
  model: "gpt",
  messages: [{
    role: "user",
    content:
      "### Task:\nRespond to the user query using the provided context, incorporating inline citations …\n\n" +
      '### Output:\nProvide a clear and direct response …\n\n<context>\n<source id="1">It rains.</source>\n</context>\n\n' +
      "What did I note about the trip?",
  }],
};

/**
 * The header that an admin may add to the connection (`"X-OpenWebUI-Task": "{{TASK}}"`), as it
 * arrives.
 */
export const TASK_HEADER = "x-openwebui-task";
