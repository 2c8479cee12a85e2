/** This is the page for somebody who is not signed in. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { GatewayError } from "../gateway_client.ts";
import type { Words } from "../words/words.ts";
import { usePage, useWords } from "./context.ts";
import { Icon, Mark } from "./icons.tsx";

export function SignIn(): JSX.Element {
  const page = usePage();
  const words = useWords();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const [second, setSecond] = useState(false);
  const [shown, setShown] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    form.current?.querySelector<HTMLInputElement>("input:not([value])")?.focus();
  }, []);

  const submit = async (event: Event) => {
    event.preventDefault();
    const fields = new FormData(form.current!);
    if (page.standalone) {
      let address = String(fields.get("address") ?? "").trim();
      while (address.endsWith("/")) address = address.slice(0, -1);
      if (!/^https?:\/\/[^/\s]+/.test(address)) return setError(words.gatewayAddressWrong);
      page.gateway.address = address;
    }
    setBusy(true);
    setError(undefined);
    try {
      await page.signIn(
        String(fields.get("username")),
        String(fields.get("password")),
        String(fields.get("code") ?? ""),
      );
    } catch (failure) {
      const { code, message } = failure as GatewayError;
      setError(
        code === "offline" ? words.unreachable : code === "broken" ? words.brokenAnswer : message,
      );
      setBusy(false);
      if (code === "second_factor") {
        setSecond(true);
        setError(second ? message : undefined);
        setTimeout(() => form.current?.querySelector<HTMLInputElement>("[name=code]")?.focus());
        return;
      }
      form.current?.querySelector<HTMLInputElement>("[name=password]")?.select();
    }
  };

  return (
    <main class="sign-in">
      <form ref={form} onSubmit={submit} aria-describedby={error ? "sign-in-error" : undefined}>
        <div class="sign-in-head">
          <Mark size={40} />
          <h1>Nexus</h1>
        </div>
        {page.expired.value && <p class="note">{words.sessionOver}</p>}
        {page.refused.value !== undefined && (
          <p class="note danger" role="alert">{refusal(words, page.refused.value)}</p>
        )}
        <Providers />
        {page.standalone && (
          <label class="field">
            <span>{words.gatewayAddress}</span>
            <input
              name="address"
              type="url"
              required
              value={page.localSettings.get("address")}
              placeholder="https://"
            />
            <small>{words.gatewayAddressHint}</small>
          </label>
        )}
        <label class="field">
          <span>{words.userName}</span>
          <input
            name="username"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            required
          />
        </label>
        <div class="field">
          <label for="sign-in-password">{words.password}</label>
          <span class="field-with-button">
            <input
              id="sign-in-password"
              name="password"
              type={shown ? "text" : "password"}
              autocomplete="current-password"
              required
            />
            <button
              type="button"
              class="icon-button"
              aria-label={shown ? words.hidePassword : words.showPassword}
              aria-pressed={shown}
              onClick={() => setShown(!shown)}
            >
              <Icon name="eye" />
            </button>
          </span>
        </div>
        {second && (
          <label class="field">
            <span>{words.oneTimeCode}</span>
            <input
              name="code"
              autocomplete="one-time-code"
              autocapitalize="none"
              spellcheck={false}
              required
            />
            <small>{words.oneTimeCodeHint}</small>
          </label>
        )}
        <p id="sign-in-error" class="error" role="alert">{error}</p>
        <button type="submit" class="button primary wide" disabled={busy}>
          {busy ? words.signingIn : words.signIn}
        </button>
        <LanguageChoice />
      </form>
    </main>
  );
}

function refusal(words: Words, code: string): string {
  return Object.hasOwn(words.signInFailed, code)
    ? words.signInFailed[code]!
    : words.signInFailed.other!;
}

interface Provider {
  readonly id: string;
  readonly name: string;
  readonly url: string;
}

/**
 * The ways to sign in besides name and password: plain links, because the browser leaves the page
 * for them.
 */
function Providers(): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  const [providers, setProviders] = useState<readonly Provider[]>([]);
  useEffect(() => {
    // From another origin the cookie that they end in would not reach the page.
    if (page.standalone) return;
    page.gateway.get<{ providers: Provider[] }>("/api/sign-in").then(
      (found) => setProviders(found.providers),
      // A gateway that knows no others, or cannot be reached: the form says so when it is used.
      () => {},
    );
  }, []);
  if (providers.length === 0) return null;
  return (
    <div class="providers">
      {providers.map(({ id, name, url }) => (
        <a key={id} class="button wide" href={url}>
          {words.signInWith(words.signInBy[id] ?? name)}
        </a>
      ))}
      <p class="or">{words.orPassword}</p>
    </div>
  );
}

/** The languages by their own names. */
export function LanguageChoice(): JSX.Element {
  const page = usePage();
  const words = useWords();
  return (
    <div class="choice" role="group" aria-label={words.language}>
      {([["en", "English"], ["zh", "中文"]] as const).map(([id, name]) => (
        <button
          key={id}
          type="button"
          lang={id === "zh" ? "zh-CN" : "en"}
          aria-pressed={page.language.value === id}
          onClick={() => page.setLanguage(id)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
