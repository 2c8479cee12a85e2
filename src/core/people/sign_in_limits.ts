/**
 * How often a password may be tried: a bound that nobody can reset and that locks no owner out.
 *
 * Each try costs one of its network. Behind that, tries are counted in one of three places: a
 * browser that signed in before has a count of its own, which nobody else can use up; a network
 * from which this person signed in lately has one for this name; all other networks share one for
 * the name, so that many addresses together guess no faster than one. An attacker elsewhere uses up
 * the last one only, and the owner comes in from where they always do.
 */
import type { Clock } from "../clock.ts";
import { networkOf, RateLimiter } from "../rate_limiter.ts";
import type { ServerSecret } from "./server_secret.ts";
import { randomToken } from "./secret.ts";
import { keyPart, type Store } from "../store.ts";

/** All tries of one network, whatever the name: many people may share one. */
export const NETWORK_SIGN_IN_RATE = { burst: 30, every: 2_000 } as const;

/**
 * Tries for one name from all networks that it is not known in: 1,440 guesses a day beyond the
 * first ten.
 */
export const NAME_SIGN_IN_RATE = { burst: 10, every: 60_000 } as const;

/** Tries for one name from one network, or one browser, in which it signed in before. */
export const KNOWN_SIGN_IN_RATE = { burst: 10, every: 30_000 } as const;

/** Networks remembered for one account, and for how long. */
export const KNOWN_NETWORKS = { most: 20, days: 90 } as const;

/** Days for which a browser is known after it signed in. */
export const DEVICE_DAYS = 180;

const DAY_MS = 86_400_000;

/** Milliseconds after which a network's last use is written anew. */
const NETWORK_REFRESH_MS = DAY_MS;

/** Who tries: where from, and with what a browser was given when it signed in. */
export interface SignInOrigin {
  readonly address: string;
  readonly device?: string;
}

type LastSeenByNetwork = Record<string, number>;

export class SignInLimits {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #secret: ServerSecret;
  readonly #byNetwork: RateLimiter;
  /** Of accounts that exist: at most one entry each, so that made-up names push none out. */
  readonly #byName: RateLimiter;
  readonly #byMadeUpName: RateLimiter;
  readonly #byKnown: RateLimiter;

  constructor(parts: { store: Store; clock: Clock; secret: ServerSecret }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#secret = parts.secret;
    this.#byNetwork = new RateLimiter(NETWORK_SIGN_IN_RATE, parts.clock);
    this.#byName = new RateLimiter(NAME_SIGN_IN_RATE, parts.clock);
    this.#byMadeUpName = new RateLimiter(NAME_SIGN_IN_RATE, parts.clock);
    this.#byKnown = new RateLimiter(KNOWN_SIGN_IN_RATE, parts.clock);
  }

  /**
   * Takes a try. Returns the seconds to wait, or the way to give the try back once it turned out to
   * be right.
   *
   * @param id the account's id, where there is an account of this name
   */
  async take(
    name: string,
    id: string | undefined,
    from: SignInOrigin,
  ): Promise<number | (() => void)> {
    const network = networkOf(from.address);
    const waitForNetwork = this.#byNetwork.take(network);
    // A try that its network may not make is not counted for the name: else one network could use
    // up anybody's.
    if (waitForNetwork > 0) return waitForNetwork;
    const [limit, key] = await this.#place(name, id, network, from.device);
    const wait = limit.take(key);
    if (wait > 0) return wait;
    return () => {
      limit.giveBack(key);
      this.#byNetwork.giveBack(network);
    };
  }

  async #place(
    name: string,
    id: string | undefined,
    network: string,
    device: string | undefined,
  ): Promise<[RateLimiter, string]> {
    if (id === undefined) return [this.#byMadeUpName, name];
    const browser = device === undefined ? undefined : await this.#browserOf(id, device);
    if (browser !== undefined) return [this.#byKnown, `${id}\nbrowser ${browser}`];
    const seen = (await this.#networks(id))[network];
    const isKnown = seen !== undefined && this.#clock.now() - seen < KNOWN_NETWORKS.days * DAY_MS;
    return isKnown ? [this.#byKnown, `${id}\n${network}`] : [this.#byName, id];
  }

  /**
   * Takes a try of somebody who is signed in and confirms their password. Nobody else can use these
   * up.
   */
  confirm(id: string): number | (() => void) {
    const key = `${id}\nsigned in`;
    const wait = this.#byKnown.take(key);
    return wait > 0 ? wait : () => this.#byKnown.giveBack(key);
  }

  /** Remembers where somebody signed in from. Returns what their browser shows next time. */
  async remember(id: string, from: SignInOrigin): Promise<string> {
    const now = this.#clock.now();
    const network = networkOf(from.address);
    const networks = await this.#networks(id);
    if (now - (networks[network] ?? 0) > NETWORK_REFRESH_MS) {
      const latest = Object.entries({ ...networks, [network]: now }).sort(([, a], [, b]) => b - a);
      await this.#store.set(
        `networks:${keyPart(id)}`,
        Object.fromEntries(latest.slice(0, KNOWN_NETWORKS.most)),
        {
          ttl: KNOWN_NETWORKS.days * DAY_MS,
        },
      );
    }
    const browser = from.device === undefined ? undefined : await this.#browserOf(id, from.device);
    return await this.#secret.seal("device", { id, browser: browser ?? randomToken(8), at: now });
  }

  async forget(id: string): Promise<void> {
    await this.#store.delete(`networks:${keyPart(id)}`);
  }

  /**
   * The browser's name in what it shows, if that was made for this account and not too long ago.
   */
  async #browserOf(id: string, device: string): Promise<string | undefined> {
    if (device.length > 500) return undefined;
    const shown = await this.#secret.unseal("device", device) as
      | { id: string; browser: string; at: number }
      | undefined;
    const isGood = shown?.id === id && this.#clock.now() - shown.at < DEVICE_DAYS * DAY_MS;
    return isGood ? shown.browser : undefined;
  }

  async #networks(id: string): Promise<LastSeenByNetwork> {
    return await this.#store.get(`networks:${keyPart(id)}`) ?? {};
  }
}
