/**
 * The command line: gives the program its world (arguments, environment, files, port, signals) and chooses its parts.
 *
 * `nexus` = `deno run -A main.ts` = the compiled program = the npm package's bin. Exit codes: 0 well, 1 something is wrong, 2 the call is wrong.
 */
import { audit } from "./src/cli/audit.ts";
import { backup, restore } from "./src/cli/backup.ts";
import { bot } from "./src/cli/bot.ts";
import { check } from "./src/cli/check.ts";
import { type Command, help } from "./src/cli/command.ts";
import { conform } from "./src/cli/conform.ts";
import { emulate } from "./src/cli/emulate.ts";
import { hash } from "./src/cli/hash.ts";
import { serve } from "./src/cli/serve.ts";
import { user } from "./src/cli/user.ts";
import { VERSION } from "./src/version.ts";

const commands: Command[] = [
  serve,
  check,
  user,
  bot,
  backup,
  restore,
  audit,
  hash,
  conform,
  emulate,
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
  const command = named ? commands.find(({ name }) => name === first) : serve;
  if (!command) {
    console.error(
      `nexus: there is no command "${first}". The commands are: ${commands.map(({ name }) => name).join(", ")}.`,
    );
    return 2;
  }
  return await command.run(named ? rest : args);
}
