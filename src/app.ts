/**
 * The door of the app: configuration and parts go in, Request → Response comes out. `src/app/` ties
 * the rooms together.
 *
 * `main.ts`, the tests and other hosts use the same function: it opens no port, reads no file and
 * no environment.
 *
 * ```ts
 * const app = await createApp(config, {});
 * Deno.serve((request, info) => app.fetch(request, { address: info.remoteAddr.hostname }));
 * ```
 */
export { type App, createApp } from "./app/app.ts";
export type { AppParts } from "./app/base.ts";
