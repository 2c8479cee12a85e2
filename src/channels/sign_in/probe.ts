/**
 * Tries every way to sign in once: the issuer's description and the client's secret of OpenID
 * Connect, the keys of the chat platforms' sign-in.
 */
import { readBytes } from "../../core/byte_collector.ts";
import type { Probe } from "../../core/checkup.ts";
import type { BilingualText, FindingReport } from "../../core/finding.ts";
import { tryDingTalkKeys } from "../dingtalk/probe.ts";
import type { ProbeParts } from "../im/probe.ts";
import { tryLarkKeys } from "../lark/probe.ts";
import { tryWecomKeys } from "../wecom/probe.ts";
import { PLATFORM_URLS } from "./platform_providers.ts";
import type { OidcSettings } from "./oidc.ts";

/** The `signIn` of the configuration, as far as there is something to try. */
export interface SignInSettings {
  readonly oidc?: OidcSettings;
  readonly lark?: { readonly appId: string; readonly appSecret: string; readonly api?: string };
  readonly dingtalk?: {
    readonly appKey: string;
    readonly appSecret: string;
    readonly api?: string;
  };
  readonly wecom?: {
    readonly corpId: string;
    readonly agentId: string;
    readonly secret: string;
    readonly api?: string;
  };
}

/** One check for each way that is configured. */
export function signInProbes(
  { oidc, lark, dingtalk, wecom }: SignInSettings,
  parts: ProbeParts,
): Probe[] {
  const probes: Probe[] = [];
  const add = (
    name: string,
    secret: string | undefined,
    run: (report: FindingReport) => Promise<unknown>,
  ) =>
    probes.push({
      target: `signIn.${name}`,
      run: async (report) => {
        await run(report);
        return secret ? [secret] : [];
      },
    });
  if (oidc) add("oidc", oidc.clientSecret, (report) => checkOidc(report, oidc));
  if (lark) {
    add(
      "lark",
      lark.appSecret,
      (report) => tryLarkKeys(report, lark, lark.api ?? PLATFORM_URLS.lark.api, "api", parts),
    );
  }
  if (dingtalk) {
    const { appKey, appSecret, api = PLATFORM_URLS.dingtalk.api } = dingtalk;
    const names = { id: "appKey", secret: "appSecret", address: "api" };
    add(
      "dingtalk",
      appSecret,
      (report) => tryDingTalkKeys(report, appKey, appSecret, api, names, parts),
    );
  }
  if (wecom) {
    add(
      "wecom",
      wecom.secret,
      (report) => tryWecomKeys(report, wecom, wecom.api ?? PLATFORM_URLS.wecom.api, "api", parts),
    );
  }
  return probes;
}

/** Seconds that the issuer may take. */
const TIMEOUT_SECONDS = 10;

/** Bytes of an issuer's answer that are read. */
const MAX_ANSWER_BYTES = 1 << 20;

/** A `fetch` that holds the whole answer: the library leaves some unread. */
async function wholeFetch(url: string, init: object): Promise<Response> {
  const response = await fetch(url, init);
  const { status, headers } = response;
  const bytes = await readBytes(response.body, MAX_ANSWER_BYTES);
  if (!bytes) throw new RangeError("the answer is too large");
  return new Response(status === 204 || status === 304 ? null : bytes, { status, headers });
}

/**
 * Reads the description; then offers a made-up code, which a right client is refused for other
 * reasons than a wrong one.
 */
async function checkOidc(report: FindingReport, settings: OidcSettings): Promise<void> {
  const { issuer, clientId, clientSecret, allowHttp } = settings;
  const client = await import("openid-client");
  let config: Awaited<ReturnType<typeof client.discovery>>;
  try {
    config = await client.discovery(new URL(issuer), clientId, clientSecret, undefined, {
      timeout: TIMEOUT_SECONDS,
      execute: allowHttp ? [client.allowInsecureRequests] : [],
      [client.customFetch]: wholeFetch,
    });
  } catch (error) {
    return report.wrong("issuer", {
      en: `the issuer's description (${
        new URL(issuer).host
      }) cannot be read, or names another issuer`,
      zh: `无法读取发行方的配置（${new URL(issuer).host}），或其中的 issuer 不一致`,
    }, {
      en:
        "`issuer` is the address to which /.well-known/openid-configuration is added; copy it from the provider's page",
      zh: "`issuer` 是后面接 /.well-known/openid-configuration 的地址；请从身份提供方的页面复制",
    }, { said: codeOf(error) });
  }
  try {
    await client.genericGrantRequest(config, "authorization_code", {
      code: "nexus-check",
      redirect_uri: "https://nexus.invalid/",
      code_verifier: "nexus-check-nexus-check-nexus-check-nexus-check",
    });
  } catch (error) {
    if (!(error instanceof client.ResponseBodyError)) return;
    if (error.error !== "invalid_client" && error.status !== 401) return;
    const todo: BilingualText = {
      en: "copy client id and secret again from the page of this application at the provider",
      zh: "从身份提供方该应用的页面重新复制 client id 和 secret",
    };
    report.wrong(
      clientSecret === undefined ? "clientId" : "clientSecret",
      {
        en: "the provider refuses the client: its id or secret is wrong",
        zh: "身份提供方拒绝了该客户端：client id 或 secret 错误",
      },
      todo,
      { said: error.error },
    );
  }
}

/** What went wrong, by its name: messages may hold addresses with secrets. */
function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return String(code ?? name ?? "").slice(0, 100);
}
