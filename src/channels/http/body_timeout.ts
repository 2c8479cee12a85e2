/**
 * How long a request's body may take: whoever sends a byte a minute would hold its connection, and
 * whoever reads it, for as long as they like.
 */
import { NexusError } from "../../core/error.ts";

/**
 * Milliseconds that any body may take, and bytes in a second that a long one must bring at least.
 */
export const BODY_TIMEOUT_MS = 30_000, MIN_BODY_BYTES_PER_SECOND = 32 << 10;

/**
 * Turns of the microtask queue after which a body that came with its headers is read: then no timer
 * is needed, which would cost 5 µs.
 */
const AT_ONCE = 3;

/**
 * What is being read, if it is there in time.
 *
 * @param bytes the most that may come
 * @param time milliseconds that any body may take
 * @throws NexusError("request_timeout") otherwise; the reading goes on to nobody's use until its
 *   connection is closed
 */
export async function withBodyTimeout<T>(
  reading: Promise<T>,
  bytes: number,
  time = BODY_TIMEOUT_MS,
): Promise<T> {
  let isRead = false;
  const read = () => {
    isRead = true;
  };
  reading.then(read, read);
  for (let turn = 0; turn < AT_ONCE && !isRead; turn++) await undefined;
  return isRead ? reading : await timed(reading, time + bytes / MIN_BODY_BYTES_PER_SECOND * 1000);
}

async function timed<T>(reading: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const why = `the body took longer than ${Math.ceil(ms / 1000)} s`;
    timer = setTimeout(() => reject(new NexusError("request_timeout", why)), ms);
  });
  try {
    return await Promise.race([reading, late]);
  } finally {
    clearTimeout(timer);
  }
}
