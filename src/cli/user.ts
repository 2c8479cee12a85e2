/**
 * `nexus user`: the people of the store, from the command line. A running gateway knows of a change
 * within seconds, and whoever is out is out there at once.
 */
import { createHash } from "node:crypto";
import { Accounts } from "../core/people/accounts.ts";
import type { AccountView } from "../core/people/account_view.ts";
import { Allowances } from "../core/people/allowance.ts";
import { ApiKeys } from "../core/people/api_key.ts";
import { Archive } from "../core/archive.ts";
import { Audit } from "../core/people/audit.ts";
import { BotTokens } from "../core/people/bot_token.ts";
import { systemClock } from "../core/clock.ts";
import { NexusError } from "../core/error.ts";
import { silentObserver } from "../core/observer.ts";
import { Offboarding } from "../core/people/offboarding.ts";
import { randomPassword } from "../core/people/secret.ts";
import { DEFAULT_SESSION_MAX_AGE_MS, Sessions } from "../core/people/session.ts";
import type { Store } from "../core/store.ts";
import { chatPrefixesOf, type Config } from "../config/config.ts";
import { readOptions } from "./command.ts";
import { withStore } from "./store.ts";

const USAGE = `Usage: nexus user list                       [--dir DIR] [--json]
       nexus user add NAME     [--admin] [--display NAME] [--bots A,B] [--password -] [--adopt]
       nexus user passwd NAME  [--password -]
       nexus user disable NAME
       nexus user enable NAME
       nexus user rm NAME

Manages the people in the store; those in config.json are only listed. NAME is a name or an id.
Without --password, a password is generated and printed once; with --password - it is read from
standard input: plain text, or an argon2id hash. \`passwd\` and \`disable\` end the person's sessions;
\`disable\` and \`rm\` also stop their turns; \`rm\` deletes all of their data, also of somebody who is
no longer in config.json. --adopt gives the data of such a person to the new one of that name.
\`enable\` also lets a person sign in by a provider again after they were removed.`;

const AUDIT_ACTIONS = {
  add: "person_added",
  passwd: "password_changed",
  disable: "person_disabled",
  enable: "person_enabled",
  rm: "person_removed",
} as const;

type Verb = keyof typeof AUDIT_ACTIONS;

export async function user(args: readonly string[]): Promise<number> {
  const read = readOptions(
    args,
    {
      dir: { type: "string", default: "." },
      json: { type: "boolean" },
      admin: { type: "boolean" },
      adopt: { type: "boolean" },
      display: { type: "string" },
      bots: { type: "string" },
      password: { type: "string" },
    },
    USAGE,
    2,
  );
  if (typeof read === "number") return read;
  const { values, positionals: [verb = "", name] } = read;
  const isKnown = verb === "list"
    ? name === undefined
    : Object.hasOwn(AUDIT_ACTIONS, verb) && name !== undefined;
  if (!isKnown || (values.password !== undefined && values.password !== "-")) {
    console.error(USAGE);
    return 2;
  }
  return await withStore(values.dir, values.json, async (store, config) => {
    const desk = await openPeople(store, config);
    try {
      if (verb === "list") return listOf(desk.accounts.list());
      const isPasswordMade = (verb === "add" || verb === "passwd") && values.password === undefined;
      const password = verb === "add" || verb === "passwd"
        ? await passwordFrom(values.password)
        : "";
      const id = await act(desk, verb as Verb, name!, password, values);
      const did = AUDIT_ACTIONS[verb as Verb];
      const audit = new Audit({ store, clock: systemClock, node: "cli" });
      audit.write({ who: "command line", did, whom: id });
      await audit.settled();
      const shown = isPasswordMade ? `Password: ${password}\n(shown only now)` : "";
      return {
        text: [`${id}: ${did.replace("_", " ")}`, shown].filter(Boolean).join("\n"),
        json: { id, did, ...(isPasswordMade ? { password } : {}) },
      };
    } finally {
      desk.accounts.close();
    }
  });
}

interface PeopleParts {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly offboarding: Offboarding;
}

/** What stands in the store about people, without anything that runs. */
async function openPeople(store: Store, config: Config): Promise<PeopleParts> {
  const parts = { store, clock: systemClock, observer: silentObserver };
  const accounts = new Accounts(parts);
  await accounts.load();
  await accounts.replace(config.users);
  const sessions = new Sessions(parts, {
    ttl: config.sessionTTL,
    maxAge: DEFAULT_SESSION_MAX_AGE_MS,
  });
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  const botTokens = new BotTokens({ ...parts, sha256 });
  await botTokens.load();
  const offboarding = new Offboarding({
    ...parts,
    accounts,
    sessions,
    keys: new ApiKeys(parts),
    allowances: new Allowances({ ...parts, of: () => ({}) }),
    botTokens,
    history: new Archive(parts),
    chatPrefixes: () => chatPrefixesOf(config),
  });
  return { accounts, sessions, offboarding };
}

/** Returns the id of the person. */
async function act(
  { accounts, sessions, offboarding }: PeopleParts,
  verb: Verb,
  name: string,
  password: string,
  { admin, adopt, display, bots }: {
    admin?: boolean;
    adopt?: boolean;
    display?: string;
    bots?: string;
  },
): Promise<string> {
  if (verb === "add") {
    const role = admin ? "admin" : "member";
    const fields = {
      password,
      adopt,
      role,
      displayName: display,
      bots: bots?.split(",").filter(Boolean),
    } as const;
    return (await accounts.editor.add(name, fields)).id;
  }
  const id = accounts.find(name)?.id;
  if (verb === "enable" && id === undefined && await accounts.editor.allow(name)) return name;
  if (id === undefined) throw new NexusError("not_found", `there is nobody with the name ${name}`);
  if (verb === "rm") await offboarding.remove(id);
  else if (verb === "passwd") await accounts.editor.change(id, { password });
  else await accounts.editor.change(id, { disabled: verb === "disable" });
  if (verb === "passwd" || verb === "disable") await sessions.endOf(id, {});
  return id;
}

function listOf(people: readonly AccountView[]): { text: string; json: unknown } {
  const rows = people.map(({ id, username, name, role, source, disabled, totp }) => [
    username,
    id,
    name,
    role,
    source,
    [disabled && source !== "former" ? "disabled" : "", totp ? "second factor" : ""].filter(Boolean)
      .join(", "),
  ]);
  const widths = [0, 1, 2, 3, 4].map((column) =>
    Math.max(...rows.map((row) => row[column]!.length), 0)
  );
  return {
    text: rows.map((row) =>
      row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()
    ).join(
      "\n",
    ),
    json: people,
  };
}

async function passwordFrom(option: string | undefined): Promise<string> {
  if (option === undefined) return randomPassword();
  const given = (await new Response(Deno.stdin.readable).text()).replace(/\r?\n$/, "");
  if (given === "") throw new NexusError("invalid", "no password was given on standard input");
  return given;
}
