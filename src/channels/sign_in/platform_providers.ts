/**
 * Signing in with the account of an office platform: Feishu/Lark, DingTalk and WeCom, each by its
 * own kind of OAuth 2. Their app secrets stay here; only members of the company that the app
 * belongs to come in.
 *
 * Sources: open.feishu.cn "authen/v1/authorize", "authen/v2/oauth/token", "authen/v1/user_info";
 * open.dingtalk.com "Obtain the user token", "Get the contact's own details";
 * developer.work.weixin.qq.com "Web login", "auth/getuserinfo".
 */
import { readBytes } from "../../core/byte_collector.ts";
import { NexusError } from "../../core/error.ts";
import type { Identity } from "../../core/people/identity.ts";
import type { ExternalUser } from "../../core/people/provisioning.ts";
import type { SignInFlow, SignInProvider } from "./provider.ts";

/** Where a platform is; other addresses for private clouds and for tests. */
export interface PlatformUrls {
  /** Where the browser goes to sign in. */
  readonly login: string;
  /** Where we ask. */
  readonly api: string;
}

export const PLATFORM_URLS: Readonly<Record<"lark" | "dingtalk" | "wecom", PlatformUrls>> = {
  lark: { login: "https://accounts.feishu.cn", api: "https://open.feishu.cn" },
  dingtalk: { login: "https://login.dingtalk.com", api: "https://api.dingtalk.com" },
  wecom: { login: "https://login.work.weixin.qq.com", api: "https://qyapi.weixin.qq.com" },
};

interface Common extends PlatformUrls {
  readonly name: string;
  /**
   * The names of the apps in the settings in whose chats the same ids of people are seen: history
   * may stand under them.
   */
  readonly chats?: readonly string[];
  readonly fetch: typeof fetch;
}

// deno-lint-ignore no-explicit-any -- the platforms' answers are looked at field by field
type Answer = any;

/** Milliseconds that a platform may take. */
const TIMEOUT_MS = 10_000;

export class LarkProvider implements SignInProvider {
  readonly id = "lark";
  readonly name: string;
  constructor(private readonly p: Common & { readonly appId: string; readonly appSecret: string }) {
    this.name = p.name;
  }

  begin({ state, redirect, verifier }: SignInFlow): Promise<URL> {
    return challengeOf(verifier).then((code_challenge) =>
      address(this.p.login, "/open-apis/authen/v1/authorize", {
        client_id: this.p.appId,
        redirect_uri: redirect,
        response_type: "code",
        state,
        code_challenge,
        code_challenge_method: "S256",
      })
    );
  }

  async finish(callback: URL, { redirect, verifier }: SignInFlow): Promise<ExternalUser> {
    const { appId, appSecret, api } = this.p;
    const token = await ask(this.p.fetch, address(api, "/open-apis/authen/v2/oauth/token"), {
      grant_type: "authorization_code",
      client_id: appId,
      client_secret: appSecret,
      code: codeOf(callback),
      redirect_uri: redirect,
      code_verifier: verifier,
    });
    if (token.code !== 0) throw refusedBy("Feishu", token.code);
    const who = await ask(this.p.fetch, address(api, "/open-apis/authen/v1/user_info"), undefined, {
      authorization: `Bearer ${token.access_token}`,
    });
    if (who.code !== 0) throw refusedBy("Feishu", who.code);
    const openId = required(who.data?.open_id),
      unionId = who.data.union_id,
      tenant = String(who.data.tenant_key ?? "");
    const byApp: Identity = { platform: "lark", kind: "open_id", scope: appId, value: openId };
    return {
      platform: "lark",
      // Not the user_id: a company gives it again to somebody else.
      identities: typeof unionId === "string" && unionId !== ""
        ? [{ platform: "lark", kind: "union_id", scope: tenant, value: unionId }, byApp]
        : [byApp],
      ids: idsOf("lark", appId, this.p.chats, openId),
      displayName: who.data.name,
    };
  }
}

export class DingtalkProvider implements SignInProvider {
  readonly id = "dingtalk";
  readonly name: string;
  constructor(
    private readonly p: Common & {
      readonly appKey: string;
      readonly appSecret: string;
      readonly corpId: string;
    },
  ) {
    this.name = p.name;
  }

  begin({ state, redirect }: SignInFlow): Promise<URL> {
    const { login, appKey, corpId } = this.p;
    return Promise.resolve(address(login, "/oauth2/auth", {
      redirect_uri: redirect,
      response_type: "code",
      client_id: appKey,
      scope: "openid corpid",
      corpId,
      state,
      prompt: "consent",
    }));
  }

  async finish(callback: URL): Promise<ExternalUser> {
    const { appKey, appSecret, corpId, api } = this.p;
    const token = await ask(this.p.fetch, address(api, "/v1.0/oauth2/userAccessToken"), {
      clientId: appKey,
      clientSecret: appSecret,
      code: callback.searchParams.get("authCode") ?? codeOf(callback),
      grantType: "authorization_code",
    });
    if (typeof token.accessToken !== "string") throw refusedBy("DingTalk", token.code);
    // Anybody with DingTalk can sign in there; the token says for which company they chose to.
    if (token.corpId !== corpId) {
      throw new NexusError("forbidden", "sign-in is open to members of the company only");
    }
    const who = await ask(this.p.fetch, address(api, "/v1.0/contact/users/me"), undefined, {
      "x-acs-dingtalk-access-token": token.accessToken,
    });
    const unionId = required(who.unionId);
    return {
      platform: "dingtalk",
      identities: [{ platform: "dingtalk", kind: "union_id", scope: corpId, value: unionId }],
      ids: [`dingtalk:${appKey}:${unionId}`],
      displayName: who.nick,
    };
  }
}

export class WecomProvider implements SignInProvider {
  readonly id = "wecom";
  readonly name: string;
  #token: { text: string; until: number } | undefined;
  constructor(
    private readonly p: Common & {
      readonly corpId: string;
      readonly agentId: string;
      readonly secret: string;
      readonly now: () => number;
    },
  ) {
    this.name = p.name;
  }

  begin({ state, redirect }: SignInFlow): Promise<URL> {
    const { login, corpId, agentId } = this.p;
    return Promise.resolve(address(login, "/wwlogin/sso/login", {
      login_type: "CorpApp",
      appid: corpId,
      agentid: agentId,
      redirect_uri: redirect,
      state,
    }));
  }

  async finish(callback: URL): Promise<ExternalUser> {
    const access_token = await this.#accessToken();
    const code = codeOf(callback);
    const who = await ask(
      this.p.fetch,
      address(this.p.api, "/cgi-bin/auth/getuserinfo", { access_token, code }),
    );
    if (who.errcode !== 0) throw refusedBy("WeCom", who.errcode);
    // People outside the company have an openid and no userid.
    if (!who.userid) {
      throw new NexusError("forbidden", "sign-in is open to members of the company only");
    }
    const { userid } = who;
    const more = await ask(
      this.p.fetch,
      address(this.p.api, "/cgi-bin/user/get", { access_token, userid }),
    );
    const { corpId, chats } = this.p;
    return {
      platform: "wecom",
      identities: [{ platform: "wecom", kind: "user_id", scope: corpId, value: String(userid) }],
      ids: idsOf("wecom", corpId, chats, String(userid)),
      displayName: more.errcode === 0 ? more.name : userid,
    };
  }

  async #accessToken(): Promise<string> {
    const now = this.p.now();
    if (this.#token && this.#token.until > now) return this.#token.text;
    const { corpId: corpid, secret: corpsecret, api } = this.p;
    const answer = await ask(
      this.p.fetch,
      address(api, "/cgi-bin/gettoken", { corpid, corpsecret }),
    );
    if (answer.errcode !== 0) throw refusedBy("WeCom", answer.errcode);
    // Some minutes early, so that it does not end on the way.
    this.#token = { text: answer.access_token, until: now + (answer.expires_in - 300) * 1000 };
    return this.#token.text;
  }
}

async function ask(
  go: typeof fetch,
  url: URL,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await go(url, {
    method: body === undefined ? "GET" : "POST",
    headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
    redirect: "error",
  });
  const bytes = await readBytes(response.body, 64 << 10);
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    throw new Error(`${url.host} answered ${response.status} and no JSON`);
  }
}

/**
 * What an account may be called: by the sign-in, or by a chat in which its person was first seen.
 */
function idsOf(
  platform: string,
  scope: string,
  chats: readonly string[] = [],
  id: string,
): [string, ...string[]] {
  return [`${platform}:${scope}:${id}`, ...chats.map((app) => `${platform}:${app}:${id}`)];
}

function address(place: string, path: string, query: Record<string, string> = {}): URL {
  const url = new URL(path, place);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

function codeOf(callback: URL): string {
  const code = callback.searchParams.get("code");
  // The person said no, or the address was typed.
  if (!code) throw new NexusError("forbidden", "the platform sent no code");
  return code;
}

function required(id: unknown): string {
  if (typeof id !== "string" || id === "") {
    throw new NexusError("forbidden", "the platform did not say who this is");
  }
  return id;
}

/** Their code, never their text: it may hold what we sent. */
function refusedBy(platform: string, code: unknown): NexusError {
  return new NexusError(
    "forbidden",
    `${platform} refused the sign-in (${String(code).slice(0, 50)})`,
  );
}

async function challengeOf(verifier: string): Promise<string> {
  const digest = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier)),
  );
  return digest.toBase64({ alphabet: "base64url", omitPadding: true });
}
