/**
 * The page as an installed app: the service worker, the offer to install, notifications, and the
 * badge on the icon. None of it exists over plain HTTP, and the page works without it.
 */
import { effect } from "@preact/signals";
import type { Page } from "./page.ts";
import { trustedWorkerUrl } from "./trusted_types.ts";

/** What Chromium offers before it installs; not in the standard's types. */
interface InstallPrompt extends Event {
  prompt(): Promise<unknown>;
}

export function installPwa(page: Page): void {
  if ("serviceWorker" in navigator && isSecureContext) registerWorker(page);
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    page.installOffer.value = () => (event as InstallPrompt).prompt();
  });
  effect(() => {
    const count = page.chat.unread.total;
    const badges = navigator as Navigator & { setAppBadge?(count: number): Promise<void> };
    badges.setAppBadge?.(count)?.catch(() => undefined);
  });
  page.chat.onNotification = ({ title, text, conversationId }) => {
    if (!page.notifications.value || document.visibilityState === "visible") return;
    void notify(title, text, `#/c/${encodeURIComponent(conversationId)}`);
  };
}

async function notify(title: string, body: string, place: string): Promise<void> {
  if (typeof Notification !== "function" || Notification.permission !== "granted") return;
  const options = {
    body,
    tag: place,
    icon: "/icons/icon-192.png",
    badge: "/icons/badge-96.png",
    data: { place },
  };
  const worker = await navigator.serviceWorker?.getRegistration();
  if (worker) return await worker.showNotification(title, options);
  const shown = new Notification(title, options);
  shown.onclick = () => {
    globalThis.focus();
    location.hash = place;
    shown.close();
  };
}

function registerWorker(page: Page): void {
  navigator.serviceWorker.addEventListener("message", (event) => {
    if (event.data?.type === "place") location.hash = event.data.place;
  });
  const first = navigator.serviceWorker.controller === null;
  navigator.serviceWorker.addEventListener("controllerchange", () => {
    if (first) return;
    const words = page.words.value;
    page.toast(words.updateReady, { label: words.reload, run: () => location.reload() }, 60_000);
  });
  navigator.serviceWorker.register(trustedWorkerUrl("/sw.js")).catch((error) => {
    // Private windows of some browsers refuse; the page works without.
    console.warn("No offline shell:", error);
  });
}
