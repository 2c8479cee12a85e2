/** Reads the body of a callback, up to a bound: anybody may call. */
import { readBytes } from "../../core/byte_collector.ts";
import { NexusError } from "../../core/error.ts";
import { withBodyTimeout } from "../http/body_timeout.ts";

/** Bytes. The largest documented callback, an encrypted card of 30 KB, has far fewer. */
export const MAX_CALLBACK_BYTES = 1 << 20;

/** Returns the bytes; `undefined` for more than `max`. Throws `request_timeout` or `invalid`. */
export async function readBody(
  request: Request,
  max = MAX_CALLBACK_BYTES,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const promised = Number(request.headers.get("content-length") ?? 0);
  if (promised > max) return undefined;
  try {
    return await withBodyTimeout(readBytes(request.body, max, promised), max);
  } catch (cause) {
    if (cause instanceof NexusError) throw cause;
    // The client disconnected before the end of its body.
    throw new NexusError("invalid", "the body could not be read", { cause });
  }
}
