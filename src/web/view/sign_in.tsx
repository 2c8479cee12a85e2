/** The page for a person who is not signed in. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { SignInProviderJson } from "../../wire/account.ts";
import type { GatewayError } from "../gateway_client.ts";
import type { Page } from "../page.ts";
import type { Words } from "../words/words.ts";
import { usePage, useWords } from "./context.ts";
import { Icon, Mark } from "./icons.tsx";
import { LanguageChoice } from "./language_choice.tsx";

export function SignIn(): JSX.Element {
  const page = usePage();
  const words = useWords();
  const form = useRef<HTMLFormElement>(null);
  const { isBusy, error, needsCode, submit } = useSignIn(page, form);
  useEffect(() => {
    form.current?.querySelector<HTMLInputElement>("input:not([value])")?.focus();
  }, []);
  return (
    <main class="sign-in">
      <form ref={form} onSubmit={submit} aria-describedby={error ? "sign-in-error" : undefined}>
        <div class="sign-in-head">
          <Mark size={40} />
          <h1>Nexus</h1>
        </div>
        {page.expired.value && <p class="note">{words.sessionOver}</p>}
        {page.refused.value !== undefined && (
          <p class="note danger" role="alert">{refusalText(words, page.refused.value)}</p>
        )}
        <Providers />
        {page.standalone && <AddressField />}
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
        <PasswordField />
        {needsCode && <CodeField />}
        <p id="sign-in-error" class="error" role="alert">{error}</p>
        <button type="submit" class="button primary wide" disabled={isBusy}>
          {isBusy ? words.signingIn : words.signIn}
        </button>
        <LanguageChoice />
      </form>
    </main>
  );
}

/** Submitting the form, and what it leads to. */
function useSignIn(page: Page, form: { readonly current: HTMLFormElement | null }) {
  const words = page.words.value;
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const [needsCode, setNeedsCode] = useState(false);
  const input = (name: string) => form.current?.querySelector<HTMLInputElement>(`[name=${name}]`);

  const onFailure = ({ code, message }: GatewayError) => {
    setBusy(false);
    if (code === "second_factor") {
      setNeedsCode(true);
      // The first time it is a question, not an error.
      setError(needsCode ? message : undefined);
      setTimeout(() => input("code")?.focus());
      return;
    }
    setError(failureText(words, code) ?? message);
    input("password")?.select();
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    const fields = new FormData(form.current!);
    const field = (name: string) => String(fields.get(name) ?? "");
    if (page.standalone) {
      const address = parseAddress(field("address"));
      if (address === undefined) return setError(words.gatewayAddressWrong);
      page.gateway.address = address;
    }
    setBusy(true);
    setError(undefined);
    try {
      await page.signIn(field("username"), field("password"), field("code"));
    } catch (failure) {
      onFailure(failure as GatewayError);
    }
  };
  return { isBusy, error, needsCode, submit };
}

/** The text for a failure that the gateway has no words for. */
function failureText(words: Words, code: string): string | undefined {
  if (code === "offline") return words.unreachable;
  return code === "broken" ? words.brokenAnswer : undefined;
}

function refusalText(words: Words, code: string): string {
  return Object.hasOwn(words.signInFailed, code)
    ? words.signInFailed[code]!
    : words.signInFailed.other!;
}

/** The address without slashes at its end; `undefined`: it is not an address. */
function parseAddress(text: string): string | undefined {
  let address = text.trim();
  while (address.endsWith("/")) address = address.slice(0, -1);
  return /^https?:\/\/[^/\s]+/.test(address) ? address : undefined;
}

/** The address of the gateway: the standalone file is not served by it. */
function AddressField(): JSX.Element {
  const page = usePage();
  const words = useWords();
  return (
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
  );
}

function PasswordField(): JSX.Element {
  const words = useWords();
  const [isShown, setShown] = useState(false);
  return (
    <div class="field">
      <label for="sign-in-password">{words.password}</label>
      <span class="field-with-button">
        <input
          id="sign-in-password"
          name="password"
          type={isShown ? "text" : "password"}
          autocomplete="current-password"
          required
        />
        <button
          type="button"
          class="icon-button"
          aria-label={isShown ? words.hidePassword : words.showPassword}
          aria-pressed={isShown}
          onClick={() => setShown(!isShown)}
        >
          <Icon name="eye" />
        </button>
      </span>
    </div>
  );
}

function CodeField(): JSX.Element {
  const words = useWords();
  return (
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
  );
}

/**
 * Links to the providers of sign-ins. They are plain links, because the browser leaves the page.
 */
function Providers(): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  const [providers, setProviders] = useState<readonly SignInProviderJson[]>([]);
  useEffect(() => {
    // The cookie of a provider's sign-in does not reach a page of another origin.
    if (page.standalone) return;
    page.gateway.get<{ providers: SignInProviderJson[] }>("/api/sign-in").then(
      (found) => setProviders(found.providers),
      // There are none, or the gateway is away; then the form reports it when it is submitted.
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
