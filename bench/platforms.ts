/**
 * `deno task bench:platforms`: what chat platforms get from us and what people see, on a driven
 * clock against the emulated platforms.
 *
 * Answers of 5–300 s at 20–100 tokens a second, 1 to 500 at once; fresh = how old what a person
 * sees is, sampled every 250 ms while the answer runs. Fixed pacing (100 ms for Feishu's cards, 1.5
 * s for its patched ones, 800 ms for DingTalk and WeCom's bot, one bucket of 20 a second for all,
 * no heed of what the platform answers) runs on the same answers for comparison. `--quick` leaves
 * the largest size out.
 */
import { setImmediate } from "node:timers";
import { MemoryStore } from "../src/backends/memory.ts";
import { DingTalkChannel } from "../src/channels/dingtalk/channel.ts";
import { DingTalkSettings } from "../src/channels/dingtalk/settings.ts";
import type { Channel, ChannelParts } from "../src/channels/im/channel.ts";
import type { Platform } from "../src/channels/im/platform.ts";
import { LarkChannel } from "../src/channels/lark/channel.ts";
import { LarkSettings } from "../src/channels/lark/settings.ts";
import { WecomBot } from "../src/channels/wecom/aibot.ts";
import { WecomApp } from "../src/channels/wecom/app.ts";
import { WecomAppSettings, WecomBotSettings } from "../src/channels/wecom/settings.ts";
import { SendBudget } from "../src/channels/im/send_budget.ts";
import { DrivenClock } from "../tests/clock.ts";
import type { Message } from "../src/core/message.ts";
import { silentObserver } from "../src/core/observer.ts";
import { Reply } from "../src/core/reply.ts";
import { Turn } from "../src/core/turn.ts";
import type { ChatLog } from "../src/emulate/chat_log.ts";
import { DingTalkEmulator } from "../src/emulate/dingtalk/emulator.ts";
import { FeishuEmulator } from "../src/emulate/feishu/emulator.ts";
import { WecomEmulator } from "../src/emulate/wecom/emulator.ts";
import { type Faults, faultyFetch } from "../src/emulate/faulty_fetch.ts";

const KINDS = [
  "feishu",
  "feishu patch",
  "dingtalk",
  "dingtalk quota",
  "wecom app",
  "wecom bot",
] as const;
type Kind = typeof KINDS[number];

/** What one run came to. */
interface Figures {
  readonly finals: number;
  readonly doubles: number;
  readonly throttled: number;
  readonly dropped: number;
  /** Seconds, over all samples: how old is what is shown. */
  readonly p50: number;
  readonly p95: number;
  readonly callsPerAnswer: number;
  /** Seconds from the bot's last word to the final, at most. */
  readonly late: number;
}

/** One bot's answer, and how it comes. */
class Answer {
  readonly reply = new Reply();
  /**
   * When each further unit of text was there: [length, time], and from where on none has been seen.
   */
  readonly #arrived: [length: number, at: number][] = [];
  #seen = 0;
  endedAt = 0;
  finalAt = 0;
  finals = 0;

  constructor(
    readonly clock: DrivenClock,
    readonly seconds: number,
    readonly rate: number,
    readonly mark: string,
  ) {}

  #words = 0;
  #said = 0;
  #began = -1;

  begin() {
    this.#words = Math.round(this.seconds * this.rate);
    this.#began = this.clock.now();
  }

  /**
   * Says what is due: bots' words come in network packets, a tenth of a second's worth at a time.
   */
  tick() {
    if (this.#began < 0 || this.reply.ending) return;
    const due = Math.min(
      this.#words,
      Math.floor((this.clock.now() - this.#began) / 1000 * this.rate),
    );
    let text = "";
    while (this.#said < due) {
      const n = ++this.#said;
      text += n === this.#words
        ? `完${this.mark}`
        : `词${n % 10}${n % 60 === 0 ? "。\n\n" : n % 15 === 0 ? "。" : ""}`;
    }
    if (text === "") return;
    this.reply.append("text", text);
    this.#arrived.push([this.reply.length, this.clock.now()]);
    if (this.#said < this.#words) return;
    this.endedAt = this.clock.now();
    this.reply.end({ status: "done" });
  }

  /** So many units of the answer can be read now. */
  shown(length: number) {
    while (this.#seen < this.#arrived.length && this.#arrived[this.#seen]![0] <= length) {
      this.#seen++;
    }
  }

  /** Seconds since the oldest word that nobody has seen came. */
  get age(): number {
    const oldest = this.#arrived[this.#seen];
    return oldest ? (this.clock.now() - oldest[1]) / 1000 : 0;
  }
}

async function run(
  kind: Kind,
  count: number,
  options: { fixed?: boolean; faults?: Faults; seconds?: number } = {},
): Promise<Figures> {
  let seed = 20_261_123;
  const random = () => (seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff) / 0x7fffffff;
  const clock = new DrivenClock(Date.UTC(2026, 10, 2, 1), async () => {
    for (let n = 0; n < 2; n++) await new Promise<void>((resolve) => setImmediate(resolve));
  });
  const store = new MemoryStore({ now: () => clock.now() });
  const answers = new Map<string, Answer>();
  for (let n = 0; n < count; n++) {
    const seconds = options.seconds ?? Math.min(300, 5 * 60 ** (random() ** 1.5));
    answers.set(`chat${n}`, new Answer(clock, seconds, 20 + random() * 80, `#${n}#`));
  }
  const stage = build(kind, clock, store, random, options, answers);
  stage.log.onChange = (message) => {
    const answer = answers.get(message.chat);
    if (!answer || message.from !== "bot") return;
    // Fast enough for hundreds of answers: what is shown of an answer only grows, over all its
    // messages together.
    if (message.text === "") return;
    let length = 0;
    for (const other of stage.log.in(message.chat)) {
      if (other.from === "bot" && (other.text.includes("词") || other.text.includes("完"))) {
        length += other.text.length;
      }
    }
    answer.shown(length);
    if (message.final && message.text.includes(answer.mark)) {
      answer.finals = stage.log.finals(message.chat).filter((shown) =>
        shown.text.includes(answer.mark)
      ).length;
      answer.finalAt ||= clock.now();
    }
  };
  const ages: number[] = [];
  const stopTalking = clock.every(100, () => {
    for (const answer of answers.values()) answer.tick();
  });
  const stop = clock.every(250, () => {
    for (const answer of answers.values()) {
      if (answer.reply.length > 0 && !answer.reply.ending) ages.push(answer.age);
    }
  });
  // They come within two seconds, as a crowd does.
  let n = 0;
  for (const chat of answers.keys()) clock.after(n++ * 2000 / count, () => stage.say(chat));
  await clock.advance(2500);
  // A final that the platform dropped never comes: it is over when nobody has anything left to say
  // or to send.
  const over = () => [...answers.values()].every((answer) => answer.reply.ending);
  await clock.until(() => over() && stage.idle(), 4 * 3_600_000);
  stop();
  stopTalking();
  await stage.stop();
  ages.sort((a, b) => a - b);
  const at = (share: number) =>
    ages[Math.min(ages.length - 1, Math.floor(ages.length * share))] ?? 0;
  const list = [...answers.values()];
  return {
    finals: list.filter((answer) => answer.finals >= 1).length,
    doubles: list.filter((answer) => answer.finals > 1).length,
    throttled: stage.counts().throttled,
    dropped: stage.counts().dropped,
    p50: at(0.5),
    p95: at(0.95),
    callsPerAnswer: stage.counts().calls / count,
    late: Math.max(
      ...list.map((answer) => answer.finalAt && (answer.finalAt - answer.endedAt) / 1000),
    ),
  };
}

interface Stage {
  readonly log: ChatLog;
  say(chat: string): void;
  idle(): boolean;
  counts(): { throttled: number; dropped: number; calls: number };
  stop(): Promise<void>;
}

const FEISHU = {
  appId: "cli_0123456789abcdef",
  appSecret: "s",
  encryptKey: "k",
  verificationToken: "t",
};
const DING = { clientId: "ding", clientSecret: "s" };
const WECOM = {
  corpId: "ww1",
  agentId: 1,
  secret: "s",
  botId: "b",
  token: "t",
  encodingAesKey: "BRAbJjE8R1JdaHN+iZSfqrXAy9bh7PcCDRgjLjlET1o",
};

function build(
  kind: Kind,
  clock: DrivenClock,
  store: MemoryStore,
  random: () => number,
  options: { fixed?: boolean; faults?: Faults },
  answers: Map<string, Answer>,
): Stage {
  const injected = { count: 0 };
  const budget = options.fixed ? new FixedBudget(clock) : new SendBudget({ clock, store });
  const parts = (fetch: typeof globalThis.fetch): ChannelParts => ({
    gateway: {
      ask(message: Message) {
        const answer = answers.get(message.text)!;
        const turn = new Turn(
          `turn-${message.text}`,
          { kind: "named", id: "c" },
          message,
          answer.reply,
          clock.now(),
        );
        answer.begin();
        return Promise.resolve(turn);
      },
      cancel: () => Promise.resolve(false),
      turn: () => Promise.resolve(undefined),
      bots: () => [],
      beginConversation: () => "c",
    },
    account: () => undefined,
    store,
    budget: budget as SendBudget,
    clock,
    observer: silentObserver,
    random,
    fetch,
  });
  /** The same methods with an interval that heeds nothing. */
  const fixInterval = (platform: Pick<Platform, "methods">, ms: number) => {
    if (!options.fixed) return;
    const methods = platform.methods.bind(platform);
    platform.methods = async (incoming) =>
      (await methods(incoming)).map((method) => ({ ...method, editInterval: () => ms }));
  };
  const line = { clock, random, latency: [40, 160] as const, faults: options.faults };
  const close = async (channel: Channel, stop: () => void) => {
    stop();
    budget.stop();
    await channel.stop();
  };
  if (kind === "feishu" || kind === "feishu patch") {
    const patch = kind === "feishu patch";
    const platform = new FeishuEmulator({
      ...FEISHU,
      clock,
      deliver: (request) => channel.fetch(request),
    });
    const settings = LarkSettings.parse({
      ...FEISHU,
      mode: "webhook",
      show: patch ? "patch" : "card",
    });
    const fetch = faultyFetch(
      line,
      (r) => platform.fetch(r),
      () => (injected.count++, platform.throttle()),
    );
    const channel = new LarkChannel("main", settings, parts(fetch));
    fixInterval(channel, patch ? 1500 : 100);
    return {
      log: platform.log,
      say: (chat) => void platform.say({ chat, text: chat }),
      idle: () => channel.inbox.open === 0,
      counts: () => ({
        throttled: platform.counts.throttled - injected.count,
        dropped: 0,
        calls: platform.counts.calls,
      }),
      stop: () => close(channel, () => platform.stop()),
    };
  }
  if (kind === "dingtalk" || kind === "dingtalk quota") {
    const quota = kind === "dingtalk quota";
    const edition = quota ? "standard" : "professional";
    const platform = new DingTalkEmulator({
      ...DING,
      clock,
      perSecond: quota ? 20 : 40,
      month: quota ? 5000 : undefined,
      deliver: (request) => channel.fetch(request),
    });
    const settings = DingTalkSettings.parse({
      ...DING,
      mode: "webhook",
      cardTemplateId: "t",
      edition,
    });
    const fetch = faultyFetch(
      line,
      (r) => platform.fetch(r),
      () => (injected.count++, platform.throttle()),
    );
    const channel = new DingTalkChannel("main", settings, parts(fetch));
    fixInterval(channel.platform, 800);
    return {
      log: platform.log,
      say: (chat) => void platform.say({ chat, text: chat }),
      idle: () => channel.inbox.open === 0,
      counts: () => ({
        throttled: platform.counts.throttled + platform.counts.overdrawn - injected.count,
        dropped: 0,
        calls: platform.counts.counted,
      }),
      stop: () => close(channel, () => platform.stop()),
    };
  }
  const platform = new WecomEmulator({ ...WECOM, clock });
  const fetch = faultyFetch(
    line,
    (r) => platform.fetch(r),
    () => (injected.count++, platform.throttle()),
  );
  if (kind === "wecom app") {
    const channel = new WecomApp(
      "main",
      WecomAppSettings.parse({ kind: "app", ...WECOM }),
      parts(fetch),
    );
    const deliverTo = new WecomEmulator({
      ...WECOM,
      clock,
      deliver: (request) => channel.fetch(request),
    });
    return {
      log: platform.log,
      say: (chat) => void deliverTo.sayToApp({ from: chat, text: chat }),
      idle: () => channel.inbox.open === 0,
      counts: () => ({ ...platform.counts, throttled: platform.counts.throttled - injected.count }),
      stop: () => close(channel, () => deliverTo.stop()),
    };
  }
  const settings = WecomBotSettings.parse({ kind: "aibot", mode: "socket", ...WECOM });
  const bot = new WecomBot("main", settings, parts(fetch));
  fixInterval(bot.platform, 800);
  bot.connection!.sendFrame = (frame) => {
    const lot = options.faults ? random() : 1;
    const { throttled, failing, silent } = options.faults ??
      { throttled: 0, failing: 0, silent: 0 };
    clock.after(20 + random() * 60, () => {
      const bad = lot < throttled ? 45009 : lot < throttled + failing ? -1 : undefined;
      const lost = bad === undefined && lot < throttled + failing + silent;
      const ack = bad === undefined
        ? platform.frame(frame)
        : { headers: frame.headers, errcode: bad, errmsg: "by lot" };
      if (!lost) clock.after(20 + random() * 60, () => bot.connection!.receive(ack));
    });
    return true;
  };
  platform.push = (frame) => {
    bot.connection!.receive(frame);
    return true;
  };
  return {
    log: platform.log,
    say: (chat) => void platform.sayToBot({ from: chat, text: chat }),
    idle: () => bot.inbox.open === 0,
    counts: () => platform.counts,
    stop: () => close(bot, () => platform.stop()),
  };
}

/**
 * What others do: one bucket of twenty a second for everything, first come first served, and no
 * heed of what the platform says.
 */
class FixedBudget {
  #next = 0;
  constructor(private readonly clock: DrivenClock) {}
  async take() {
    const now = this.clock.now();
    this.#next = Math.max(this.#next, now) + 50;
    const wait = this.#next - 50 - now;
    if (wait > 0) await new Promise<void>((resolve) => this.clock.after(wait, resolve));
    return { done() {} };
  }
  reserve() {
    return Promise.resolve(undefined);
  }
  close() {}
  left() {
    return Promise.resolve(Infinity);
  }
  stop() {}
}

const quick = Deno.args.includes("--quick");
const only = Deno.args.find((arg) => !arg.startsWith("--"));
const sizes = quick ? [1, 10, 100] : [1, 10, 100, 500];
const rows: Record<string, unknown>[] = [];
const row = (name: string, count: number, f: Figures) => {
  rows.push({ name, count, ...f });
  const cells = [
    name.padEnd(26),
    String(count).padStart(5),
    `${f.finals}/${count}`.padStart(9),
    String(f.doubles).padStart(7),
    String(f.throttled).padStart(9),
    String(f.dropped).padStart(7),
    f.p50.toFixed(2).padStart(8),
    f.p95.toFixed(2).padStart(8),
    f.callsPerAnswer.toFixed(1).padStart(8),
    f.late.toFixed(1).padStart(8),
  ];
  console.log(cells.join(" "));
};
console.log(
  "run                        count    finals doubles throttled dropped  p50 s    p95 s    calls   late s",
);
for (const kind of KINDS.filter((kind) => !only || kind === only)) {
  for (const count of sizes) {
    row(kind, count, await run(kind, count));
    row(`${kind}, fixed pacing`, count, await run(kind, count, { fixed: true }));
  }
}
if (!only || only === "dingtalk quota") {
  row("dingtalk quota, 30 s each", 10, await run("dingtalk quota", 10, { seconds: 30 }));
}
const FAULTS = { throttled: 0.05, failing: 0.05, silent: 0.02 };
for (const kind of ["feishu", "dingtalk", "wecom app", "wecom bot"] as const) {
  if (only && only !== kind) continue;
  row(
    `${kind}, faults by lot`,
    quick ? 100 : 1000,
    await run(kind, quick ? 100 : 1000, { faults: FAULTS, seconds: 20 }),
  );
}
if (Deno.args.includes("--json")) console.log(JSON.stringify(rows));
