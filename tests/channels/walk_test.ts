/**
 * One person's ids mean nothing to another: every route of `/openapi.json` is walked with a second person's ids, as a member and as an admin.
 */
import assert from "node:assert/strict";
import { startWorld, type World } from "../world.ts";

/** Words that only Alice may ever see. */
const SECRET = "zebra-in-the-cellar";

// deno-lint-ignore no-explicit-any -- an OpenAPI document is looked at field by field
type Document = any;

interface Ids {
  readonly conversation: string;
  readonly ended: string;
  readonly running: string;
  readonly session: string;
  readonly key: string;
  /** Hangs up on the running turn. */
  leave(): Promise<void>;
}

/** Alice's things, one of each kind. */
async function furnish(world: World): Promise<Ids> {
  const bot = await world.bot("secretive");
  bot.answerAll(({ id, content, from }) => {
    // The second question is never answered to its end.
    bot.reply(id, from === "Alice" ? `${SECRET} answered` : "hello", !content.includes("wait"));
  });
  const made = await (await world.as("alice", "/api/conversations", { json: { title: `${SECRET} title` } })).json();
  const asked = { message: `${SECRET} asked`, conversationId: made.id };
  const ended = await (await world.as("alice", "/api/chat", { json: asked })).json();
  const stream = await world.as("alice", "/api/chat/stream", { json: { ...asked, message: `${SECRET} wait` } });
  const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
  const first = await reader.read();
  const running = /"turnId":"([^"]+)"/.exec(first.value!)![1]!;
  const sessions = await (await world.as("alice", "/api/sessions")).json();
  const key = await (await world.as("alice", "/api/keys", { json: { name: "laptop" } })).json();
  return {
    conversation: made.id,
    ended: ended.turnId,
    running,
    session: sessions.sessions[0].id,
    key: key.key.id,
    leave: () => reader.cancel(),
  };
}

/** A body that the route's schema takes, with somebody else's ids wherever an id may stand. */
function bodyFor(path: string, ids: Ids): unknown {
  if (path.startsWith("/api/chat")) {
    return { message: "hello", conversationId: ids.conversation, parentTurnId: ids.ended };
  }
  if (path === "/api/conversations/{id}") return { title: "mine now", pinned: true };
  if (path === "/api/admin/people") return { id: "eve", password: "long enough" };
  if (path === "/api/admin/bot-tokens") return { botId: "secretive" };
  if (path.startsWith("/v1")) {
    return { model: "secretive", messages: [{ role: "user", content: "hello" }], user: "alice" };
  }
  return { code: "123456", password: "long enough", current: "wrong", name: "n", username: "x" };
}

/** Streams go on for ever: what comes within a moment is looked at. */
async function textWithin(response: Response, ms: number): Promise<string> {
  if (!response.body) return "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "", timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<{ done: true; value: undefined }>((resolve) => {
    timer = setTimeout(() => resolve({ done: true, value: undefined }), ms);
  });
  while (true) {
    const { done, value } = await Promise.race([reader.read(), late]);
    if (done) break;
    text += value;
  }
  clearTimeout(timer);
  await reader.cancel();
  return text;
}

async function walk(world: World, who: string, ids: Ids): Promise<{ routes: number; tries: number }> {
  const document: Document = await (await fetch(`${world.url}/openapi.json`)).json();
  let routes = 0, tries = 0;
  for (const [path, methods] of Object.entries<Document>(document.paths)) {
    for (const method of Object.keys(methods)) {
      // Signing out or changing the own password is no reaching for another's things, and would end the walk.
      if (path === "/api/logout") continue;
      routes++;
      const parameters = (methods[method].parameters ?? []) as { name: string; in: string }[];
      const candidates = path.includes("{")
        ? path.includes("/people/")
          ? ["alice"]
          : path.includes("bot")
          ? ["secretive"]
          : [ids.conversation, ids.ended, ids.running, ids.session, ids.key]
        : [""];
      for (const id of candidates) {
        const url = new URL(world.url + path.replace(/\{\w+\}/g, encodeURIComponent(id)));
        for (const { name, in: where } of parameters) {
          if (where === "query") {
            url.searchParams.set(
              name,
              name === "q" ? "zebra" : name === "before" ? ids.ended : name === "format" ? "json" : "0",
            );
          }
        }
        if (url.searchParams.has("limit")) url.searchParams.set("limit", "50");
        const body = method === "get" ? undefined : JSON.stringify(bodyFor(path, ids));
        const headers = { "content-type": "application/json", "last-event-id": `${ids.running}:0` };
        const response = await world.as(who, url.pathname + url.search, {
          method: method.toUpperCase(),
          headers,
          body,
        });
        const text = await textWithin(response, 60);
        tries++;
        const where = `${who}: ${method} ${url.pathname}${url.search} → ${response.status}`;
        assert.ok(!text.includes(SECRET) && !text.includes("zebra"), `${where} shows another's words`);
        assert.ok(response.status < 500 || response.status === 503, `${where}: ${text}`);
        const own = path.startsWith("/api/") && /\{(id|turn|conversation)\}/.test(path) &&
          !path.startsWith("/api/admin");
        // The AI SDK takes "there is nothing to resume" (204) and "nothing was stopped" (200) as answers, for every id that is not the caller's.
        if (path.startsWith("/api/ai/") && (response.status === 204 || text.includes("false"))) continue;
        if (own) assert.equal(response.status, 404, `${where} must be 404`);
        if (path.startsWith("/api/admin") && who !== "root") assert.equal(response.status, 404, `${where} must be 404`);
        if (path.startsWith("/api/chat")) assert.equal(response.status, 404, `${where} must be 404`);
      }
    }
  }
  return { routes, tries };
}

Deno.test("every route, walked by another person with Alice's ids, answers 404 and shows nothing of hers", async () => {
  await using world = await startWorld();
  const ids = await furnish(world);
  const { routes, tries } = await walk(world, "bob", ids);
  assert.ok(routes >= 40 && tries > routes, `${routes} routes, ${tries} tries`);

  const kept = await (await world.as("alice", `/api/conversations/${ids.conversation}`)).json();
  assert.equal(kept.title, `${SECRET} title`);
  const { turns } = await (await world.as("alice", `/api/conversations/${ids.conversation}/turns`)).json();
  assert.deepEqual(turns.map(({ status }: { status: string }) => status), ["done", "answering"]);
  assert.equal((await (await world.as("alice", "/api/keys")).json()).keys.length, 1);
  await world.app.audit.settled();
  const lines = await world.app.audit.lines(undefined, 1000);
  const reached = lines.filter(({ did }) => did === "reached_for_another");
  assert.ok(reached.length > 5);
  assert.ok(reached.every(({ who, whom }) => who === "bob" && whom === "alice"));
  await ids.leave();
});

Deno.test("not even an admin reads what others said", async () => {
  await using world = await startWorld();
  const ids = await furnish(world);
  await walk(world, "root", ids);
  await ids.leave();
});
