/**
 * This is docs/api.md: a guide, and below it every route as it is declared
 * (`src/channels/http/route.ts`).
 */
import { z } from "zod";
import { createApp } from "../src/app/app.ts";
import type { Route } from "../src/channels/http/route.ts";
import { readConfig } from "../src/config/config.ts";
import { formatted } from "./generated.ts";

export const API_PAGE = "docs/api.md";

const TAGS: Readonly<Record<string, string>> = {
  session: "Sign in",
  chat: "Ask and read",
  history: "History",
  account: "Account",
  openai: "OpenAI API",
  admin: "Administration",
  operation: "Operation",
  bots: "Bots",
  platforms: "Chat platforms",
};

/** The page as the repository has it. */
export async function apiPage(): Promise<string> {
  const read = readConfig("{}");
  if (!read.ok) throw new Error("the empty configuration is rejected");
  const app = await createApp(read.config);
  const routes = app.routes;
  await app.close();
  const tags = [...new Set(routes.map(({ tag }) => tag))];
  const known = Object.keys(TAGS);
  const sorted = [
    ...known.filter((tag) => tags.includes(tag)),
    ...tags.filter((tag) => !known.includes(tag)),
  ];
  const chapters = sorted.map((tag) =>
    `### ${TAGS[tag] ?? tag}\n\n${table(routes.filter((route) => route.tag === tag))}`
  );
  return await formatted(`${GUIDE}\n${chapters.join("\n\n")}\n`);
}

function table(routes: readonly Route[]): string {
  return [
    "| route | who | sends | receives |",
    "| --- | --- | --- | --- |",
    ...routes.map(row),
  ].join("\n");
}

function row(route: Route): string {
  const { method, path, summary, query, body, ok } = route;
  const sent = [
    ...fields(query).map((field) => `\`?${field}\``),
    ...fields(body).map((field) => `\`${field}\``),
  ];
  const received = typeof ok === "string"
    ? `\`${ok}\``
    : fields(ok).map((field) => `\`${field}\``).join(", ") || "JSON";
  return `| \`${method.toUpperCase()} ${path}\`<br>${cell(summary)} | ${who(route)} | ${
    sent.join(", ")
  } | ${received} |`;
}

function who(route: Route): string {
  const keys = "keys" in route && route.keys.length > 0
    ? `, or a key: ${route.keys.map((key) => `\`${key}\``).join(", ")}`
    : "";
  return route.who + keys;
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, ObjectSchema>>;
}

/** Names of an object's fields; optional ones end with a question mark. */
function fields(schema: z.ZodType | undefined): string[] {
  if (!schema) return [];
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as ObjectSchema;
  const named = json.$ref === undefined ? json : json.$defs?.[json.$ref.split("/").at(-1)!];
  const { properties = {}, required = [] } = named ?? {};
  return Object.keys(properties).map((name) => required.includes(name) ? name : `${name}?`);
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

const GUIDE = `# HTTP API

<!-- Written by \`deno task docs\` from the declarations of the routes. Edit those, or deploy/api_page.ts. -->

\`/openapi.json\` describes every route with its schemas. Requests carry
\`Authorization: Bearer TOKEN\`: a session's token, or a key that a person makes in the page's
settings (\`nxk_…\`). Browsers send the session's cookie instead.

\`\`\`sh
TOKEN=$(curl -s localhost:17392/api/login -H 'content-type: application/json' -d '{"username":"admin","password":"…"}' | jq -r .token)
curl -N localhost:17392/api/chat/stream -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"message":"hello"}'
\`\`\`

- **Streams** are server-sent events: \`start\`, \`chunk\`, \`image\`, \`reasoning\`, \`tool\`, \`queued\`,
  \`replace\`, \`error\`, \`end\`. The \`id\` of an event is \`turn:offset\`;
  \`GET /api/turns/{id}/stream?after=OFFSET\` continues from there.
- **A failure** before the first byte is a status with \`{"error":"text for people","code":"stable_code"}\`.
  The text follows \`Accept-Language\` (zh, en); the code never changes. A later failure is an \`error\`
  event. An answer that was cut is never reported as complete.
- **A disconnect** of \`POST /api/chat\` stops the bot, unless the request has an
  \`Idempotency-Key\`. One of \`/api/chat/stream\` does not.
- **\`Idempotency-Key\`:** a second request with the same key within ten minutes gets the same turn. A
  restart of the gateway forgets the keys.
- **Who may:** \`anyone\`; \`member\`, everybody who is signed in; \`admin\`, to others the route does not
  exist; \`bot\`, a bot's token; \`platform\`, a chat platform's signature. A key works where one of its
  scopes is listed. [security.md](security.md) has the rules for keys that are bound to bots.

[openai.md](openai.md) describes the OpenAI API in full.

## Routes
`;
