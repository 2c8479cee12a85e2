/**
 * Lets other work run. Work on a long text awaits this at intervals, so that no single text delays
 * the rest.
 */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
