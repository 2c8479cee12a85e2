/**
 * These are the other runtimes that a test may find on the machine.
 */

/** What a program prints, or nothing where it is not there or fails. */
export function output(command: string, ...args: string[]): string | undefined {
  try {
    const { success, stdout } = new Deno.Command(command, { args, stderr: "null" }).outputSync();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Node with a global WebSocket: from 22 on without a word, from 20.10 on when asked. */
export function node(): string[] | undefined {
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(output("node", "--version") ?? "")?.map(Number) ??
    [];
  if (major === undefined) return undefined;
  if (major >= 22) return ["node"];
  return major === 20 && minor! >= 10
    ? ["node", "--experimental-websocket", "--no-warnings"]
    : undefined;
}
