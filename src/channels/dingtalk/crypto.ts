/**
 * What protects DingTalk's robot callbacks: `sign` = base64(HMAC-SHA256(key = app secret, data =
 * timestamp ‖ "\n" ‖ app secret)), with a window of an hour. The body is not covered, so HTTPS and
 * dropping repeats matter. Event subscriptions use the envelope of `../im/envelope.ts`.
 *
 * Source: DingTalk 接收消息. Known answers: `tests/vectors/im_crypto.json`.
 */
import { createHmac } from "node:crypto";
import { same } from "../im/envelope.ts";

/** Milliseconds that a callback's timestamp may be away from now. */
export const WINDOW = 3_600_000;

export function robotSign(appSecret: string, timestamp: string): string {
  return createHmac("sha256", appSecret).update(`${timestamp}\n${appSecret}`).digest("base64");
}

/** Why a robot callback is not one; `undefined` where it is. */
export function robotForged(
  appSecret: string,
  headers: Headers,
  now: number,
): "signature" | "stale" | undefined {
  const timestamp = headers.get("timestamp") ?? "";
  if (!same(robotSign(appSecret, timestamp), headers.get("sign") ?? "")) return "signature";
  return Math.abs(now - Number(timestamp)) > WINDOW ? "stale" : undefined;
}
