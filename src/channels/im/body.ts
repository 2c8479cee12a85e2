/** The body of a callback, read with a bound: strangers may call too. */

/** Bytes; the largest documented callback (a card with 30 KB, sealed) stays far below. */
export const MAX_CALLBACK = 1 << 20;

/** The bytes as they came, or `undefined` where they are more than `max`. */
export async function readBody(request: Request, max = MAX_CALLBACK): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (Number(request.headers.get("content-length") ?? 0) > max) return undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > max) return undefined;
    chunks.push(chunk);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}
