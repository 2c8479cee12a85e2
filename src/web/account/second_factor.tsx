/** This is a person's second factor: an authenticator app, set up and taken away. */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { usePage } from "../view/context.ts";
import { Secret, useAccountWords } from "./parts.tsx";
import { QrCode } from "./qr_code.tsx";

/** Where in setting it up, or taking it away. */
type Step =
  | { readonly at: "rest" }
  | { readonly at: "scan"; readonly secret: string; readonly uri: string }
  | { readonly at: "recovery"; readonly codes: readonly string[] }
  | { readonly at: "off" };

export function SecondFactor(): JSX.Element | null {
  const page = usePage();
  const words = useAccountWords();
  const enabled = useSignal<boolean | undefined>(undefined);
  const step = useSignal<Step>({ at: "rest" });
  const error = useSignal("");
  const form = useRef<HTMLFormElement>(null);
  const go = (next: Step) => {
    error.value = "";
    step.value = next;
  };
  useEffect(() => {
    page.gateway.get<{ enabled: boolean }>("/api/totp").then(
      (said) => enabled.value = said.enabled,
      // A gateway that knows no second factor has none to offer.
      () => enabled.value = undefined,
    );
  }, []);
  if (enabled.value === undefined) return null;

  /** Runs what a form asks for; what went wrong stands beside it. */
  const submit = (run: (field: string) => Promise<void>) => async (event: Event) => {
    event.preventDefault();
    try {
      await run(String(new FormData(form.current!).get("field")));
    } catch (failure) {
      error.value = (failure as Error).message;
    }
  };
  const begin = async () => {
    try {
      go({ at: "scan", ...await page.gateway.post<{ secret: string; uri: string }>("/api/totp") });
    } catch (failure) {
      page.toast((failure as Error).message);
    }
  };
  const confirm = submit(async (code) => {
    const { recoveryCodes } = await page.gateway.post<{ recoveryCodes: string[] }>(
      "/api/totp/confirm",
      { code },
    );
    enabled.value = true;
    go({ at: "recovery", codes: recoveryCodes });
    page.toast(words.factorDone);
  });
  const drop = submit(async (password) => {
    await page.gateway.delete("/api/totp", { password });
    enabled.value = false;
    go({ at: "rest" });
    page.toast(words.factorGone);
  });
  const now = step.value;
  return (
    <section>
      <h3>{words.factor}</h3>
      {now.at === "rest" && (
        <div class="setting">
          <span>{enabled.value ? words.factorOn : words.factorOff}</span>
          <button
            type="button"
            class="button small"
            onClick={() => enabled.value ? go({ at: "off" }) : void begin()}
          >
            {enabled.value ? words.turnOff : words.turnOn}
          </button>
        </div>
      )}
      {now.at === "scan" && (
        <form ref={form} class="password" onSubmit={confirm}>
          <p>{words.factorScan}</p>
          <div class="factor">
            <QrCode text={now.uri} label={words.factorQr} />
            <div>
              <span class="muted">{words.factorSecret}</span>
              <code tabIndex={0}>{now.secret.replace(/(.{4})(?=.)/g, "$1 ")}</code>
              <a class="button small" href={now.uri}>{words.factorOpen}</a>
            </div>
          </div>
          <label class="field">
            <span>{words.factorCode}</span>
            <input
              name="field"
              required
              inputMode="numeric"
              autocomplete="one-time-code"
              maxLength={10}
            />
          </label>
          <p class="error" role="alert">{error.value}</p>
          <div class="row">
            <button type="submit" class="button primary">{words.factorConfirm}</button>
            <button type="button" class="button" onClick={() => go({ at: "rest" })}>
              {words.cancel}
            </button>
          </div>
        </form>
      )}
      {now.at === "recovery" && (
        <div class="new-key">
          <h4>{words.recovery}</h4>
          <Secret text={now.codes.join("\n")}>{words.recoveryHint}</Secret>
          <button type="button" class="button small" onClick={() => go({ at: "rest" })}>
            {words.recoveryKept}
          </button>
        </div>
      )}
      {now.at === "off" && (
        <form ref={form} class="password" onSubmit={drop}>
          <label class="field">
            <span>{words.password}</span>
            <input name="field" type="password" required autocomplete="current-password" />
          </label>
          <p class="error" role="alert">{error.value}</p>
          <div class="row">
            <button type="submit" class="button danger">{words.turnOff}</button>
            <button type="button" class="button" onClick={() => go({ at: "rest" })}>
              {words.cancel}
            </button>
          </div>
        </form>
      )}
    </section>
  );
}
