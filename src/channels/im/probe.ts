/**
 * What the checks of all platforms' apps have in common: one call with a deadline, and the words
 * for a platform that cannot be reached. Each platform has a `probe.ts` of its own beside its API.
 */
import type { Clock } from "../../core/clock.ts";
import type { BilingualText, FindingReport } from "../../core/finding.ts";
import type { Json } from "../../core/store.ts";
import { parse, request } from "./http_call.ts";

/** What a check needs of the world. */
export interface ProbeParts {
  readonly fetch: typeof fetch;
  readonly clock: Clock;
}

/** Seconds that one call of a check may take. */
const SECONDS = 10;

/** Bytes of an answer that are read: lists of permissions are long. */
const MOST = 1 << 20;

/** A platform's answer, or how there was none. */
export type ProbeOutcome =
  | { readonly status: number; readonly body: Json }
  | { readonly trouble: "timeout" | "network" | "not_json"; readonly status?: number };

/** A request of a check, made once. */
export interface ProbeRequest {
  readonly method?: string;
  readonly url: string;
  readonly headers?: Record<string, string>;
  /** Becomes JSON. */
  readonly body?: Json;
}

/** Makes one call. Never throws. */
export async function tryOnce(
  parts: ProbeParts,
  { method, url, headers, body }: ProbeRequest,
): Promise<ProbeOutcome> {
  const answer = await request(
    { ...parts, timeouts: { token: SECONDS } },
    "token",
    method ?? (body === undefined ? "GET" : "POST"),
    url,
    {
      headers: { accept: "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body), json: true }),
      maxBytes: MOST,
    },
  );
  if (answer === "timeout") return { trouble: "timeout" };
  if (answer === "network") return { trouble: "network" };
  const read = typeof answer === "string" ? undefined : parse(answer.text);
  if (typeof read !== "object" || read === null) {
    return { trouble: "not_json", status: typeof answer === "string" ? undefined : answer.status };
  }
  return { status: typeof answer === "string" ? 0 : answer.status, body: read };
}

/**
 * The finding for a platform that gave no answer of its own. @param key the setting that holds its
 * address
 */
export function unreachable(
  report: FindingReport,
  key: string,
  platform: BilingualText,
  url: string,
  tried: { readonly trouble: string; readonly status?: number },
): void {
  const { host } = new URL(url);
  const said = tried.status === undefined ? tried.trouble : `${tried.trouble}, ${tried.status}`;
  if (tried.trouble === "not_json") {
    return report.wrong(key, {
      en: `${host} is not ${platform.en}: something in between, such as a proxy, answered`,
      zh: `${host} 不是${platform.zh}：中间的某个环节（例如代理）作了应答`,
    }, {
      en: `check ${key} and the proxy of this machine`,
      zh: `检查 ${key} 和本机的代理`,
    }, { said });
  }
  const isSlow = tried.trouble === "timeout";
  report.wrong(key, {
    en: isSlow
      ? `${platform.en} does not answer at ${host}`
      : `${platform.en} cannot be reached at ${host}`,
    zh: isSlow ? `${platform.zh}（${host}）没有应答` : `无法连接${platform.zh}（${host}）`,
  }, {
    en: `check ${key}, DNS, the firewall and HTTPS_PROXY`,
    zh: `检查 ${key}、DNS、防火墙和 HTTPS_PROXY`,
  }, { said });
}

/** Whether the rules name a department, for which the platform has to tell somebody's. */
export function namesDepartments(
  { rules }: { readonly rules: readonly { readonly department?: string }[] },
): boolean {
  return rules.some(({ department }) => department !== undefined);
}

/** The letters of an AES key that decodes to 32 bytes. */
export function isAesKey(key: string): boolean {
  return /^[A-Za-z0-9+/]{43}$/.test(key);
}

/** The finding for an AES key of a wrong form. */
export function wrongAesKey(report: FindingReport, key: string, todo: BilingualText): void {
  report.wrong(key, {
    en: "the encoding key is not 43 letters and digits, so no callback can be opened",
    zh: "加密密钥不是 43 位字母和数字，任何回调都无法解密",
  }, todo);
}
