/**
 * The net under everything: a fault that nobody caught goes into the log and does not take
 * everybody's answers with it. What it hit was one turn or one socket; a process that ends would be
 * all of them. What the process cannot live without is watched where it is made.
 */
import type { Observer } from "../core/observer.ts";

const CONSOLE = ["log", "info", "warn", "error", "debug"] as const;

/** Characters of a library's line that are logged. */
const MAX_LOGGED_CHARS = 2_000;

/** Catches what nobody else does, until the returned function is called. */
export function logUncaught(log: Pick<Observer, "tell">): () => void {
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    log.tell({ type: "fault", where: "uncaught", error: event.error });
  };
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    log.tell({ type: "fault", where: "unhandled rejection", error: event.reason });
  };
  globalThis.addEventListener("error", onError);
  globalThis.addEventListener("unhandledrejection", onRejection);
  const giveBack = takeConsole(log);
  return () => {
    globalThis.removeEventListener("error", onError);
    globalThis.removeEventListener("unhandledrejection", onRejection);
    giveBack();
  };
}

/**
 * The console writes at once and waits for whoever reads it: a library that warns must not stop the
 * gateway by that.
 */
function takeConsole(log: Pick<Observer, "tell">): () => void {
  const own = CONSOLE.map((name) => [name, console[name]] as const);
  for (const name of CONSOLE) {
    console[name] = (...things: unknown[]) => {
      const what = things.map((thing) => typeof thing === "string" ? thing : Deno.inspect(thing))
        .join(" ");
      log.tell({ type: "warning", what: `console: ${what.slice(0, MAX_LOGGED_CHARS)}` });
    };
  }
  return () => {
    for (const [name, write] of own) console[name] = write;
  };
}
