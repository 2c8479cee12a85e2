/**
 * The greeting of `nexus serve`: the address, how to sign in, and how to connect a bot.
 */
import type { Config } from "../config/config.ts";
import { VERSION } from "../core/version.ts";
import type { FirstSecrets } from "./config_file.ts";

/** Prints the greeting. @param first the secrets of a configuration that was just created */
export function greet(at: Deno.NetAddr, config: Config, first: FirstSecrets | undefined): void {
  const host = at.hostname === "0.0.0.0" || at.hostname === "::" ? "localhost" : at.hostname;
  const lines = [
    `Nexus ${VERSION}`,
    "",
    `  Open      http${config.tls ? "s" : ""}://${host}:${at.port}`,
  ];
  if (first) {
    lines.push(
      `  Sign in   admin / ${first.password}`,
      "            (told only now; config.json keeps a hash)",
      "",
      "  Connect a bot: open the WebSocket and send one line",
      `            ws${config.tls ? "s" : ""}://${host}:${at.port}/bot-ws`,
      `            {"type":"register","botId":"my-bot","botName":"My Bot","token":"${first.botToken}"}`,
      "            (the token, too, is told only now)",
    );
  } else {
    const names = Object.keys(config.users);
    lines.push(
      names.length > 0
        ? `  Sign in   ${names.slice(0, 5).join(", ")}${names.length > 5 ? ", …" : ""}`
        : "  Sign in   nobody can yet: config.json has no users",
      `  Bots      ws${config.tls ? "s" : ""}://${host}:${at.port}/bot-ws`,
    );
  }
  console.log(`${lines.join("\n")}\n`);
}
