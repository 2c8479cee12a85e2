/**
 * The parts of prom-client that are used, without the rest: its front door also loads Node's cluster, performance hooks and a push
 * gateway's HTTP client, which every start would pay for.
 */
import type * as prom from "prom-client";
// @ts-types="prom-client"
import * as counter from "prom-client/lib/counter.js";
// @ts-types="prom-client"
import * as gauge from "prom-client/lib/gauge.js";
// @ts-types="prom-client"
import * as registry from "prom-client/lib/registry.js";

// Each of these files is CommonJS and exports its class; the types of the front door say what it is.
export const Counter = classOf(counter) as typeof prom.Counter;
export type Counter<T extends string = string> = prom.Counter<T>;
export const Gauge = classOf(gauge) as typeof prom.Gauge;
export type Histogram<T extends string = string> = prom.Histogram<T>;
export const Registry = classOf(registry) as typeof prom.Registry;

function classOf(module: unknown): unknown {
  return (module as { default: unknown }).default;
}
