/** WeCom's response bodies: always a 200 with an `errcode`. */
import type { Json } from "../../core/store.ts";

export function answer(errcode: number, errmsg: string, more: Json = {}): Response {
  return Response.json({ errcode, errmsg, ...more });
}
