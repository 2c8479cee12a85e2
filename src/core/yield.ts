/**
 * Lets everything that waits have its turn. Work that goes over a long text asks for this every so
 * often, so that no single text holds up the others.
 */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
