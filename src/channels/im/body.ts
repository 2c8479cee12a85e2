/** The body of a callback, read with a bound: strangers may call too. */
import { readBytes } from "../../core/byte_collector.ts";
import { NexusError } from "../../core/error.ts";
import { withBodyTimeout } from "../http/body_timeout.ts";

/** Bytes; the largest documented callback (a card with 30 KB, sealed) stays far below. */
export const MAX_CALLBACK = 1 << 20;

/**
 * The bytes as they came, or `undefined` where they are more than `max`. Throws `request_timeout`
 * or `invalid`.
 */
export async function readBody(
  request: Request,
  max = MAX_CALLBACK,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const promised = Number(request.headers.get("content-length") ?? 0);
  if (promised > max) return undefined;
  try {
    return await withBodyTimeout(readBytes(request.body, max, promised), max);
  } catch (cause) {
    if (cause instanceof NexusError) throw cause;
    // The client went away in the middle of its own body.
    throw new NexusError("invalid", "the body could not be read", { cause });
  }
}
