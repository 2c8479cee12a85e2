/**
 * The service worker. It stores the files of the page, so that the page opens without a network.
 * It stores no messages, and it never answers requests to `/api`.
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

interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const worker = globalThis as unknown as WorkerScope;
const SHELL = `shell-${__VERSION__}`;

worker.addEventListener("install", (event) => {
  const work = caches.open(SHELL).then((cache) =>
    cache.addAll(["/", "/manifest.webmanifest", "/icons/icon.svg", ...__SHELL__])
  );
  (event as ExtendableEvent).waitUntil(work.then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (event) => {
  const clean = async () => {
    for (const name of await caches.keys()) if (name !== SHELL) await caches.delete(name);
    await worker.clients.claim();
  };
  (event as ExtendableEvent).waitUntil(clean());
});

worker.addEventListener("fetch", (event) => {
  const { request } = event as FetchEvent;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== worker.location.origin) return;
  if (request.mode === "navigate" && url.pathname === "/") {
    (event as FetchEvent).respondWith(networkFirst(request));
  } else if (
    /^\/(?:build|icons)\//.test(url.pathname) || url.pathname === "/manifest.webmanifest"
  ) {
    (event as FetchEvent).respondWith(cacheFirst(request));
  }
});

/** The page itself: the newest while there is a network. */
async function networkFirst(request: Request): Promise<Response> {
  const cache = await caches.open(SHELL);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put("/", response.clone());
    // A proxy's 502 must not replace the page: the page itself waits for the gateway.
    if (response.status < 502) return response;
  } catch {
    // Offline: the stored page follows.
  }
  return await cache.match("/") ?? Response.error();
}

/** Files with a hash in their names: a stored copy never gets old. */
async function cacheFirst(request: Request): Promise<Response> {
  const cache = await caches.open(SHELL);
  const stored = await cache.match(request);
  if (stored) return stored;
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
  (event as ExtendableEvent).waitUntil(open());
});
