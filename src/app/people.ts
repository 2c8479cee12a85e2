/** The people of the app: accounts, sessions, keys, what each may use, and the audit log. */
import { argon2idInWasm } from "../backends/argon_wasm.ts";
import type { Config } from "../config/config.ts";
import type { Observer } from "../core/observer.ts";
import { Accounts } from "../core/people/accounts.ts";
import { type Allowance, Allowances } from "../core/people/allowance.ts";
import { ApiKeys } from "../core/people/api_key.ts";
import { Audit } from "../core/people/audit.ts";
import { BotTokens } from "../core/people/bot_token.ts";
import { ServerSecret } from "../core/people/server_secret.ts";
import { Sessions } from "../core/people/session.ts";
import type { Base } from "./base.ts";
import { keyMaxAgeOf, sessionLifeOf, vouchingOf } from "./config_values.ts";

export interface People {
  readonly secret: ServerSecret;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly keys: ApiKeys;
  readonly botTokens: BotTokens;
  readonly allowances: Allowances;
  readonly audit: Audit;
  /** What a person may use. */
  readonly limitsOf: (personId: string) => Allowance;
}

export async function createPeople({ config, store, clock, log, observer }: Base): Promise<People> {
  const audit = new Audit({
    store,
    clock,
    onFault: (error) => log.tell({ type: "fault", where: "audit", error }),
  });
  observer.add(audit);
  const secret = await ServerSecret.open(store);
  const accounts = new Accounts({ clock, observer, store, secret, argon2id: argon2idInWasm });
  const limitsOf = (id: string): Allowance => {
    const own = accounts.limits(id), { limits } = config.current;
    return own ? { ...limits, ...own } : limits;
  };
  const allowances = new Allowances({ store, clock, observer: log, of: limitsOf });
  observer.add(allowances);
  await accounts.load();
  await takeUsers(accounts, config.current, observer);
  accounts.setProviderPolicy(vouchingOf(config.current));
  await accounts.migrate();
  const sessions = new Sessions(
    { store, clock, observer, credential: (id) => accounts.credential(id) },
    sessionLifeOf(config.current),
  );
  const keys = new ApiKeys({ store, clock, observer }, keyMaxAgeOf(config.current));
  const botTokens = new BotTokens({
    store,
    clock,
    sha256,
    isOut: (id) => accounts.isDeactivated(id),
  });
  await botTokens.load();
  return { secret, accounts, sessions, keys, botTokens, allowances, audit, limitsOf };
}

/** Takes over the users of a configuration, and warns of passwords that are plain text. */
export async function takeUsers(
  accounts: Accounts,
  config: Config,
  observer: Observer,
): Promise<void> {
  const plain = await accounts.replace(config.users);
  await accounts.noteConfigured();
  if (plain.length === 0) return;
  const names = plain.slice(0, 10).join(", ");
  observer.tell({
    type: "warning",
    what:
      `the password of ${names} stands in the configuration as plain text; \`nexus hash\` makes a hash`,
  });
}

/** Synchronous, unlike Web Crypto: a bot's frames must not overtake its registration. */
function sha256(text: string): string {
  // Loaded when the first bot registers: it would cost every start 8 ms.
  const { createHash } = globalThis.process.getBuiltinModule("node:crypto");
  return createHash("sha256").update(text).digest("hex");
}
