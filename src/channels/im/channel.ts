/**
 * The inbound side of an app on a chat platform: it receives the platform's events, by callbacks or
 * over a connection, and passes messages to its inbox. The outbound side is a `Platform`
 * (`platform.ts`).
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

/** What an app gets from the process. */
export interface ChannelParts extends ChatAccounts {
  readonly gateway: GatewayPort;
  /** The owners of identities on platforms. */
  readonly identities?: Identities;
  /** The languages of accounts. */
  readonly languages?: Languages;
  readonly store: Store;
  readonly budget: SendBudget;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** For addresses that are not the platform's. Default: one that refuses private addresses. */
  readonly fetchPublic?: typeof fetch;
  /** From 0 up to 1; default `Math.random`. */
  readonly random?: () => number;
  /** Called after each step of each delivery; a test may kill the process there. */
  readonly onStep?: (step: DeliveryStep | "received") => void;
}

export interface Channel {
  readonly inbox: Inbox;
  /** Answers a callback of the platform. */
  fetch(request: Request, address?: string): Promise<Response>;
  /** Resumes the deliveries of an earlier process, and opens the connection where there is one. */
  start(): Promise<void>;
  /** The state of the connection, and the last error. */
  readonly health: AppHealth;
  stop(): Promise<void>;
}
