/**
 * This is the door of the conformance kit: `nexus conform`. It reads the command, plays one side of
 * the wire towards the other, and prints what was seen. The rules are in `docs/protocol.md`, the
 * cases in `bot_cases.ts` and `gateway_cases.ts`.
 *
 * ```ts
 * const code = await runConform(["--gateway", "ws://127.0.0.1:17392/bot-ws", "--token", "t"], console.log);
 * ```
 */
import { BOT_CASES } from "./bot_cases.ts";
import { type Case, Failed, type Result, runCases, type Stage } from "./case.ts";
import { GATEWAY_CASES } from "./gateway_cases.ts";
import { BotStage, type GatewayTarget } from "./play_bot.ts";
import { type BotTarget, GatewayStage } from "./play_gateway.ts";

export type { Result } from "./case.ts";

export const CONFORM_HELP = `Usage:
  nexus conform [options] [ws://host:port/path]     play the gateway: prints an address and waits for your bot
  nexus conform [options] -- command arg …          the same, and starts the bot (NEXUS_URL, NEXUS_TOKEN, NEXUS_BOT_ID)
  nexus conform [options] --gateway ws://host/path  play the bots, and a person, towards a gateway

Options:
  --token TOKEN       the bot token of the gateway (or NEXUS_TOKEN)
  --user NAME         the person who asks; without one, only what needs no question is tried
  --password WORD     (or NEXUS_PASSWORD)
  --http URL          the gateway's HTTP address, when it is not the host of --gateway
  --bot-id PREFIX     what the ids of the kit's bots begin with
  --only NAME         only the cases whose name begins so; may be repeated
  --patience MS       how long to wait for an answer (default 15000 for a bot, 10000 for a gateway)
  --redial MS         how long a bot may take to dial (default 60000 after a drop, 600000 at first)
  --slow              also try what takes as long as the gateway's announced time-outs
  --json              one JSON document instead of the table
  --help

Exit code: 0 nothing that must hold failed, 1 something did, 2 the command makes no sense.
The rules: docs/protocol.md. What a bot under test should understand: docs/protocol.md#directives-for-a-bot-under-test`;

/** What the command says. */
interface Command {
  readonly json: boolean;
  readonly only: readonly string[];
  readonly gateway?: GatewayTarget;
  readonly bot?: BotTarget & {
    readonly command?: readonly string[];
    readonly token?: string;
    readonly botId?: string;
  };
}

/**
 * Runs the command. `out` gets one line, or one JSON document, at a time.
 *
 * @param args what stands behind `nexus conform`
 * @param env `NEXUS_TOKEN` and `NEXUS_PASSWORD` are looked up here, so that secrets need not stand
 *   on a command line
 */
export async function runConform(
  args: readonly string[],
  out: (text: string) => void,
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<number> {
  if (args.includes("--help") && !args.slice(0, args.indexOf("--help")).includes("--")) {
    out(CONFORM_HELP);
    return 0;
  }
  const command = readCommand(args, env);
  if (typeof command === "string") {
    out(`nexus conform: ${command}\n\n${CONFORM_HELP}`);
    return 2;
  }
  const tell = command.json ? () => {} : (result: Result) => out(line(result));
  try {
    const results = command.gateway
      ? await conformGateway(command.gateway, { only: command.only, tell })
      : await conformBot(command.bot!, {
        only: command.only,
        tell,
        ready: (url) => command.json || out(`Waiting for the bot at ${url}`),
      });
    if (results.length === 0) {
      out(`nexus conform: no case is called ${command.only.join(" or ")}`);
      return 2;
    }
    const score = scoreOf(results);
    out(command.json ? JSON.stringify({ score, results }, null, 2) : summary(results));
    return score.failed > 0 ? 1 : 0;
  } catch (error) {
    if (
      !(error instanceof Failed || error instanceof Deno.errors.NotFound ||
        error instanceof TypeError)
    ) throw error;
    out(
      command.json ? JSON.stringify({ error: error.message }) : `nexus conform: ${error.message}`,
    );
    return 1;
  }
}

interface Watch {
  /** Names, or what they begin with. None: all. */
  readonly only?: readonly string[];
  readonly tell?: (result: Result) => void;
  /** Is told the address once the kit listens. */
  readonly ready?: (url: string) => void;
}

/** Plays the gateway towards a bot. Throws {@linkcode Failed} when no bot comes. */
export async function conformBot(
  target: NonNullable<Command["bot"]>,
  { only, tell, ready }: Watch = {},
): Promise<Result[]> {
  const { command, token = "conform-token", botId = "conform-subject" } = target;
  const start = command
    ? (url: string) => spawn(command, { NEXUS_URL: url, NEXUS_TOKEN: token, NEXUS_BOT_ID: botId })
    : target.start;
  await using stage = new GatewayStage({ ...target, start });
  ready?.(stage.url);
  await stage.meet();
  return await runCases(chosen(BOT_CASES, only), stage, tell);
}

/**
 * Plays the bots and a person towards a gateway. Throws {@linkcode Failed} when there is none, or
 * it refuses the kit's bots.
 */
export async function conformGateway(
  target: GatewayTarget,
  { only, tell }: Watch = {},
): Promise<Result[]> {
  await using stage = new BotStage(target);
  await stage.meet();
  return await runCases(chosen(GATEWAY_CASES, only), stage, tell);
}

function chosen<S extends Stage>(
  cases: readonly Case<S>[],
  only: readonly string[] = [],
): readonly Case<S>[] {
  return only.length === 0
    ? cases
    : cases.filter(({ name }) => only.some((start) => name.startsWith(start)));
}

/** `failed` counts what must hold; what only should hold is counted apart. */
export function scoreOf(
  results: readonly Result[],
): Record<"passed" | "failed" | "warned" | "skipped", number> {
  const count = (holds: (result: Result) => boolean) => results.filter(holds).length;
  return {
    passed: count(({ result }) => result === "pass"),
    failed: count(({ result, level }) => result === "fail" && level === "must"),
    warned: count(({ result, level }) => result === "fail" && level === "should"),
    skipped: count(({ result }) => result === "skipped"),
  };
}

function line({ name, why, link, level, version, result, seen }: Result): string {
  const mark = result === "pass" ? "✓" : result === "skipped" ? "·" : level === "must" ? "✗" : "!";
  const rule = `${level} ${version === "both" ? "v1 v2" : `v${version}`}`;
  const head = `${mark} ${name.padEnd(26)} ${rule.padEnd(13)}`;
  if (result !== "fail") return `${head}${result === "skipped" ? "skipped: " : ""}${seen}`;
  return `${head}FAILED: ${seen}\n    expected: ${why}\n    rule: ${link}`;
}

function summary(results: readonly Result[]): string {
  const { passed, failed, warned, skipped } = scoreOf(results);
  const should = warned > 0 ? ` (and ${warned} that should hold)` : "";
  return `\n${results.length} cases: ${passed} passed, ${failed} failed${should}, ${skipped} skipped`;
}

function spawn(command: readonly string[], env: Record<string, string>): () => Promise<void> {
  const child = new Deno.Command(command[0]!, {
    args: command.slice(1),
    env,
    stdout: "null",
    stderr: "inherit",
  })
    .spawn();
  let ended = false;
  child.status.then(() => ended = true);
  return async () => {
    if (!ended) child.kill("SIGTERM");
    const timer = setTimeout(() => ended || child.kill("SIGKILL"), 2000);
    await child.status;
    clearTimeout(timer);
  };
}

/** The command, or what is wrong with it. */
function readCommand(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Command | string {
  const values = new Map<string, string[]>();
  const flags = new Set<string>();
  const rest: string[] = [];
  let command: string[] | undefined;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--") {
      command = args.slice(index + 1);
      break;
    }
    if (!arg.startsWith("--")) {
      rest.push(arg);
      continue;
    }
    const [name, inline] = arg.slice(2).split(/=(.*)/s, 2) as [string, string | undefined];
    if (name === "json" || name === "slow") flags.add(name);
    else if (VALUES.includes(name)) {
      const value = inline ?? args[++index];
      if (value === undefined) return `--${name} needs a value`;
      values.set(name, [...values.get(name) ?? [], value]);
    } else return `unknown option ${arg}`;
  }
  const one = (name: string) => values.get(name)?.at(-1);
  const times: Record<string, number> = {};
  for (const name of ["patience", "redial"]) {
    const text = one(name);
    if (text === undefined) continue;
    if (!(Number(text) > 0)) return `--${name} must be a number of milliseconds, got "${text}"`;
    times[name] = Number(text);
  }
  const told = { json: flags.has("json"), only: values.get("only") ?? [] };
  const [token, botId] = [one("token") ?? env.NEXUS_TOKEN, one("bot-id")];
  const gateway = one("gateway");
  if (rest.length > 1) return `one address is enough, got ${rest.join(" ")}`;
  if (gateway !== undefined) {
    if (rest.length > 0 || command) {
      return "--gateway plays the bot: it takes no address to listen at, and no command";
    }
    if (!isAddress(gateway)) return `--gateway must be a ws:// or wss:// address, got "${gateway}"`;
    const password = one("password") ?? env.NEXUS_PASSWORD;
    const who = { user: one("user"), password, http: one("http") };
    return {
      ...told,
      gateway: { url: gateway, token, botId, slow: flags.has("slow"), ...who, ...times },
    };
  }
  if (command?.length === 0) return "a command must stand behind --";
  const listen = rest[0];
  if (listen !== undefined && !isAddress(listen)) {
    return `the address must begin with ws://, got "${listen}"`;
  }
  const { hostname, port } = listen === undefined
    ? { hostname: "127.0.0.1", port: "0" }
    : new URL(listen);
  const where = {
    hostname: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? 80 : Number(port),
  };
  return { ...told, bot: { ...where, command, token, botId, ...times } };
}

const VALUES = [
  "gateway",
  "token",
  "user",
  "password",
  "http",
  "bot-id",
  "only",
  "patience",
  "redial",
];

function isAddress(text: string): boolean {
  return URL.canParse(text) && /^wss?:$/.test(new URL(text).protocol);
}
