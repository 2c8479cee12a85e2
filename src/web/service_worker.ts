/**
 * This is the service worker: it keeps the shell of the page, so that it opens without a network
 * and can say so. It keeps nothing that anybody said, and it never answers for the gateway's
 * `/api`.
 */

/** Set by the build: what the page is made of. */
declare const __VERSION__: string;
declare const __SHELL__: readonly string[];

interface WorkerScope extends EventTarget {
  readonly location: Location;
  readonly clients: {
    claim(): Promise<void>;
    matchAll(
      options: unknown,
    ): Promise<{ focus(): Promise<unknown>; postMessage(message: unknown): void }[]>;
    openWindow(url: string): Promise<unknown>;
  };
  skipWaiting(): Promise<void>;
}

interface LifeEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

interface AskEvent extends LifeEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const worker = globalThis as unknown as WorkerScope;
const SHELL = `shell-${__VERSION__}`;

worker.addEventListener("install", (event) => {
  const work = caches.open(SHELL).then((cache) =>
    cache.addAll(["/", "/manifest.webmanifest", "/icons/icon.svg", ...__SHELL__])
  );
  (event as LifeEvent).waitUntil(work.then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (event) => {
  const clean = async () => {
    for (const name of await caches.keys()) if (name !== SHELL) await caches.delete(name);
    await worker.clients.claim();
  };
  (event as LifeEvent).waitUntil(clean());
});

worker.addEventListener("fetch", (event) => {
  const { request } = event as AskEvent;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== worker.location.origin) return;
  if (request.mode === "navigate" && url.pathname === "/") {
    (event as AskEvent).respondWith(freshOrKept(request));
  } else if (
    /^\/(?:build|icons)\//.test(url.pathname) || url.pathname === "/manifest.webmanifest"
  ) {
    (event as AskEvent).respondWith(keptOrFetched(request));
  }
});

/** The page itself: the newest while there is a network. */
async function freshOrKept(request: Request): Promise<Response> {
  const cache = await caches.open(SHELL);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put("/", response.clone());
    // A proxy that says that the gateway is away must not hide the page that can wait for it.
    if (response.status < 502) return response;
  } catch {
    // Offline: the kept one follows.
  }
  return await cache.match("/") ?? Response.error();
}

/** Its parts: names carry the hash of what is inside, so a kept one is right for ever. */
async function keptOrFetched(request: Request): Promise<Response> {
  const cache = await caches.open(SHELL);
  const kept = await cache.match(request);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await cache.put(request, response.clone());
  return response;
}

worker.addEventListener("notificationclick", (event) => {
  const { notification } = event as unknown as {
    notification: { close(): void; data: { place: string } };
  };
  notification.close();
  const open = async () => {
    const [window] = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
    if (!window) return await worker.clients.openWindow(`/${notification.data.place}`);
    window.postMessage({ type: "place", place: notification.data.place });
    await window.focus();
  };
  (event as LifeEvent).waitUntil(open());
});
