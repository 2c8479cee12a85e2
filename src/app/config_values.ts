/** What the parts of the app need of the configuration, in the form in which they need it. */
import type { ProviderPolicy } from "../core/people/account_directory.ts";
import type { GatewaySettings } from "../core/gateway_settings.ts";
import { DEFAULT_SESSION_MAX_AGE_MS, type SessionLife } from "../core/people/session.ts";
import type { Config } from "../config/config.ts";

/** The configuration as it stands. A change replaces it as a whole. */
export class LiveConfig {
  constructor(public current: Config) {}
}

export function gatewaySettingsOf(config: Config): Partial<GatewaySettings> {
  return {
    replyTimeout: config.replyTimeout,
    queue: { total: config.queue.total, perPerson: config.queue.perPerson },
    queueTimeout: config.queue.timeout,
  };
}

export function botServerSettingsOf(config: Config) {
  return {
    pingInterval: config.pingInterval,
    botTimeout: config.botTimeout,
    grace: config.resumeGrace,
  };
}

/**
 * A session lasts a month at most, unless the operator allows a longer pause between two uses.
 */
export function sessionLifeOf({ sessionTTL: ttl, sessionMaxAge }: Config): SessionLife {
  return { ttl, maxAge: sessionMaxAge ?? Math.max(DEFAULT_SESSION_MAX_AGE_MS, ttl) };
}

/** How old an API key may get, in milliseconds. */
export function keyMaxAgeOf({ keyMaxDays = Infinity }: Config): number {
  return keyMaxDays * 86_400_000;
}

/**
 * Whether an account is still vouched for: its provider is configured, and admits one of the groups
 * that the account had.
 */
export function vouchingOf({ signIn, channels }: Config): ProviderPolicy {
  const { oidc, lark, dingtalk, wecom, proxy } = signIn;
  const hasApps = (apps: object) => Object.keys(apps).length > 0;
  const isConfigured: Readonly<Record<string, boolean>> = {
    oidc: oidc !== undefined,
    proxy: proxy !== undefined,
    lark: lark !== undefined || hasApps(channels.feishu),
    dingtalk: dingtalk !== undefined || hasApps(channels.dingtalk),
    wecom: wecom !== undefined || hasApps(channels.wecom),
  };
  return ({ source = "", groups }) =>
    (isConfigured[source] ?? true) &&
    (source !== "oidc" || !groups || !oidc?.groups ||
      groups.some((group) => oidc.groups!.includes(group)));
}
