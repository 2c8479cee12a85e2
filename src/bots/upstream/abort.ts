/**
 * Calls `run` once when the signal aborts, and never if it has aborted already. Returns a function
 * that takes the listener away.
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  signal.addEventListener("abort", run, { once: true });
  return () => signal.removeEventListener("abort", run);
}
