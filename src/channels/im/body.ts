/** The body of a callback, read with a bound: strangers may call too. */
import { readBytes } from "../../core/bytes.ts";

/** Bytes; the largest documented callback (a card with 30 KB, sealed) stays far below. */
export const MAX_CALLBACK = 1 << 20;

/** The bytes as they came, or `undefined` where they are more than `max`. */
export async function readBody(request: Request, max = MAX_CALLBACK): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const promised = Number(request.headers.get("content-length") ?? 0);
  return promised > max ? undefined : await readBytes(request.body, max, promised);
}
