/**
 * What WeCom's answers mean, over HTTP and over the long connection alike: always a 200, and an
 * `errcode`.
 *
 * Source: WeCom 全局错误码, 访问频率限制 (2023-08).
 */
import type { Json } from "../../core/store.ts";
import type { BudgetScope } from "../im/send_budget.ts";
import type { CallVerdict } from "../im/paced_caller.ts";
import { type HttpResponse, parse } from "../im/http_call.ts";

/** Blocks of a minute last that long. */
const MINUTE = 60_000;

const GONE = new Set(["846605", "846608"]);

export function judge(answer: HttpResponse, slow: BudgetScope): CallVerdict {
  const body = parse(answer.text);
  if (answer.status >= 500 || body === undefined) {
    return { kind: "retry", code: String(answer.status) };
  }
  return judgeBody(body, slow);
}

/** Judges the body of an HTTP answer, or a frame that acknowledges another. */
export function judgeBody(body: Json, slow: BudgetScope): CallVerdict {
  const code = String(body.errcode ?? 0);
  switch (code) {
    case "0":
      return { kind: "ok", body };
    case "40014":
    case "42001":
    case "41001":
      return { kind: "token", code };
    case "45009":
      return { kind: "throttled", scope: slow, ms: MINUTE, code };
    case "45033":
      return { kind: "throttled", scope: slow, ms: 1000, code };
    // Busy, and "data version conflict": refreshes of one answer met. Neither was shown.
    case "-1":
    case "6000":
      return { kind: "retry", code, unseen: true };
  }
  return {
    kind: GONE.has(code) ? "gone" : "refused",
    code,
    text: String(body.errmsg ?? "").slice(0, 200),
  };
}
