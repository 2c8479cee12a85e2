/**
 * The settings: appearance, language, notifications, password and sessions. API keys, second
 * factor and chat apps are loaded with them.
 */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { SessionJson } from "../../wire/account.ts";
import { sanitizeName } from "../bot_name.ts";
import type { GatewayError } from "../gateway_client.ts";
import type { Theme } from "../page.ts";
import { usePage, useWords } from "./context.ts";
import { Lazy } from "./lazy.tsx";
import { Dialog } from "./parts.tsx";
import { LanguageChoice } from "./language_choice.tsx";

export function Settings({ onClose }: { onClose: () => void }): JSX.Element {
  const page = usePage();
  const words = useWords();
  const me = page.me.value!;
  return (
    <Dialog title={words.settings} onClose={onClose} class="settings">
      <section>
        <h3>{words.appearance}</h3>
        <div class="setting">
          <span>{words.theme}</span>
          <div class="choice" role="group" aria-label={words.theme}>
            {([["system", words.themeSystem], ["light", words.themeLight], [
              "dark",
              words.themeDark,
            ]] as [
              Theme,
              string,
            ][])
              .map(([id, name]) => (
                <button
                  key={id}
                  type="button"
                  aria-pressed={page.theme.value === id}
                  onClick={() => page.setTheme(id)}
                >
                  {name}
                </button>
              ))}
          </div>
        </div>
        <div class="setting">
          <span>{words.language}</span>
          <LanguageChoice />
        </div>
      </section>
      <Notifications />
      <Install />
      <section>
        <h3>{words.account}</h3>
        <div class="setting">
          <span>{words.signedInAs(sanitizeName(me.displayName || me.username))}</span>
          <button type="button" class="button small" onClick={() => void page.signOut()}>
            {words.signOut}
          </button>
        </div>
        <Password />
      </section>
      <Sessions />
      <Lazy load={loadAccount} props={{}} />
    </Dialog>
  );
}

const loadAccount = () => import("../account/account.tsx").then(({ Account }) => Account);

function Notifications(): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  const allowed = useSignal(
    typeof Notification === "function" ? Notification.permission : "denied",
  );
  // Over plain HTTP there are none.
  if (typeof Notification !== "function" || !isSecureContext) return null;
  const on = allowed.value === "granted" && page.notifications.value;
  const change = async () => {
    if (on) return page.setNotifications(false);
    allowed.value = await Notification.requestPermission();
    page.setNotifications(allowed.value === "granted");
  };
  return (
    <section>
      <h3>{words.notifications}</h3>
      <div class="setting">
        <span>{allowed.value === "denied" ? words.notifyBlocked : words.notifyHint}</span>
        {allowed.value !== "denied" && (
          <button
            type="button"
            class="button small"
            aria-pressed={on}
            onClick={() => void change()}
          >
            {on ? words.notifyOff : words.notifyOn}
          </button>
        )}
      </div>
    </section>
  );
}

function Install(): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  const offer = page.installOffer.value;
  if (!offer) return null;
  return (
    <section>
      <h3>{words.install}</h3>
      <div class="setting">
        <span>{words.installHint}</span>
        <button
          type="button"
          class="button small"
          onClick={() => {
            page.installOffer.value = undefined;
            void offer();
          }}
        >
          {words.install}
        </button>
      </div>
    </section>
  );
}

/** As the gateway asks for it. */
const SHORTEST = 8;

function Password(): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  const open = useSignal(false);
  const error = useSignal("");
  const missing = useSignal(false);
  const form = useRef<HTMLFormElement>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    const fields = new FormData(form.current!);
    const [current, next, repeat] = ["current", "next", "repeat"].map((name) =>
      String(fields.get(name))
    );
    if (next!.length < SHORTEST) return void (error.value = words.passwordShort(SHORTEST));
    if (next !== repeat) return void (error.value = words.passwordsDiffer);
    try {
      await page.gateway.post("/api/password", { current, password: next });
      open.value = false;
      error.value = "";
      page.toast(words.passwordChanged);
    } catch (failure) {
      const { status, message } = failure as GatewayError;
      if (status === 404) missing.value = true;
      error.value = message;
    }
  };
  if (missing.value) return null;
  if (!open.value) {
    return (
      <div class="setting">
        <span>{words.password}</span>
        <button type="button" class="button small" onClick={() => open.value = true}>
          {words.changePassword}
        </button>
      </div>
    );
  }
  return (
    <form ref={form} class="password" onSubmit={submit}>
      <input
        type="text"
        class="off-screen"
        autocomplete="username"
        value={page.me.value!.username}
        readOnly
        tabIndex={-1}
        aria-hidden="true"
      />
      <label class="field">
        <span>{words.currentPassword}</span>
        <input name="current" type="password" autocomplete="current-password" required />
      </label>
      <label class="field">
        <span>{words.nextPassword}</span>
        <input name="next" type="password" autocomplete="new-password" required />
        <small>{words.passwordShort(SHORTEST)}</small>
      </label>
      <label class="field">
        <span>{words.repeatPassword}</span>
        <input name="repeat" type="password" autocomplete="new-password" required />
      </label>
      <p class="error" role="alert">{error.value}</p>
      <div class="row">
        <button type="submit" class="button primary">{words.changePassword}</button>
        <button type="button" class="button" onClick={() => open.value = false}>
          {words.cancel}
        </button>
      </div>
    </form>
  );
}

function Sessions(): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  const sessions = useSignal<readonly SessionJson[] | undefined>(undefined);
  const load = async () => {
    try {
      sessions.value =
        (await page.gateway.get<{ sessions: SessionJson[] }>("/api/sessions")).sessions;
    } catch {
      // A gateway that does not tell has no such list to show.
      sessions.value = undefined;
    }
  };
  useEffect(() => void load(), []);
  if (!sessions.value || sessions.value.length === 0) return null;
  return (
    <section>
      <h3>{words.sessions}</h3>
      <ul class="sessions">
        {sessions.value.map((session) => (
          <li key={session.id} class="setting">
            <span>
              <bdi>
                {browserName(session.agent ?? "") || session.id.slice(0, 8)}
              </bdi>
              {session.current && <strong>· {words.thisSession}</strong>}
              <small class="muted">
                {[
                  session.address,
                  words.lastSeen(
                    new Date(session.lastSeenAt ?? session.createdAt ?? 0).toLocaleString(
                      words.locale,
                    ),
                  ),
                ]
                  .filter(Boolean).join(" · ")}
              </small>
            </span>
            {!session.current && (
              <button
                type="button"
                class="button small"
                onClick={async () => {
                  try {
                    await page.gateway.delete(`/api/sessions/${encodeURIComponent(session.id)}`);
                  } catch (error) {
                    page.toast((error as Error).message);
                  }
                  await load();
                }}
              >
                {words.endSession}
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** "Firefox · Windows" out of what a browser calls itself. */
function browserName(agent: string): string {
  const browser = /Edg\//.test(agent)
    ? "Edge"
    : /Firefox\//.test(agent)
    ? "Firefox"
    : /Chrome\//.test(agent)
    ? "Chrome"
    : /Safari\//.test(agent)
    ? "Safari"
    : agent.slice(0, 30);
  const system = /Android/.test(agent)
    ? "Android"
    : /iPhone|iPad/.test(agent)
    ? "iOS"
    : /Windows/.test(agent)
    ? "Windows"
    : /Mac OS/.test(agent)
    ? "macOS"
    : /Linux/.test(agent)
    ? "Linux"
    : "";
  return [browser, system].filter(Boolean).join(" · ");
}
