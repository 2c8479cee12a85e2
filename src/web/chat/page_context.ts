/**
 * The page around a chat: its gateway, its settings, its address, and how it speaks to a person.
 */
import type { ReadonlySignal } from "@preact/signals";
import type { GatewayClient } from "../gateway_client.ts";
import type { LocalSettings } from "../local_settings.ts";
import type { RetrySleeper } from "../retry_sleeper.ts";
import type { Words } from "../words/words.ts";

/** A place in the page: a conversation, a new one, or an admin page. */
export interface Route {
  readonly conversation?: string;
  readonly admin?: string;
  /** The id of a turn to scroll to. A search result links to it. */
  readonly turn?: string;
}

export interface PageContext {
  readonly gateway: GatewayClient;
  readonly retrySleeper: RetrySleeper;
  readonly localSettings: LocalSettings;
  readonly words: ReadonlySignal<Words>;
  readonly route: ReadonlySignal<Route>;
  go(route: Route, replace?: boolean): void;
  /** Shows a short notice for `ms`. Returns a function that hides it sooner. */
  toast(text: string, action?: { label: string; run: () => void }, ms?: number): () => void;
  /** Speaks through a screen reader. */
  announce(text: string): void;
}
