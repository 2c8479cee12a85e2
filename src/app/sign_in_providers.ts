/** Who vouches for people at sign-in, as configured. */
import { TrustedProxies } from "../channels/http/trusted_proxies.ts";
import {
  DingtalkProvider,
  LarkProvider,
  PLATFORM_URLS,
  WecomProvider,
} from "../channels/sign_in/platform_providers.ts";
import { OidcProvider } from "../channels/sign_in/oidc.ts";
import type { SignInProvider } from "../channels/sign_in/provider.ts";
import type { Config } from "../config/config.ts";
import type { Clock } from "../core/clock.ts";

/** Throws where an address of a proxy cannot be read. */
export function signInProvidersOf({ signIn, channels }: Config, clock: Clock) {
  const { oidc, lark, dingtalk, wecom, proxy } = signIn;
  const withPlace = <T extends object>(settings: T, place: keyof typeof PLATFORM_URLS) => ({
    ...PLATFORM_URLS[place],
    ...settings,
    fetch,
  });
  const providers: SignInProvider[] = [];
  if (oidc) providers.push(new OidcProvider(oidc, () => clock.now()));
  if (lark) {
    const chats = namesOf(channels.feishu, ({ appId }) => appId === lark.appId);
    providers.push(new LarkProvider({ ...withPlace(lark, "lark"), chats }));
  }
  if (dingtalk) providers.push(new DingtalkProvider(withPlace(dingtalk, "dingtalk")));
  if (wecom) {
    const chats = namesOf(
      channels.wecom,
      (app) => app.kind === "app" && app.corpId === wecom.corpId,
    );
    providers.push(
      new WecomProvider({ ...withPlace(wecom, "wecom"), chats, now: () => clock.now() }),
    );
  }
  return { providers, proxy: proxy && { ...proxy, from: new TrustedProxies(proxy.from) } };
}

function namesOf<T>(apps: Readonly<Record<string, T>>, fits: (app: T) => boolean): string[] {
  return Object.entries(apps).filter(([, app]) => fits(app)).map(([name]) => name);
}
