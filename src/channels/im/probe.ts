/**
 * The common parts of the apps' checks: a call with a timeout, and the finding for a platform that
 * cannot be reached. Each platform has a `probe.ts` of its own.
 */
import type { Clock } from "../../core/clock.ts";
import type { BilingualText, FindingReport } from "../../core/finding.ts";
import type { Json } from "../../core/store.ts";
import { parse, request } from "./http_call.ts";

/** What a check needs of the process. */
export interface ProbeParts {
  readonly fetch: typeof fetch;
  readonly clock: Clock;
}

/** Seconds until a call of a check times out. */
const TIMEOUT_SECONDS = 10;

/** Bytes of an answer that are read: lists of permissions are long. */
const MAX_BYTES = 1 << 20;

/** A platform's answer, or why there was none. */
export type ProbeOutcome =
  | { readonly status: number; readonly body: Json }
  | { readonly trouble: "timeout" | "network" | "not_json"; readonly status?: number };

/** A request of a check. It is not repeated. */
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
    { ...parts, timeouts: { token: TIMEOUT_SECONDS } },
    "token",
    method ?? (body === undefined ? "GET" : "POST"),
    url,
    {
      headers: { accept: "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body), json: true }),
      maxBytes: MAX_BYTES,
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
 * Reports a platform that did not answer.
 *
 * @param key the setting that has its address
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

/** Whether the rules name a department, so that people's departments must be fetched. */
export function namesDepartments(
  { rules }: { readonly rules: readonly { readonly department?: string }[] },
): boolean {
  return rules.some(({ department }) => department !== undefined);
}

/** Whether a text is an encoding key: 43 characters that decode to 32 bytes. */
export function isAesKey(key: string): boolean {
  return /^[A-Za-z0-9+/]{43}$/.test(key);
}

/** Reports an encoding key that is malformed. */
export function wrongAesKey(report: FindingReport, key: string, todo: BilingualText): void {
  report.wrong(key, {
    en: "the encoding key is not 43 letters and digits, so no callback can be opened",
    zh: "加密密钥不是 43 位字母和数字，任何回调都无法解密",
  }, todo);
}
