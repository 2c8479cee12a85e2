/**
 * Kills the gateway's process at random moments under load and looks at what the next one finds:
 * `deno task test:crash [rounds] [seed]`.
 *
 * After each death: nobody is signed out; every turn whose end a reader saw is there, whole; every
 * turn that a reader was told had begun is there, marked `incomplete`, and holds at least what a
 * reader had 300 ms before, and all that the bot has a receipt for. On a machine so busy that this
 * process's own timers are late, their lateness in that moment is added; the report says how much
 * it was at worst.
 */
import assert from "node:assert/strict";

const MAIN = new URL("../main.ts", import.meta.url).pathname;

/** What a reader saw of one turn. */
interface Seen {
  readonly conversationId: string;
  turnId: string;
  readonly question: string;
  /** How long the text was, and when, milliseconds since the epoch. */
  readonly marks: { at: number; length: number }[];
  text: string;
  ended: boolean;
}

export interface CrashReport {
  rounds: number;
  finished: number;
  cut: number;
  /** Turns that had begun, of which no word had been acknowledged long enough ago. */
  young: number;
  /** Turns of whose words the bot had receipts. */
  receipted: number;
  sessions: number;
  /** The worst lateness of a timer around a death, in milliseconds. */
  lateness: number;
}

/** How late timers are on this machine right now. */
class Lateness {
  readonly #late: { at: number; by: number }[] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  constructor() {
    let due = Date.now() + 10;
    this.#timer = setInterval(() => {
      const now = Date.now();
      this.#late.push({ at: now, by: Math.max(0, now - due) });
      if (this.#late.length > 500) this.#late.shift();
      due = now + 10;
    }, 10);
  }

  /** The worst since a time. */
  since(at: number): number {
    return Math.max(0, ...this.#late.filter((one) => one.at >= at).map(({ by }) => by));
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Runs that many deaths in one folder. Throws at the first thing that was lost. */
export async function crash(
  rounds: number,
  seed = 1,
  note: (line: string) => void = () => {},
): Promise<CrashReport> {
  const random = mulberry(seed);
  const dir = await Deno.makeTempDir();
  const config = { port: 0, botToken: "secret", users: { alice: { password: "alice-pass" } } };
  await Deno.writeTextFile(`${dir}/config.json`, JSON.stringify(config));
  const report: CrashReport = {
    rounds: 0,
    finished: 0,
    cut: 0,
    young: 0,
    receipted: 0,
    sessions: 0,
    lateness: 0,
  };
  const lateness = new Lateness();
  let grace = 300;
  let tokens: string[] = [], seen: Seen[] = [], receipts: Receipts = new Map(), diedAt = 0;
  try {
    for (let round = 0; round <= rounds; round++) {
      const gateway = await start(dir);
      try {
        await compare(gateway.url, tokens, seen, receipts, diedAt - grace, report);
        if (round === rounds) break;
        // A dozen sessions at once are enough to look at; the oldest make room.
        tokens = tokens.slice(-12);
        seen = [];
        receipts = new Map();
        const { over } = await begin(gateway.url, tokens, seen, receipts, random);
        await sleep(60 + random() * 1200);
        diedAt = Date.now();
        gateway.process.kill("SIGKILL");
        await gateway.process.status;
        await over;
        const late = lateness.since(diedAt - 600);
        report.lateness = Math.max(report.lateness, late);
        grace = 300 + late;
        report.rounds++;
        if (report.rounds % 20 === 0) note(JSON.stringify(report));
      } finally {
        await gateway.stop();
      }
    }
  } finally {
    lateness.stop();
    await Deno.remove(dir, { recursive: true });
  }
  return report;
}

async function compare(
  url: string,
  tokens: string[],
  seen: Seen[],
  receipts: Receipts,
  before: number,
  report: CrashReport,
): Promise<void> {
  for (const token of tokens) {
    const me = await fetch(`${url}/api/me`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(me.status, 200, `a session is lost: ${await me.text()}`);
    report.sessions++;
  }
  if (seen.length === 0) return;
  const headers = { authorization: `Bearer ${tokens[0]}` };
  const conversations = new Map<string, Record<string, unknown>[]>();
  for (const turn of seen) {
    if (!conversations.has(turn.conversationId)) {
      const response = await fetch(
        `${url}/api/conversations/${turn.conversationId}/turns?limit=200`,
        { headers },
      );
      if (response.status !== 200) {
        throw new Error(`a conversation is lost: ${response.status} ${await response.text()}`);
      }
      conversations.set(turn.conversationId, (await response.json()).turns);
    }
    const kept = conversations.get(turn.conversationId)!.find(({ id }) => id === turn.turnId // deno-lint-ignore no-explicit-any -- the page's own shapes, looked at field by field
    ) as any;
    assert.ok(kept, "a turn that had begun is lost");
    assert.equal(kept.message.text, turn.question);
    const receipt = receipts.get(turn.turnId);
    if (receipt && receipt.length > 0) {
      assert.ok(
        kept.reply.text.length >= receipt.length,
        `receipts for ${receipt.length}, ${kept.reply.text.length} kept`,
      );
      if (receipt.done) assert.equal(kept.status, "done", "the receipt was for the end");
      report.receipted++;
    }
    const acknowledged = turn.marks.findLast(({ at }) => at <= before)?.length ?? 0;
    if (turn.ended) {
      assert.equal(kept.status, "done");
      assert.equal(kept.reply.text, turn.text, "a finished turn is not whole");
      report.finished++;
    } else if (acknowledged > 0) {
      // It may have ended in the moment between its ending and its reader's hearing of it.
      assert.ok(kept.status === "incomplete" || kept.status === "done", kept.status);
      assert.ok(
        kept.reply.text.length >= acknowledged,
        `${acknowledged} acknowledged, ${kept.reply.text.length} kept`,
      );
      const common = Math.min(kept.reply.text.length, turn.text.length);
      assert.equal(kept.reply.text.slice(0, common), turn.text.slice(0, common));
      report.cut++;
    } else report.young++;
  }
}

/**
 * Signs in, connects a bot and asks without pause. `over` is settled when all of it has died with
 * the gateway.
 */
async function begin(
  url: string,
  tokens: string[],
  seen: Seen[],
  receipts: Receipts,
  random: () => number,
): Promise<{ over: Promise<unknown> }> {
  const bot = await connectBot(url, receipts, random);
  tokens.push(await signIn(url));
  const headers = { authorization: `Bearer ${tokens.at(-1)}`, "content-type": "application/json" };
  const readers = Array.from({ length: 6 }, async (_, reader) => {
    const made = await fetch(`${url}/api/conversations`, { method: "POST", headers, body: "{}" });
    const { id } = await made.json();
    for (let n = 0;; n++) await ask(url, headers, id, `question ${reader}.${n}`, seen);
  });
  const signing = (async () => {
    while (true) {
      await sleep(150);
      tokens.push(await signIn(url));
    }
  })();
  // Each of them goes on until the connection breaks.
  return {
    over: Promise.all([bot.closed, ...[...readers, signing].map((going) => going.catch(() => {}))]),
  };
}

async function ask(
  url: string,
  headers: Record<string, string>,
  conversationId: string,
  question: string,
  seen: Seen[],
) {
  const response = await fetch(`${url}/api/chat/stream`, {
    method: "POST",
    headers,
    body: JSON.stringify({ message: question, conversationId }),
  });
  if (!response.ok) throw new Error(await response.text());
  const turn: Seen = { conversationId, turnId: "", question, marks: [], text: "", ended: false };
  let rest = "";
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    const events = (rest + part).split("\n\n");
    rest = events.pop()!;
    for (const event of events) {
      const line = event.split("\n").find((one) => one.startsWith("data: "));
      if (!line) continue;
      const told = JSON.parse(line.slice(6));
      if (told.type === "start") {
        turn.turnId = told.turnId;
        seen.push(turn);
      } else if (told.type === "chunk") turn.text += told.content;
      else if (told.type === "end") turn.ended = true;
      else throw new Error(line);
    }
    turn.marks.push({ at: Date.now(), length: turn.text.length });
  }
}

/** Units that a bot has receipts for, and whether that was all, by turn. */
type Receipts = Map<string, { length: number; done: boolean }>;

/** A bot: answers are a few to a few hundred pieces, some at once and some slowly. */
async function connectBot(
  url: string,
  receipts: Receipts,
  random: () => number,
): Promise<{ closed: Promise<void> }> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/bot-ws`);
  /** How much was said up to each number, by turn. */
  const lengths = new Map<string, { length: number; done: boolean }[]>();
  const timers = new Set<ReturnType<typeof setTimeout>>();
  const closed = new Promise<void>((resolve) => {
    socket.onclose = () => {
      for (const timer of timers) clearTimeout(timer);
      resolve();
    };
  });
  await new Promise<void>((resolve, reject) => {
    socket.onerror = () => reject(new Error("the bot could not connect"));
    socket.onopen = () =>
      socket.send(
        JSON.stringify({
          type: "register",
          botId: "bot",
          botName: "Bot",
          token: "secret",
          protocol: 2,
        }),
      );
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === "registered") resolve();
      if (frame.type === "ack") {
        receipts.set(frame.replyTo, lengths.get(frame.replyTo)![frame.seq]!);
      }
      if (frame.type !== "chat") return;
      const said = [{ length: 0, done: false }];
      lengths.set(frame.id, said);
      const pieces = Math.ceil(random() ** 3 * 300), pace = random() < 0.3 ? 0 : random() * 12;
      let next = 0;
      const say = () => {
        if (socket.readyState !== WebSocket.OPEN) return;
        const done = ++next >= pieces;
        const content = `${next}:${frame.content} 天气 `;
        said.push({ length: said.at(-1)!.length + content.length, done });
        socket.send(JSON.stringify({ type: "reply", replyTo: frame.id, content, done, seq: next }));
        if (done) return;
        const timer = setTimeout(() => {
          timers.delete(timer);
          say();
        }, pace);
        timers.add(timer);
      };
      say();
    };
  });
  socket.onerror = () => {};
  return { closed };
}

async function signIn(url: string): Promise<string> {
  // Each from an address of its own, as a proxy would tell: this is no test of the limits.
  const address = `10.${Math.floor(Math.random() * 250)}.${Math.floor(Math.random() * 250)}.1`;
  const response = await fetch(`${url}/api/login`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-forwarded-for": address },
    body: JSON.stringify({ username: "alice", password: "alice-pass" }),
  });
  const { token, error } = await response.json();
  if (!token) throw new Error(error);
  return token;
}

async function start(dir: string) {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", MAIN, "serve", "--dir", dir, "--port", "0", "--host", "127.0.0.1"],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const lines = process.stdout.pipeThrough(new TextDecoderStream());
  let out = "", url: string | undefined;
  const reader = lines.getReader();
  while (!url) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`the gateway did not start:\n${out}`);
    out += value;
    url = /http:\/\/127\.0\.0\.1:\d+/.exec(out)?.[0];
  }
  return {
    url,
    process,
    async stop() {
      try {
        process.kill("SIGKILL");
      } catch { /* it is dead, as it should be */ }
      await process.status;
      await reader.cancel();
    },
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A small generator of pseudo-random numbers, so that a seed tells a run (mulberry32). */
function mulberry(seed: number): () => number {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4_294_967_296;
  };
}

if (import.meta.main) {
  const [rounds = "200", seed = String(Date.now() % 100_000)] = Deno.args;
  console.log(`seed ${seed}`);
  console.log(JSON.stringify(await crash(Number(rounds), Number(seed), console.log)));
}
