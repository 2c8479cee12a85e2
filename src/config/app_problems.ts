/**
 * Checks the apps on chat platforms: a rule that no message can reach is an error, and a setting
 * that lets somebody get around the bounds of their account is a warning.
 */
import { foldName } from "../core/bot_name.ts";
import { lists } from "../core/offer.ts";
import type { ConfigProblem } from "./problem.ts";

interface Rule {
  readonly chat?: string;
  readonly person?: string;
  readonly department?: string;
  readonly bot: string;
  readonly lock: boolean;
  readonly reserve: boolean;
}

interface App {
  readonly kind?: string;
  readonly access: "open" | "allowlist" | "pairing";
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly bots?: readonly string[];
  readonly bot?: string;
  readonly rules: readonly Rule[];
  readonly group: "person" | "shared";
}

/** The part of the configuration that is checked. */
export interface AppsConfig {
  readonly channels: Readonly<
    Record<"feishu" | "dingtalk" | "wecom", Readonly<Record<string, App>>>
  >;
  readonly users: Readonly<Record<string, { readonly bots?: readonly string[] }>>;
  /** Model APIs. */
  readonly bots: Readonly<Record<string, { readonly pool?: string }>>;
  readonly signIn: Readonly<Partial<Record<"lark" | "dingtalk" | "wecom", unknown>>>;
}

export interface AppProblems {
  readonly problems: ConfigProblem[];
  readonly warnings: ConfigProblem[];
}

export function appProblems(config: AppsConfig): AppProblems {
  const found: AppProblems = { problems: [], warnings: [] };
  for (const [platform, apps] of Object.entries(config.channels)) {
    for (const [name, app] of Object.entries(apps)) {
      // A group's webhook only speaks.
      if (app.kind === "webhook") continue;
      const path = `channels.${platform}.${name}`;
      checkRules(path, app, config, found);
      checkAccess(path, app, found);
      checkBounds(path, app, config, found);
      checkNames(path, app, config, found);
    }
  }
  checkSignIn(config, found);
  return found;
}

const CONDITIONS = ["chat", "person", "department"] as const;

/** Rules that no message can ever reach. */
function checkRules(
  path: string,
  { rules, deny, bots }: App,
  config: AppsConfig,
  { problems, warnings }: AppProblems,
): void {
  for (const [n, rule] of rules.entries()) {
    const at = `${path}.rules.${n}`;
    const earlier = rules.slice(0, n).findIndex((other) =>
      CONDITIONS.every((key) => other[key] === undefined || other[key] === rule[key])
    );
    if (earlier >= 0) {
      problems.push({
        path: at,
        message: `never fits: whatever fits it fits rule ${earlier} before`,
      });
    }
    for (const key of CONDITIONS) {
      if (rule[key] === undefined || !deny.includes(rule[key])) continue;
      problems.push({
        path: `${at}.${key}`,
        message: `never fits: ${show(rule[key])} is in \`deny\``,
      });
    }
    const offered = isOffered(rule.bot, bots, config);
    if (offered === "no") {
      problems.push({
        path: `${at}.bot`,
        message: `never answers: \`bots\` does not list ${show(rule.bot)}`,
      });
    } else if (offered === "unknown") {
      warnings.push({ path: `${at}.bot`, message: notListed(rule.bot) });
    }
  }
}

/**
 * Whether an app offers a bot or pool: of a bot that is no model API only a bot's own word says in
 * which pool it is.
 */
function isOffered(
  bot: string,
  bots: readonly string[] | undefined,
  config: AppsConfig,
): "yes" | "no" | "unknown" {
  if (!bots || bots.includes(bot)) return "yes";
  const known = own(config.bots, bot);
  if (known) return lists(bots, { id: bot, pool: known.pool }) ? "yes" : "no";
  const members = Object.entries(config.bots).filter(([, { pool }]) => pool === bot);
  return members.some(([id]) => bots.includes(id)) ? "yes" : bots.length === 0 ? "no" : "unknown";
}

function checkAccess(
  path: string,
  { access, allow, deny, bot, bots }: App,
  { problems, warnings }: AppProblems,
): void {
  const both = allow.filter((id) => deny.includes(id));
  for (const id of new Set(both)) {
    problems.push({
      path: `${path}.deny`,
      message: `${show(id)} must not be in \`allow\` as well`,
    });
  }
  if (access === "open" && allow.length > 0) {
    warnings.push({
      path: `${path}.allow`,
      message: 'changes nothing where access is "open": everybody may speak',
    });
  }
  if (access === "allowlist" && allow.length === 0) {
    warnings.push({ path: `${path}.allow`, message: "is empty, so nobody may speak" });
  }
  if (bots?.length === 0) {
    warnings.push({ path: `${path}.bots`, message: "is empty, so nobody gets an answer" });
  } else if (bot !== undefined && bots && !bots.includes(bot)) {
    warnings.push({ path: `${path}.bot`, message: notListed(bot) });
  }
}

function notListed(bot: string): string {
  return `is not in \`bots\`: it answers only where a pool that is listed there has ${show(bot)}`;
}

/** Where an app lets somebody get past the bounds of their account. */
function checkBounds(path: string, app: App, config: AppsConfig, { warnings }: AppProblems): void {
  const { access, bots = [], group } = app;
  const bounded = Object.entries(config.users).filter(([, user]) => user.bots) as [
    string,
    { bots: readonly string[] },
  ][];
  if (access === "open") {
    for (const offered of new Set(bots)) {
      const barred = bounded.filter(([, user]) => !mayUseAll(offered, user.bots, config)).map((
        [name],
      ) => name);
      if (barred.length === 0) continue;
      warnings.push({
        path: `${path}.bots`,
        message:
          `offers ${show(offered)} to everybody, also to ${
            few(barred)
          }, who may not use it (all of it), as ` +
          "long as their chat is not linked to that account",
      });
    }
  }
  if (group === "shared" && bounded.length > 0) {
    const names = few(bounded.map(([name]) => name));
    warnings.push({
      path: `${path}.group`,
      message: `lets ${names} read what bots beyond their own answer to others`,
    });
  }
}

/** Whether an account's own bots hold a bot, or every bot that is known to be in a pool. */
function mayUseAll(offered: string, bots: readonly string[], config: AppsConfig): boolean {
  if (bots.includes(offered)) return true;
  const known = own(config.bots, offered);
  if (known) return lists(bots, { id: offered, pool: known.pool });
  const members = Object.entries(config.bots).filter(([, { pool }]) => pool === offered);
  return members.length > 0 && members.every(([id]) => bots.includes(id));
}

/**
 * Names of bots that are most likely misspelt. Any bot may come in later, so one that is not known
 * is none.
 */
function checkNames(
  path: string,
  { bot, bots = [], rules }: App,
  config: AppsConfig,
  { warnings }: AppProblems,
): void {
  const known = Object.entries(config.bots).flatMap(([id, { pool }]) =>
    pool === undefined ? [id] : [id, pool]
  );
  const look = (at: string, name: string | undefined) => {
    if (name === undefined || known.includes(name)) return;
    const like = known.find((one) => foldName(one) === foldName(name));
    if (like !== undefined) {
      warnings.push({ path: at, message: `is no bot that is known; ${show(like)} is` });
    }
  };
  look(`${path}.bot`, bot);
  for (const name of bots) look(`${path}.bots`, name);
  for (const [n, rule] of rules.entries()) look(`${path}.rules.${n}.bot`, rule.bot);
}

function checkSignIn({ signIn, users }: AppsConfig, { warnings }: AppProblems): void {
  const bounded = Object.keys(users).filter((name) => users[name]!.bots);
  if (bounded.length === 0) return;
  for (const way of ["lark", "dingtalk", "wecom"] as const) {
    if (signIn[way] === undefined) continue;
    warnings.push({
      path: `signIn.${way}`,
      message:
        `gives everybody of the company an account for all bots, also ${
          few(bounded)
        }, whose own account has ` +
        "fewer: give the accounts that it makes their `bots` as well",
    });
  }
}

function few(names: readonly string[]): string {
  return names.length > 5
    ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more`
    : names.join(", ");
}

function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function show(text: string): string {
  return JSON.stringify(text);
}
