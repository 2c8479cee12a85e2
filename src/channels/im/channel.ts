/**
 * An app that is running: what every platform's `open…` gives to the room's door.
 */
import type { SendBudget } from "./send_budget.ts";
import type { Clock } from "../../core/clock.ts";
import type { Identities } from "../../core/people/identity.ts";
import type { Languages } from "../../core/languages.ts";
import type { Observer } from "../../core/observer.ts";
import type { Store } from "../../core/store.ts";
import type { ChatAccounts } from "./access.ts";
import type { GatewayPort } from "./gateway_port.ts";
import type { Inbox } from "./inbox.ts";
import type { AppHealth } from "./health.ts";
import type { DeliveryStep } from "./delivery.ts";

/** What an app on a platform needs of the world around it. */
export interface ChannelParts extends ChatAccounts {
  readonly gateway: GatewayPort;
  /** Whose identities on platforms are. */
  readonly identities?: Identities;
  /** The languages of accounts. */
  readonly languages?: Languages;
  readonly store: Store;
  readonly budget: SendBudget;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Default: the world's. */
  readonly fetch?: typeof fetch;
  /** For addresses that are not the platform's own; default: one that refuses private addresses. */
  readonly fetchPublic?: typeof fetch;
  /** From 0 up to 1; default `Math.random`. */
  readonly random?: () => number;
  /** Told of each step of each delivery; for tests that crash there. */
  readonly onStep?: (step: DeliveryStep | "received") => void;
}

export interface Channel {
  readonly inbox: Inbox;
  /** Answers a callback of the platform. */
  fetch(request: Request, address?: string): Promise<Response>;
  /** Goes on with what an earlier process left, and opens the connection where the mode has one. */
  start(): Promise<void>;
  /** Whether a connection that should be there is there, and what went wrong last. */
  readonly health: AppHealth;
  stop(): Promise<void>;
}
