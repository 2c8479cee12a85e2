/**
 * Signing in with any OpenID Connect provider: discovery, authorization code with PKCE, state and
 * nonce (OpenID Connect Core 1.0; the checks are those of the library openid-client). Who may come
 * in is decided by the domain of a verified mail address or by a group.
 */
import type { Configuration } from "openid-client";
import { NexusError } from "../../core/error.ts";
import type { ExternalUser } from "../../core/people/provisioning.ts";
import type { SignInFlow, SignInProvider } from "./provider.ts";

export interface OidcSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret?: string;
  readonly name: string;
  readonly scope: string;
  /** Mail domains that may come in; absent: all. */
  readonly domains?: readonly string[];
  /** The claim that lists a person's groups. */
  readonly groupsClaim: string;
  /** Groups that may come in; absent: all. */
  readonly groups?: readonly string[];
  /** Groups whose people are admins. */
  readonly adminGroups: readonly string[];
  /**
   * Which bots and pools a group may use; a person may use those of all their groups. Absent: all.
   */
  readonly bots?: Readonly<Record<string, readonly string[]>>;
  /** An issuer on plain HTTP, for tests and for a provider on this very machine. */
  readonly allowHttp: boolean;
}

/** Loaded when somebody first signs in with it: it would cost every start 7 ms. */
const library = () => import("openid-client");

/** Milliseconds after which the provider's description is read again. */
const DISCOVERY_TTL_MS = 3_600_000;

export class OidcProvider implements SignInProvider {
  readonly id = "oidc";
  readonly name: string;
  readonly #settings: OidcSettings;
  readonly #now: () => number;
  #found: { config: Promise<Configuration>; until: number } | undefined;

  constructor(settings: OidcSettings, now: () => number) {
    this.#settings = settings;
    this.#now = now;
    this.name = settings.name;
  }

  async begin(flow: SignInFlow): Promise<URL> {
    const [client, config] = await Promise.all([library(), this.#discover()]);
    return client.buildAuthorizationUrl(config, {
      redirect_uri: flow.redirect,
      scope: this.#settings.scope,
      state: flow.state,
      nonce: flow.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(flow.verifier),
      code_challenge_method: "S256",
    });
  }

  async finish(callback: URL, flow: SignInFlow): Promise<ExternalUser> {
    const [client, config] = await Promise.all([library(), this.#discover()]);
    // What the browser asked for is behind a proxy; the provider compares with what was told at the
    // beginning.
    const seen = new URL(flow.redirect);
    seen.search = callback.search;
    const tokens = await client.authorizationCodeGrant(config, seen, {
      pkceCodeVerifier: flow.verifier,
      expectedState: flow.state,
      expectedNonce: flow.nonce,
      idTokenExpected: true,
    }).catch((error) => {
      const why = refusalIn(client, error);
      throw why === undefined
        ? error
        : new NexusError("forbidden", `the provider refused the sign-in (${why})`);
    });
    const claims = tokens.claims()!;
    // Groups and mail often stand only there.
    const more = config.serverMetadata().userinfo_endpoint
      ? await client.fetchUserInfo(config, tokens.access_token, claims.sub)
      : {};
    return this.#judge({ ...claims, ...more });
  }

  #judge(claims: Record<string, unknown>): ExternalUser {
    const { issuer, domains, groups, adminGroups, groupsClaim, bots } = this.#settings;
    const sub = String(claims.sub);
    const mail = claims.email_verified === true && typeof claims.email === "string"
      ? claims.email
      : undefined;
    const domain = mail?.slice(mail.lastIndexOf("@") + 1).toLowerCase();
    if (domains && !domains.some((one) => one.toLowerCase() === domain)) {
      throw new NexusError("forbidden", "sign-in is not open to this mail domain");
    }
    const mine = Array.isArray(claims[groupsClaim])
      ? (claims[groupsClaim] as unknown[]).filter((one) => typeof one === "string")
      : [];
    if (groups && !mine.some((one) => groups.includes(one))) {
      throw new NexusError("forbidden", "sign-in is open to certain groups only");
    }
    const name = [claims.name, claims.preferred_username, mail, claims.sub].find((one) =>
      typeof one === "string"
    );
    return {
      platform: "oidc",
      identities: [{ platform: "oidc", kind: "sub", scope: issuer, value: sub }],
      ids: [`oidc:${sub}`],
      displayName: name as string,
      groups: groups && mine.filter((one) => groups.includes(one)),
      role: adminGroups.length === 0
        ? undefined
        : mine.some((one) => adminGroups.includes(one))
        ? "admin"
        : "member",
      bots: bots &&
        [...new Set(mine.flatMap((one) => (Object.hasOwn(bots, one) ? bots[one]! : [])))],
    };
  }

  #discover(): Promise<Configuration> {
    const now = this.#now();
    if (this.#found && this.#found.until > now) return this.#found.config;
    const { issuer, clientId, clientSecret, allowHttp } = this.#settings;
    const config = library().then((client) =>
      client.discovery(new URL(issuer), clientId, clientSecret, undefined, {
        timeout: 10,
        execute: allowHttp ? [client.allowInsecureRequests] : [],
      })
    );
    this.#found = { config, until: now + DISCOVERY_TTL_MS };
    // The next one tries again.
    config.catch(() => this.#found = undefined);
    return config;
  }
}

/**
 * Why the provider let nobody in, where that is the browser's doing: a code that was made up or is
 * over, parameters that it did not send, a person who said no. `undefined`: a fault, of the
 * provider or of our configuration, which the log tells.
 */
function refusalIn(
  client: Awaited<ReturnType<typeof library>>,
  error: unknown,
): string | undefined {
  if (error instanceof client.AuthorizationResponseError) return error.error.slice(0, 50);
  if (error instanceof client.ResponseBodyError) {
    return error.error === "invalid_grant" ? error.error : undefined;
  }
  const isMalformed = error instanceof client.ClientError &&
    error.code === "OAUTH_INVALID_RESPONSE";
  return isMalformed ? error.code : undefined;
}
