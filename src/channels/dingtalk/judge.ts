/**
 * What DingTalk's answers mean.
 *
 * Source: DingTalk 调用频次与限流 (2026-05), 全局错误码.
 */
import type { BudgetScope } from "../im/send_budget.ts";
import type { Json } from "../../core/store.ts";
import type { CallVerdict } from "../im/paced_caller.ts";
import { type HttpResponse, parse } from "../im/http_call.ts";

/** How long each says "too much": milliseconds. */
const BAN = 5 * 60_000, ROBOT_BLOCK = 10 * 60_000, MINUTE = 60_000;

/**
 * What an answer means. The ban of an address has no error code but a page, and a 200 may say that
 * somebody did not get it.
 */
export function judge(
  answer: HttpResponse,
  address: BudgetScope,
  api: BudgetScope,
  about: BudgetScope,
  read: (body: Json, about: BudgetScope) => CallVerdict = plain,
): CallVerdict {
  const body = parse(answer.text);
  if (isBan(answer, body)) {
    return { kind: "throttled", scope: address, ms: BAN, code: "1111", uncounted: true };
  }
  if (answer.status >= 500 || body === undefined) {
    return { kind: "retry", code: String(answer.status) };
  }
  const code = String(body.code ?? body.errcode ?? 0);
  const slow = (scope: BudgetScope, ms: number): CallVerdict => ({
    kind: "throttled",
    scope,
    ms,
    code,
    uncounted: true,
  });
  if (/QpmLimit/.test(code)) return slow(api, MINUTE);
  if (/QpsLimitForApi$/.test(code) || code === "90002") return slow(api, 2000);
  if (/QpsLimit/.test(code) || code === "90018") return slow(api, 1000);
  if (isUsedUp(code)) {
    return { kind: "refused", code, text: "the month's quota is used up" };
  }
  if (code === "410100" || code === "130101") return slow(about, ROBOT_BLOCK);
  if (/too\.?fast|too\.many|flow/i.test(code)) return slow(about, 2000);
  if (answer.status === 429 || /system\.?busy/i.test(code)) return slow(api, 1000);
  if (/InvalidAuthentication/i.test(code) || ["40014", "42001", "40001"].includes(code)) {
    return { kind: "token", code };
  }
  if (answer.status >= 400 || code !== "0") {
    return { kind: "refused", code, text: String(body.message ?? body.errmsg ?? "").slice(0, 200) };
  }
  return read(body, about);
}

/** Whether a code says that the month is used up. */
export function isUsedUp(code: string): boolean {
  return /ApiCountLimitForOrg/.test(code) || code === "90020";
}

/**
 * Whether the address is shut out, which has words of its own: a JSON with status 1111, or a page
 * of the guard in front of DingTalk. Any other page comes from something in between, which repeats
 * help.
 */
function isBan({ status, text }: HttpResponse, body: Json | undefined): boolean {
  if (body?.status === 1111) return true;
  return body === undefined && status < 500 && /punish|x5sec|_____tmd_____/i.test(text);
}

export function plain(body: Json, about: BudgetScope): CallVerdict {
  if (body.flowControlledStaffIdList?.length > 0) {
    return { kind: "throttled", scope: about, ms: 2000, code: "flowControlled" };
  }
  if (body.invalidStaffIdList?.length > 0) {
    return { kind: "refused", code: "invalidStaffIdList", text: "no such person" };
  }
  if (body.success === false) {
    return { kind: "refused", code: "success:false", text: JSON.stringify(body).slice(0, 200) };
  }
  return { kind: "ok", body };
}

/** `createAndDeliver` may answer 200 and have delivered nothing. */
export function delivered(body: Json, about: BudgetScope): CallVerdict {
  const failed = body.result?.deliverResults?.find((result: Json) => result.success === false);
  if (failed) {
    return { kind: "refused", code: "deliver", text: String(failed.errorMsg ?? "").slice(0, 200) };
  }
  return plain(body, about);
}
