/**
 * The state of the page: who is signed in, language and theme, the route, overlays and toasts.
 * Conversations and messages are in {@linkcode Chat}.
 */
import { computed, signal } from "@preact/signals";
import type { UserJson } from "../wire/account.ts";
import { Chat } from "./chat/chat.ts";
import type { Route } from "./chat/page_context.ts";
import { GatewayClient, GatewayError } from "./gateway_client.ts";
import type { LocalSettings } from "./local_settings.ts";
import { newId } from "./chat/turn.ts";
import { RetrySleeper } from "./retry_sleeper.ts";
import { type Language, LANGUAGES, preferredLanguage } from "./words/words.ts";

export type Theme = "system" | "light" | "dark";

/** A short notice at the lower edge. */
export interface Toast {
  readonly key: string;
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

/** What stands in front of the page, one at a time. */
export type Overlay =
  | { readonly kind: "settings" }
  | { readonly kind: "shortcuts" }
  | { readonly kind: "image"; readonly images: readonly string[]; readonly index: number };

export class Page {
  readonly gateway = new GatewayClient();
  readonly retrySleeper = new RetrySleeper();
  readonly chat: Chat;
  readonly localSettings: LocalSettings;
  /** `undefined` while nobody knows yet, `null` when signed out. */
  readonly me = signal<UserJson | null | undefined>(undefined);
  /** The session has expired while the page was open. */
  readonly expired = signal(false);
  /** Why signing in elsewhere did not work, as a code, when the browser came back from there. */
  readonly refused = signal<string | undefined>(undefined);
  /** The first question to the gateway got no answer. */
  readonly unreachable = signal(false);
  readonly theme = signal<Theme>("system");
  readonly language = signal<Language>("en");
  readonly words = computed(() => LANGUAGES[this.language.value]);
  readonly route = signal<Route>({});
  readonly overlay = signal<Overlay | undefined>(undefined);
  readonly toasts = signal<readonly Toast[]>([]);
  readonly listShown = signal(true);
  /** Asks the browser to install the page, where it offers that. */
  readonly installOffer = signal<(() => Promise<unknown>) | undefined>(undefined);
  /** Whether the person wants notifications while the page is in the background. */
  readonly notifications = signal(false);
  /** The text for screen readers. */
  readonly announcement = signal("");
  /** The gateway was reached at an address that a person gave: the standalone file. */
  readonly standalone: boolean;

  constructor(options: { localSettings: LocalSettings; standalone: boolean }) {
    this.localSettings = options.localSettings;
    this.standalone = options.standalone;
    this.chat = new Chat(this);
    this.gateway.onSignedOut = () => this.#signedOut();
  }

  /** Reads the settings, listens to the browser, and asks who is signed in. */
  async start(): Promise<void> {
    const kept = this.localSettings.get("language");
    this.setLanguage(
      kept === "en" || kept === "zh" ? kept : preferredLanguage(navigator.languages) ?? "en",
      kept !== undefined,
    );
    const theme = this.localSettings.get("theme");
    this.setTheme(theme === "light" || theme === "dark" ? theme : "system");
    this.notifications.value = this.localSettings.get("notifications") === "on";
    this.listShown.value = this.localSettings.get("list") !== "hidden";
    if (this.standalone) {
      this.gateway.address = this.localSettings.get("address") ?? "";
      this.gateway.token = this.localSettings.get("token");
    }
    this.#readReturn();
    this.route.value = parseRoute(location.hash);
    addEventListener("hashchange", () => this.route.value = parseRoute(location.hash));
    addEventListener("online", () => this.chat.reconnect(true));
    addEventListener("offline", () => this.chat.markOffline());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.chat.reconnect(false);
    });
    addEventListener("storage", (event) => {
      if (event.key === "nexus.theme") this.setTheme((event.newValue ?? "system") as Theme);
      if (event.key === "nexus.language" && (event.newValue === "en" || event.newValue === "zh")) {
        this.setLanguage(event.newValue, false);
      }
    });
    await this.#askWho();
  }

  /**
   * After a failure a provider of sign-ins sends the browser back with `/?sign_in=<code>`. The
   * reason is shown once: a reload forgets it.
   */
  #readReturn(): void {
    const code = new URLSearchParams(location.search).get("sign_in");
    if (code === null) return;
    this.refused.value = code;
    history.replaceState(null, "", location.pathname + location.hash);
  }

  async #askWho(): Promise<void> {
    if (this.standalone && !this.gateway.token) {
      this.me.value = null;
      return;
    }
    for (let tries = 0;; tries++) {
      try {
        const { user } = await this.gateway.get<{ user: UserJson }>("/api/me");
        this.unreachable.value = false;
        this.#signedIn(user);
        return;
      } catch (error) {
        const failure = error as GatewayError;
        if (failure.code !== "offline") {
          this.me.value = null;
          this.expired.value = false;
          return;
        }
        this.unreachable.value = true;
        // Offline, but this browser was signed in: show the shell, say that it is offline, and go
        // on trying.
        await this.retrySleeper.sleep(Math.min(1000 * (tries + 1), 5000));
      }
    }
  }

  /** Throws {@linkcode GatewayError}. */
  async signIn(username: string, password: string, code?: string): Promise<void> {
    const signedIn = await this.gateway.post<{ token: string; user: UserJson }>("/api/login", {
      username,
      password,
      code: code || undefined,
    });
    if (this.standalone) {
      this.gateway.token = signedIn.token;
      this.localSettings.set("token", signedIn.token);
      this.localSettings.set("address", this.gateway.address);
    }
    this.#signedIn(signedIn.user);
  }

  async signOut(): Promise<void> {
    try {
      await this.gateway.post("/api/logout");
    } catch (error) {
      // The session may be over already; anything else must not leave a person signed in unawares.
      if ((error as GatewayError).status !== 401) {
        this.toast((error as Error).message);
        return;
      }
    }
    this.forgetToken();
    this.expired.value = false;
    this.me.value = null;
    this.overlay.value = undefined;
    this.chat.reset();
    this.go({});
  }

  forgetToken(): void {
    this.gateway.token = undefined;
    this.localSettings.set("token", undefined);
  }

  #signedIn(user: UserJson): void {
    // The language chosen in this browser comes first, then the browser's own, then the account's.
    const isOpen = this.localSettings.get("language") === undefined &&
      preferredLanguage(navigator.languages) === undefined;
    if (user.language && isOpen) this.setLanguage(user.language, false);
    this.refused.value = undefined;
    const id = user.id ?? user.username;
    const same = this.chat.person === id;
    this.expired.value = false;
    this.me.value = user;
    this.chat.start(id, same);
  }

  #signedOut(): void {
    if (!this.me.value) return;
    this.forgetToken();
    this.expired.value = true;
    this.me.value = null;
    this.overlay.value = undefined;
    this.chat.pause();
  }

  setTheme(theme: Theme): void {
    this.theme.value = theme;
    document.documentElement.dataset.theme = theme;
    this.localSettings.set("theme", theme === "system" ? undefined : theme);
  }

  setLanguage(language: Language, persist = true): void {
    this.language.value = language;
    this.gateway.language = LANGUAGES[language].locale;
    document.documentElement.lang = LANGUAGES[language].locale;
    if (persist) this.localSettings.set("language", language);
  }

  setNotifications(on: boolean): void {
    this.notifications.value = on;
    this.localSettings.set("notifications", on ? "on" : undefined);
  }

  showList(shown: boolean): void {
    this.listShown.value = shown;
    this.localSettings.set("list", shown ? undefined : "hidden");
  }

  go(place: Route, replace = false): void {
    const hash = formatRoute(place);
    if (hash !== (location.hash || "#/")) {
      if (replace) history.replaceState(null, "", hash);
      else history.pushState(null, "", hash);
    }
    this.route.value = place;
  }

  /** Shows a short notice for `ms`. Returns a function that hides it sooner. */
  toast(text: string, action?: Toast["action"], ms = 6000): () => void {
    const toast: Toast = { key: newId(), text, action };
    this.toasts.value = [...this.toasts.value.slice(-2), toast];
    this.announce(text);
    const remove = () => this.toasts.value = this.toasts.value.filter((other) => other !== toast);
    setTimeout(remove, ms);
    return remove;
  }

  /** Speaks through a screen reader. */
  announce(text: string): void {
    this.announcement.value = "";
    setTimeout(() => this.announcement.value = text, 50);
  }
}

function parseRoute(hash: string): Route {
  const [, kind, id, turn] = hash.split("/");
  if (kind === "c" && id) {
    return {
      conversation: decodeURIComponent(id),
      turn: turn ? decodeURIComponent(turn) : undefined,
    };
  }
  if (kind === "admin") return { admin: id || "bots" };
  return {};
}

function formatRoute(place: Route): string {
  if (place.admin) return `#/admin/${place.admin}`;
  if (!place.conversation) return "#/";
  const turn = place.turn ? `/${encodeURIComponent(place.turn)}` : "";
  return `#/c/${encodeURIComponent(place.conversation)}${turn}`;
}
