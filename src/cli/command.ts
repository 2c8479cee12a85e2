/**
 * What a command of the command line is, and how its options are read.
 */
import { parseArgs, type ParseArgsConfig } from "node:util";

export interface Command {
  readonly name: string;
  /** One line for `--help`. */
  readonly summary: string;
  /** Resolves to the exit code. */
  run(args: readonly string[]): Promise<number>;
}

/** What `nexus --help` prints. */
export function help(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    "Nexus: the gateway between people and AI bots.",
    "",
    "Usage: nexus [command] [options]",
    "",
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "`nexus <command> --help` tells a command's options. Without a command it serves.",
  ].join("\n");
}

type Options = NonNullable<ParseArgsConfig["options"]>;

/**
 * Reads a command's options. Where they are wrong, or help is asked for, the text is printed and
 * the exit code returned instead.
 *
 * @param usage the command's help text
 */
export function readOptions<T extends Options>(
  args: readonly string[],
  options: T,
  usage: string,
  positionals = 0,
) {
  try {
    const read = parseArgs({
      args: [...args],
      options: { ...options, help: { type: "boolean", short: "h" } },
      allowPositionals: positionals > 0,
    });
    if ((read.values as { help?: boolean }).help) {
      console.log(usage);
      return 0;
    }
    if (read.positionals.length > positionals) {
      throw new Error(`Unexpected argument '${read.positionals[positionals]}'`);
    }
    return read;
  } catch (error) {
    console.error(`nexus: ${(error as Error).message.split("\n")[0]}\n\n${usage}`);
    return 2;
  }
}
