/**
 * `nexus check --online`: tries once everything that the configuration names outside, and says what
 * is wrong in words, with the page of the vendor's console where it is mended. Prints no secret.
 */
import { probesOfModels } from "../bots/upstream/probe.ts";
import { probesOfApps } from "../channels/im/probes.ts";
import { signInProbes } from "../channels/sign_in/probe.ts";
import type { ConfigResult } from "../config/config.ts";
import { type CheckResult, Checkup } from "../core/checkup.ts";
import { systemClock } from "../core/clock.ts";
import type { BilingualText, Finding } from "../core/finding.ts";
import { configPath, formatProblems } from "./config_file.ts";
import { StoreLock } from "./lock.ts";
import { storePath } from "./store.ts";

export interface OnlineOptions {
  readonly json?: boolean;
  /** `en` or `zh`; absent: what LANG says. */
  readonly language?: string;
}

/** Resolves to the exit code: 1 where something is wrong; what could not be asked is none. */
export async function checkOnline(
  dir: string,
  { config, warnings }: Extract<ConfigResult, { ok: true }>,
  { json, language }: OnlineOptions,
): Promise<number> {
  if (language !== undefined && language !== "en" && language !== "zh") {
    console.error(`nexus: --language must be en or zh, got ${JSON.stringify(language)}`);
    return 2;
  }
  const env = (name: string) => Deno.env.get(name);
  const store = storePath(dir, config);
  // WeCom lets a bot have one connection: a second one would throw the running gateway's out.
  const isRunning = store !== undefined && await StoreLock.isHeld(store);
  const parts = {
    fetch,
    clock: systemClock,
    env,
    live: () => isRunning ? "elsewhere" as const : undefined,
  };
  const checkup = new Checkup({
    clock: systemClock,
    probes: () => [
      ...probesOfApps(config.channels, parts),
      ...probesOfModels(config.bots, parts),
      ...signInProbes(config.signIn, parts),
    ],
  });
  const checked = await checkup.run();
  const ok = checked.every(({ findings }) => findings.every(({ level }) => level !== "error"));
  if (json) console.log(JSON.stringify({ ok, problems: [], warnings, checked }));
  else {
    if (warnings.length > 0) {
      console.log(`Worth a look in ${configPath(dir)}:\n${formatProblems(warnings)}`);
    }
    print(checked, language ?? languageOfTerminal());
  }
  return ok ? 0 : 1;
}

/** The words around the findings. */
const FRAME: Record<keyof BilingualText, {
  readonly nothing: string;
  readonly right: (targets: number) => string;
  readonly wrong: (count: number, targets: number) => string;
  readonly hints: string;
  readonly said: string;
}> = {
  en: {
    nothing:
      "The configuration names no app, no model API and no sign-in provider: there is nothing to try.",
    right: (targets) => `Tried ${targets}: all right.`,
    wrong: (count, targets) =>
      `Tried ${targets}; ${count === 1 ? "1 thing is" : `${count} things are`} wrong:`,
    hints: "Could not be asked:",
    said: "answer",
  },
  zh: {
    nothing: "配置中没有应用、模型 API 或登录方式，没有可检查的连接。",
    right: (targets) => `已检查 ${targets} 项，全部正常。`,
    wrong: (count, targets) => `已检查 ${targets} 项，发现 ${count} 个问题：`,
    hints: "无法查询：",
    said: "返回",
  },
};

function print(checked: readonly CheckResult[], language: keyof BilingualText): void {
  const words = FRAME[language];
  const all = checked.flatMap(({ findings }) => findings);
  const wrong = all.filter(({ level }) => level === "error"),
    hints = all.filter(({ level }) => level === "hint");
  if (checked.length === 0) return console.log(words.nothing);
  if (wrong.length === 0) console.log(words.right(checked.length));
  else console.error(`${words.wrong(wrong.length, checked.length)}\n${lines(wrong, language)}`);
  if (hints.length > 0) console.log(`${words.hints}\n${lines(hints, language)}`);
}

function lines(findings: readonly Finding[], language: keyof BilingualText): string {
  return findings.flatMap(({ path, what, todo, url, said }) => [
    `  ${path}: ${what[language]}${
      said === undefined ? "" : ` (${FRAME[language].said}: ${said})`
    }`,
    `    → ${todo[language]}`,
    ...(url === undefined ? [] : [`      ${url}`]),
  ]).join("\n");
}

function languageOfTerminal(): keyof BilingualText {
  const said = Deno.env.get("LC_ALL") || Deno.env.get("LC_MESSAGES") || Deno.env.get("LANG") || "";
  return said.startsWith("zh") ? "zh" : "en";
}
