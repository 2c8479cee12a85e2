/**
 * `nexus hash`: makes the hash of a password or token, so that none stands in the configuration as
 * plain text.
 */
import { PasswordHasher } from "../core/people/password_hash.ts";
import { hashToken } from "../core/people/secret.ts";
import { readOptions } from "./command.ts";

const USAGE = `Usage: nexus hash [--token]

Reads a password from the terminal or from standard input and prints what to write into config.json:
"password": "$argon2id$…" for a person, or with --token "botToken": "sha256:…".`;

export async function hash(args: readonly string[]): Promise<number> {
  const read = readOptions(args, { token: { type: "boolean" } }, USAGE);
  if (typeof read === "number") return read;
  const secret = Deno.stdin.isTerminal()
    ? prompt("Secret (shown as you type):")
    : (await stdinText()).replace(/\r?\n$/, "");
  if (!secret) {
    console.error("nexus: nothing to hash was given");
    return 1;
  }
  console.log(
    read.values.token ? await hashToken(secret) : await new PasswordHasher().hash(secret),
  );
  return 0;
}

async function stdinText(): Promise<string> {
  return await new Response(Deno.stdin.readable).text();
}
