/**
 * The files of an installation: `config.json` and what lies beside it, in the current folder unless
 * `--dir` says otherwise.
 */
import { join } from "node:path";
import { type ConfigProblem, type ConfigResult, readConfig } from "../config/config.ts";
import { PasswordHasher } from "../core/people/password_hash.ts";
import { hashToken, randomPassword, randomToken } from "../core/people/secret.ts";

export function configPath(dir: string): string {
  return join(dir, "config.json");
}

/**
 * The configuration's text, or nothing where there is no file yet. Other failures are thrown as
 * they are.
 */
export async function readConfigText(dir: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(configPath(dir));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Reads and checks a folder's configuration; a folder without one has the defaults. */
export async function loadConfig(dir: string): Promise<ConfigResult> {
  try {
    return readConfig(await readConfigText(dir) ?? "{}", Deno.env.toObject());
  } catch (error) {
    return {
      ok: false,
      problems: [{ path: configPath(dir), message: `cannot be read: ${(error as Error).message}` }],
    };
  }
}

/** What a first start makes up; told once and kept as hashes only. */
export interface FirstSecrets {
  readonly password: string;
  readonly botToken: string;
}

/**
 * Writes a first configuration, readable by its owner only. The secrets in it are hashes.
 *
 * @param port the port that this start listens on, so that the next one does the same
 *
 * Throws where the folder cannot be written; a file that has appeared meanwhile is left alone
 * (`AlreadyExists`).
 */
export async function writeFirstConfig(dir: string, port = 17_392): Promise<FirstSecrets> {
  const secrets = { password: randomPassword(), botToken: randomToken(24) };
  const config = {
    $schema: `http://localhost:${port}/config.schema.json`,
    port,
    botToken: await hashToken(secrets.botToken),
    users: {
      admin: {
        password: await new PasswordHasher().hash(secrets.password),
        displayName: "Admin",
        role: "admin",
      },
    },
    demo: true,
  };
  await Deno.mkdir(dir, { recursive: true });
  await Deno.writeTextFile(configPath(dir), `${JSON.stringify(config, null, 2)}\n`, {
    createNew: true,
    mode: 0o600,
  });
  return secrets;
}

/** Problems one a line, for people. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  return problems.map(({ path, message }) => `  ${path}: ${message}`).join("\n");
}
