/**
 * 100,000 messages of one person in SQLite: how long list, open and search take. `deno task
 * bench:history`
 *
 * Each figure is over 200 calls, with others' history in the same file, and each must be at most 50
 * ms at the 95th of a hundred.
 */
import { SqliteStore } from "../src/backends/sqlite.ts";
import { Archive } from "../src/core/archive.ts";
import { systemClock } from "../src/core/clock.ts";
import { silentObserver } from "../src/core/observer.ts";

const MESSAGES = Number(Deno.args[0] ?? 100_000), CONVERSATIONS = 2_000, CALLS = 200, LIMIT = 50;

const WORDS =
  "gateway bot answer weather report meeting budget deploy error stream token offset session retry north river"
    .split(
      " ",
    );
const CHINESE = "今天天气怎么样明天的会议改到下午三点机器人网关回答部署错误预算报告上海北京".match(
  /.{2}/gu,
)!;

const dir = await Deno.makeTempDir();
try {
  const store = new SqliteStore({ path: `${dir}/nexus.db` });
  const archive = new Archive({ store, clock: systemClock, observer: silentObserver });
  const from = performance.now();
  for (const person of ["alice", "bob"]) {
    await fill(store, archive, person, person === "alice" ? MESSAGES : MESSAGES / 5);
  }
  store.flush();
  await store.find("alice", "weather", 1);
  console.log(
    `filled in ${Math.round(performance.now() - from)} ms, ${
      Math.round(Deno.statSync(`${dir}/nexus.db`).size / 1e6)
    } MB`,
  );

  const all = await archive.conversations.list("alice");
  let n = 0;
  const queries = [
    "weather",
    "天气",
    "会议",
    "budget deploy",
    "网关 token",
    "str",
    "天",
    "rare-needle",
    "nothing-like-it",
  ];
  const results = [
    await measure("list all conversations", () => archive.conversations.list("alice")),
    await measure(
      "open: the newest 50 turns",
      () => archive.turns(all[n++ % all.length]!.id, undefined, 50),
    ),
  ];
  for (const query of queries) {
    results.push(await measure(`search ${query}`, () => archive.search("alice", query)));
  }
  archive.close();
  await store.close();
  if (results.includes(false)) Deno.exitCode = 1;
} finally {
  await Deno.remove(dir, { recursive: true });
}

/** Writes a person's history as the archive would have. */
async function fill(
  store: SqliteStore,
  archive: Archive,
  personId: string,
  messages: number,
): Promise<void> {
  const at = Date.now() - messages * 60_000;
  const ids = Array.from(
    { length: CONVERSATIONS },
    () => archive.conversations.create(personId).id,
  );
  for (let i = 0; i < messages; i++) {
    // One conversation in ten gets most of what is said, as with people.
    const conversationId = ids[i % 10 < 8 ? i % (CONVERSATIONS / 10) : i % CONVERSATIONS]!;
    const order = (at + i * 60_000).toString(36).padStart(9, "0") + "0000";
    const text = i % 25_000 === 7 ? `${said(i)} rare-needle` : said(i), answer = said(i * 7 + 1);
    const record = {
      id: `${personId}-${i}`,
      conversationId,
      personId,
      channel: "web",
      at: at + i * 60_000,
      order,
      text,
      images: [],
      botId: "bot",
      botName: "Bot",
      status: "done",
      chunks: [{ at: 0, kind: "text", content: answer }],
    };
    await store.set(`turn:${record.id}`, record, {
      find: { owner: personId, text: `${text}\n${answer}` },
    });
    await store.set(`turns:${conversationId}:${order}`, record.id);
    if (i % 5000 === 0) store.flush();
  }
}

/** About 150 characters, half of them Chinese. */
function said(i: number): string {
  const out: string[] = [];
  for (let k = 0; k < 12; k++) {
    out.push(WORDS[(i * 31 + k * 17) % WORDS.length]!, CHINESE[(i * 13 + k * 7) % CHINESE.length]!);
  }
  return out.join(" ") + i;
}

async function measure(name: string, call: () => Promise<unknown>): Promise<boolean> {
  const times: number[] = [];
  for (let i = 0; i < CALLS; i++) {
    const from = performance.now();
    await call();
    times.push(performance.now() - from);
  }
  times.sort((a, b) => a - b);
  const [p50, p95] = [times[Math.floor(CALLS * 0.5)]!, times[Math.floor(CALLS * 0.95)]!];
  console.log(
    `${name.padEnd(32)} p50 ${p50.toFixed(1).padStart(6)} ms   p95 ${
      p95.toFixed(1).padStart(6)
    } ms   ${p95 <= LIMIT ? "ok" : "TOO SLOW"}`,
  );
  return p95 <= LIMIT;
}
