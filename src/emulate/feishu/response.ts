/** Feishu's response bodies: a code, a message, data. */
import type { Json } from "../../core/store.ts";

export function ok(data: Json, more: Json = {}): Response {
  return Response.json({ code: 0, msg: "success", data, ...more });
}

export function fail(
  status: number,
  code: number,
  msg: string,
  headers?: Record<string, string>,
): Response {
  return Response.json({ code, msg }, { status, headers });
}
