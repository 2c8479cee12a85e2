/**
 * `nexus conform`: does a bot, or a gateway, keep to the protocol?
 */
import { runConform } from "../conform/conform.ts";
import type { Command } from "./command.ts";

export const conform: Command = {
  name: "conform",
  summary: "check a bot, or a gateway, against the protocol",
  run: (args) => runConform(args, (text) => console.log(text), Deno.env.toObject()),
};
