/**
 * `nexus user`: the people of the store, from the command line. A running gateway knows of a change within seconds.
 */
import { Accounts, type AccountView } from "../core/account.ts";
import { systemClock } from "../core/clock.ts";
import { NexusError } from "../core/error.ts";
import { silent } from "../core/observer.ts";
import { randomPassword } from "../core/secret.ts";
import { keyPart } from "../core/store.ts";
import { Audit } from "../core/audit.ts";
import { Archive } from "../core/archive.ts";
import { readOptions } from "./command.ts";
import { withStore } from "./store.ts";

const USAGE = `Usage: nexus user list                       [--dir DIR] [--json]
       nexus user add NAME    [--admin] [--display NAME] [--bots A,B] [--password -]
       nexus user passwd NAME [--password -]
       nexus user rm NAME

The people of the store; those of config.json are only listed. Without --password one is made and printed once;
with --password - it is read from standard input. \`passwd\` and \`rm\` end the person's sessions; \`rm\` deletes
what was said, too.`;

export async function user(args: readonly string[]): Promise<number> {
  const read = readOptions(
    args,
    {
      dir: { type: "string", default: "." },
      json: { type: "boolean" },
      admin: { type: "boolean" },
      display: { type: "string" },
      bots: { type: "string" },
      password: { type: "string" },
    },
    USAGE,
    2,
  );
  if (typeof read === "number") return read;
  const { values, positionals: [verb, name] } = read;
  const known = verb === "list"
    ? name === undefined
    : ["add", "passwd", "rm"].includes(verb ?? "") && name !== undefined;
  if (!known || (values.password !== undefined && values.password !== "-")) {
    console.error(USAGE);
    return 2;
  }
  return await withStore(values.dir, values.json, async (store, config) => {
    const observer = silent, clock = systemClock;
    const accounts = new Accounts({ store, clock, observer });
    const audit = new Audit({ store, clock, node: "cli" });
    try {
      await accounts.load();
      await accounts.replace(config.users);
      if (verb === "list") return listOf(accounts.list());
      const password = verb === "rm" ? "" : await passwordFrom(values.password);
      if (verb === "add") {
        const { admin, display, bots } = values;
        const role = admin ? "admin" : "member";
        await accounts.add(name!, { password, role, displayName: display, bots: bots?.split(",").filter(Boolean) });
      } else if (verb === "passwd") await accounts.change(name!, { password });
      else {
        await accounts.remove(name!);
        const archive = new Archive({ store, clock, observer });
        await archive.removePerson(name!);
        for (const key of ["key", "use"]) await removeAll(store, `${key}:${keyPart(name!)}:`);
      }
      if (verb !== "add") await removeAll(store, `session:${keyPart(name!)}:`);
      const did = { add: "person_added", passwd: "password_changed", rm: "person_removed" }[verb!]!;
      audit.write({ who: "command line", did, whom: name });
      await audit.settled();
      const told = verb !== "rm" && values.password === undefined ? `Password: ${password}\n(told only now)` : "";
      return {
        text: [`${name}: ${did.replace("_", " ")}`, told].filter(Boolean).join("\n"),
        json: { id: name, did, ...(told ? { password } : {}) },
      };
    } finally {
      accounts.close();
    }
  });
}

function listOf(people: readonly AccountView[]): { text: string; json: unknown } {
  const rows = people.map((
    { id, name, role, source, disabled, totp },
  ) => [id, name, role, source, [disabled ? "disabled" : "", totp ? "second factor" : ""].filter(Boolean).join(", ")]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length), 0));
  return {
    text: rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()).join(
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

async function removeAll(
  store: { list(prefix: string): Promise<[string, unknown][]>; delete(key: string): Promise<void> },
  prefix: string,
) {
  for (const [key] of await store.list(prefix)) await store.delete(key);
}
