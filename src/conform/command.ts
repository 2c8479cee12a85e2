/** The command line of `nexus conform`. */
import type { GatewayTarget } from "./bot_stage.ts";
import type { BotTarget } from "./gateway_stage.ts";

export const CONFORM_HELP = `Usage:
  nexus conform [options] [ws://host:port/path]     play the gateway: print an address, wait for a bot
  nexus conform [options] -- command arg …          the same, and start the bot with NEXUS_URL,
                                                    NEXUS_TOKEN and NEXUS_BOT_ID
  nexus conform [options] --gateway ws://host/path  play the bots, and a person, towards a gateway

Options:
  --token TOKEN       the bot token of the gateway (or NEXUS_TOKEN)
  --user NAME         the person who asks; without one, only what needs no question is tried
  --password WORD     (or NEXUS_PASSWORD)
  --http URL          the gateway's HTTP address, when it is not the host of --gateway
  --bot-id PREFIX     what the ids of the kit's bots begin with
  --only NAME         only the cases whose name begins so; may be repeated
  --patience MS       how long to wait for an answer (default 15000 for a bot, 10000 for a gateway)
  --redial MS         how long a bot may take to dial (default 60000 after a drop, 600000 at first)
  --slow              also try what takes as long as the gateway's announced time-outs
  --json              one JSON document instead of the table
  --help

Exit code: 0 nothing that must hold failed, 1 something did, 2 the command makes no sense.
The rules: docs/protocol.md. What a bot under test should understand: docs/protocol.md#directives-for-a-bot-under-test`;

/** What the command says. */
export interface Command {
  readonly json: boolean;
  readonly only: readonly string[];
  readonly gateway?: GatewayTarget;
  readonly bot?: BotTarget & {
    readonly command?: readonly string[];
    readonly token?: string;
    readonly botId?: string;
  };
}

/** The command, or what is wrong with it. */
export function readCommand(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Command | string {
  const values = new Map<string, string[]>();
  const flags = new Set<string>();
  const rest: string[] = [];
  let command: string[] | undefined;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--") {
      command = args.slice(index + 1);
      break;
    }
    if (!arg.startsWith("--")) {
      rest.push(arg);
      continue;
    }
    const [name, inline] = arg.slice(2).split(/=(.*)/s, 2) as [string, string | undefined];
    if (name === "json" || name === "slow") flags.add(name);
    else if (VALUES.includes(name)) {
      const value = inline ?? args[++index];
      if (value === undefined) return `--${name} needs a value`;
      values.set(name, [...values.get(name) ?? [], value]);
    } else return `unknown option ${arg}`;
  }
  const one = (name: string) => values.get(name)?.at(-1);
  const times: Record<string, number> = {};
  for (const name of ["patience", "redial"]) {
    const text = one(name);
    if (text === undefined) continue;
    if (!(Number(text) > 0)) return `--${name} must be a number of milliseconds, got "${text}"`;
    times[name] = Number(text);
  }
  const common = { json: flags.has("json"), only: values.get("only") ?? [] };
  const [token, botId] = [one("token") ?? env.NEXUS_TOKEN, one("bot-id")];
  const gateway = one("gateway");
  if (rest.length > 1) return `one address is enough, got ${rest.join(" ")}`;
  if (gateway !== undefined) {
    if (rest.length > 0 || command) {
      return "--gateway plays the bot: it takes no address to listen at, and no command";
    }
    if (!isAddress(gateway)) return `--gateway must be a ws:// or wss:// address, got "${gateway}"`;
    const password = one("password") ?? env.NEXUS_PASSWORD;
    const who = { user: one("user"), password, http: one("http") };
    return {
      ...common,
      gateway: { url: gateway, token, botId, slow: flags.has("slow"), ...who, ...times },
    };
  }
  if (command?.length === 0) return "a command must follow --";
  const listen = rest[0];
  if (listen !== undefined && !isAddress(listen)) {
    return `the address must begin with ws://, got "${listen}"`;
  }
  const { hostname, port } = listen === undefined
    ? { hostname: "127.0.0.1", port: "0" }
    : new URL(listen);
  const where = {
    hostname: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? 80 : Number(port),
  };
  return { ...common, bot: { ...where, command, token, botId, ...times } };
}

const VALUES = [
  "gateway",
  "token",
  "user",
  "password",
  "http",
  "bot-id",
  "only",
  "patience",
  "redial",
];

function isAddress(text: string): boolean {
  return URL.canParse(text) && /^wss?:$/.test(new URL(text).protocol);
}
