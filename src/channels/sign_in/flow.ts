/**
 * A sign-in on its way to a provider and back: an encrypted cookie of the browser that began it.
 * Nothing is stored for a stranger, and a link that an attacker began cannot be finished by
 * somebody else.
 */
import type { Clock } from "../../core/clock.ts";
import type { ServerSecret } from "../../core/people/server_secret.ts";
import { randomToken, timingSafeEqual } from "../../core/people/secret.ts";
import type { SignInFlow } from "./provider.ts";

export const FLOW_COOKIE = "nexus_sign_in";

/** Milliseconds that a person may take at the provider. */
export const FLOW_LIFETIME_MS = 10 * 60_000;

/**
 * Flows that were finished lately and are not taken again; past it the oldest go, whose codes the
 * provider takes no more either.
 */
const MAX_USED_FLOWS = 10_000;

/** Characters of the cookie, at most. */
const MAX_COOKIE = 4_000;

interface SealedFlow extends SignInFlow {
  readonly provider: string;
  readonly until: number;
}

export class FlowCookies {
  readonly #secret: ServerSecret;
  readonly #clock: Pick<Clock, "now">;
  /** The states of finished flows, and until when they would be good. */
  readonly #used = new Map<string, number>();

  constructor(parts: { secret: ServerSecret; clock: Pick<Clock, "now"> }) {
    this.#secret = parts.secret;
    this.#clock = parts.clock;
  }

  /** A new flow, and the cookie that holds it. */
  async begin(provider: string, redirect: string): Promise<{ flow: SignInFlow; cookie: string }> {
    const flow = { state: randomToken(), nonce: randomToken(), verifier: randomToken(), redirect };
    const until = this.#clock.now() + FLOW_LIFETIME_MS;
    return {
      flow,
      cookie: await this.#secret.seal("flow", { ...flow, provider, until } satisfies SealedFlow),
    };
  }

  /**
   * The flow that this browser began with this provider, by the state that came back; `undefined`:
   * none, too late, or used.
   */
  async find(
    provider: string,
    state: string,
    cookie: string | undefined,
  ): Promise<SignInFlow | undefined> {
    if (cookie === undefined || cookie.length > MAX_COOKIE || state === "") return undefined;
    const flow = await this.#secret.unseal("flow", cookie) as SealedFlow | undefined;
    const isGood = flow !== undefined && timingSafeEqual(flow.state, state) &&
      flow.provider === provider &&
      flow.until > this.#clock.now() && !this.#used.has(state);
    return isGood ? flow : undefined;
  }

  /** This flow has led to a sign-in and leads to no other. */
  end(flow: SignInFlow): void {
    const now = this.#clock.now();
    for (const [state, until] of this.#used) {
      if (until > now && this.#used.size < MAX_USED_FLOWS) break;
      this.#used.delete(state);
    }
    this.#used.set(flow.state, now + FLOW_LIFETIME_MS);
  }
}
