/**
 * `nexus conform`: does a bot, or a gateway, keep to the protocol?
 */
import { runConform } from "../conform/conform.ts";

export function conform(args: readonly string[]): Promise<number> {
  return runConform(args, (text) => console.log(text), Deno.env.toObject());
}
