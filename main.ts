/**
 * The command line: gives the program its world (arguments, environment, files, port, signals) and
 * chooses its parts.
 *
 * `nexus` = `deno run -A main.ts` = the compiled program = the npm package's bin. Exit codes: 0
 * well, 1 something is wrong, 2 the call is wrong.
 */
import { type Command, help } from "./src/cli/command.ts";
import { VERSION } from "./src/core/version.ts";

/**
 * Each is loaded when it is called: a start of the gateway should not wait for the code of the
 * others.
 */
const commands: Command[] = [
  {
    name: "serve",
    summary: "start the gateway (the default)",
    run: async (args) => (await import("./src/cli/serve.ts")).serve(args),
  },
  {
    name: "check",
    summary: "check the configuration without starting",
    run: async (args) => (await import("./src/cli/check.ts")).check(args),
  },
  {
    name: "user",
    summary: "add, change, list and remove people",
    run: async (args) => (await import("./src/cli/user.ts")).user(args),
  },
  {
    name: "bot",
    summary: "make, rotate and revoke bots' own tokens (bot token …)",
    run: async (args) => (await import("./src/cli/bot.ts")).bot(args),
  },
  {
    name: "backup",
    summary: "copy the store into a file, also while the gateway runs",
    run: async (args) => (await import("./src/cli/backup.ts")).backup(args),
  },
  {
    name: "restore",
    summary: "put a backup in the place of the store",
    run: async (args) => (await import("./src/cli/backup.ts")).restore(args),
  },
  {
    name: "audit",
    summary: "check the audit log (audit verify)",
    run: async (args) => (await import("./src/cli/audit.ts")).audit(args),
  },
  {
    name: "hash",
    summary: "make the hash of a password or a bot token for config.json",
    run: async (args) => (await import("./src/cli/hash.ts")).hash(args),
  },
  {
    name: "conform",
    summary: "check a bot, or a gateway, against the protocol",
    run: async (args) => (await import("./src/cli/conform.ts")).conform(args),
  },
  {
    name: "emulate",
    summary: "play Feishu, DingTalk or WeCom on this machine",
    run: async (args) => (await import("./src/cli/emulate.ts")).emulate(args),
  },
  {
    name: "version",
    summary: "print the version",
    run: () => {
      console.log(VERSION);
      return Promise.resolve(0);
    },
  },
];

if (import.meta.main) Deno.exit(await main(Deno.args));

/** Runs a command line. Returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args;
  if (first === "--version" || first === "-V") return await main(["version"]);
  if (first === "--help" || first === "-h" || first === "help") {
    console.log(help(commands));
    return 0;
  }
  // Without a command, or with options only, it serves.
  const named = first !== undefined && !first.startsWith("-");
  const command = commands.find(({ name }) => name === (named ? first : "serve"));
  if (!command) {
    console.error(
      `nexus: there is no command "${first}". The commands are: ${
        commands.map(({ name }) => name).join(", ")
      }.`,
    );
    return 2;
  }
  return await command.run(named ? rest : args);
}
