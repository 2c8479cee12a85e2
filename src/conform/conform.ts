/**
 * The conformance kit, `nexus conform`: it plays one side of the bot protocol for the other and
 * prints what it observed. `docs/protocol.md` has the rules; the cases are in `bot_cases/` and
 * `gateway_cases/`.
 *
 * ```ts
 * const args = ["--gateway", "ws://127.0.0.1:17392/bot-ws", "--token", "t"];
 * const code = await runConform(args, console.log);
 * ```
 */
import { BOT_CASES } from "./bot_cases/bot_cases.ts";
import { type CaseResult, type ConformCase, type ConformStage, Failed, runCases } from "./case.ts";
import { GATEWAY_CASES } from "./gateway_cases/gateway_cases.ts";
import { BotStage, type GatewayTarget } from "./bot_stage.ts";
import { type Command, CONFORM_HELP, readCommand } from "./command.ts";
import { GatewayStage } from "./gateway_stage.ts";

export type { CaseResult } from "./case.ts";

/**
 * Runs the command. `out` gets one line, or one JSON document, at a time.
 *
 * @param args the arguments after `nexus conform`
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
  const tell = command.json ? () => {} : (result: CaseResult) => out(line(result));
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
  readonly tell?: (result: CaseResult) => void;
  /** Receives the address once the kit listens. */
  readonly ready?: (url: string) => void;
}

/** Plays the gateway towards a bot. Throws {@linkcode Failed} when no bot comes. */
export async function conformBot(
  target: NonNullable<Command["bot"]>,
  { only, tell, ready }: Watch = {},
): Promise<CaseResult[]> {
  const { command, token = "conform-token", botId = "conform-subject" } = target;
  const start = command
    ? (url: string) => spawn(command, { NEXUS_URL: url, NEXUS_TOKEN: token, NEXUS_BOT_ID: botId })
    : target.start;
  await using stage = new GatewayStage({ ...target, start });
  ready?.(stage.url);
  await stage.start();
  return await runCases(chosen(BOT_CASES, only), stage, tell);
}

/**
 * Plays the bots and a person towards a gateway. Throws {@linkcode Failed} when there is none, or
 * it refuses the kit's bots.
 */
export async function conformGateway(
  target: GatewayTarget,
  { only, tell }: Watch = {},
): Promise<CaseResult[]> {
  await using stage = new BotStage(target);
  await stage.start();
  return await runCases(chosen(GATEWAY_CASES, only), stage, tell);
}

function chosen<S extends ConformStage>(
  cases: readonly ConformCase<S>[],
  only: readonly string[] = [],
): readonly ConformCase<S>[] {
  return only.length === 0
    ? cases
    : cases.filter(({ name }) => only.some((start) => name.startsWith(start)));
}

/** `failed` counts what must hold; what only should hold is counted apart. */
export function scoreOf(
  results: readonly CaseResult[],
): Record<"passed" | "failed" | "warned" | "skipped", number> {
  const count = (holds: (result: CaseResult) => boolean) => results.filter(holds).length;
  return {
    passed: count(({ result }) => result === "pass"),
    failed: count(({ result, level }) => result === "fail" && level === "must"),
    warned: count(({ result, level }) => result === "fail" && level === "should"),
    skipped: count(({ result }) => result === "skipped"),
  };
}

function line({ name, why, link, level, version, result, seen }: CaseResult): string {
  const mark = result === "pass" ? "✓" : result === "skipped" ? "·" : level === "must" ? "✗" : "!";
  const rule = `${level} ${version === "both" ? "v1 v2" : `v${version}`}`;
  const head = `${mark} ${name.padEnd(26)} ${rule.padEnd(13)}`;
  if (result !== "fail") return `${head}${result === "skipped" ? "skipped: " : ""}${seen}`;
  return `${head}FAILED: ${seen}\n    expected: ${why}\n    rule: ${link}`;
}

function summary(results: readonly CaseResult[]): string {
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
