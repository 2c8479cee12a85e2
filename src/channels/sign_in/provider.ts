/**
 * Who else may vouch for a person: the contract between the sign-in routes and OpenID Connect,
 * Feishu, DingTalk and WeCom.
 */

import type { ExternalUser } from "../../core/people/provisioning.ts";

/** What belongs to one sign-in from its beginning to its end. The browser carries it encrypted. */
export interface SignInFlow {
  /** Comes back with the browser and says which flow it is. */
  readonly state: string;
  /** Comes back inside the ID token: it was made for this flow. */
  readonly nonce: string;
  /** PKCE: who has the code alone cannot use it. */
  readonly verifier: string;
  /** Where the provider sends the browser back to. */
  readonly redirect: string;
}

export interface SignInProvider {
  /** Short, for addresses: `oidc`, `lark`. */
  readonly id: string;
  /** What the button says. */
  readonly name: string;
  /** Where the browser goes. Rejects where the provider cannot be reached. */
  begin(flow: SignInFlow): Promise<URL>;
  /**
   * Who came back. Throws `forbidden` with the reason when they may not come in, or whatever went
   * wrong.
   */
  finish(callback: URL, flow: SignInFlow): Promise<ExternalUser>;
}
