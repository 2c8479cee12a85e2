/** What the other side sent, before anything about it is known. */

// deno-lint-ignore no-explicit-any -- what a stranger sent: the cases judge its shape
export type RawFrame = any;
