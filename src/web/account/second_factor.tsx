/** A person's second factor: setting up an authenticator app, and turning it off. */
import type { ComponentChildren, JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { usePage } from "../view/context.ts";
import { Secret, useAccountWords } from "./parts.tsx";
import { QrCode } from "./qr_code.tsx";

/** The steps of turning it on and off. */
type FactorStep =
  | { readonly kind: "idle" }
  | { readonly kind: "scan"; readonly secret: string; readonly uri: string }
  | { readonly kind: "recovery"; readonly codes: readonly string[] }
  | { readonly kind: "turn_off" };

export function SecondFactor(): JSX.Element | null {
  const page = usePage();
  const words = useAccountWords();
  const isEnabled = useSignal<boolean | undefined>(undefined);
  const step = useSignal<FactorStep>({ kind: "idle" });
  const cancel = () => step.value = { kind: "idle" };
  useEffect(() => {
    page.gateway.get<{ enabled: boolean }>("/api/totp").then(
      ({ enabled }) => isEnabled.value = enabled,
      // A gateway without second factors: there is nothing to show.
      () => isEnabled.value = undefined,
    );
  }, []);
  if (isEnabled.value === undefined) return null;

  const begin = async () => {
    try {
      const setup = await page.gateway.post<{ secret: string; uri: string }>("/api/totp");
      step.value = { kind: "scan", ...setup };
    } catch (failure) {
      page.toast((failure as Error).message);
    }
  };
  const confirmCode = async (code: string) => {
    const { recoveryCodes } = await page.gateway.post<{ recoveryCodes: string[] }>(
      "/api/totp/confirm",
      { code },
    );
    isEnabled.value = true;
    step.value = { kind: "recovery", codes: recoveryCodes };
    page.toast(words.factorDone);
  };
  const turnOff = async (password: string) => {
    await page.gateway.delete("/api/totp", { password });
    isEnabled.value = false;
    step.value = { kind: "idle" };
    page.toast(words.factorGone);
  };
  const now = step.value;
  return (
    <section>
      <h3>{words.factor}</h3>
      {now.kind === "idle" && (
        <Switch
          isOn={isEnabled.value}
          onClick={() => isEnabled.value ? step.value = { kind: "turn_off" } : void begin()}
        />
      )}
      {now.kind === "scan" && <Scan {...now} onSubmit={confirmCode} onCancel={cancel} />}
      {now.kind === "recovery" && <RecoveryCodes codes={now.codes} onDone={cancel} />}
      {now.kind === "turn_off" && <TurnOff onSubmit={turnOff} onCancel={cancel} />}
    </section>
  );
}

function Switch({ isOn, onClick }: { isOn: boolean; onClick: () => void }): JSX.Element {
  const words = useAccountWords();
  return (
    <div class="setting">
      <span>{isOn ? words.factorOn : words.factorOff}</span>
      <button type="button" class="button small" onClick={onClick}>
        {isOn ? words.turnOff : words.turnOn}
      </button>
    </div>
  );
}

interface StepProps {
  /** Gets the content of the form's field. An error shows in the form. */
  readonly onSubmit: (field: string) => Promise<void>;
  readonly onCancel: () => void;
}

function Scan(
  { secret, uri, ...form }: StepProps & { readonly secret: string; readonly uri: string },
): JSX.Element {
  const words = useAccountWords();
  return (
    <StepForm {...form} label={words.factorConfirm} style="primary">
      <p>{words.factorScan}</p>
      <div class="factor">
        <QrCode text={uri} label={words.factorQr} />
        <div>
          <span class="muted">{words.factorSecret}</span>
          <code tabIndex={0}>{secret.replace(/(.{4})(?=.)/g, "$1 ")}</code>
          <a class="button small" href={uri}>{words.factorOpen}</a>
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
    </StepForm>
  );
}

function TurnOff(form: StepProps): JSX.Element {
  const words = useAccountWords();
  return (
    <StepForm {...form} label={words.turnOff} style="danger">
      <label class="field">
        <span>{words.password}</span>
        <input name="field" type="password" required autocomplete="current-password" />
      </label>
    </StepForm>
  );
}

function RecoveryCodes(
  { codes, onDone }: { readonly codes: readonly string[]; readonly onDone: () => void },
): JSX.Element {
  const words = useAccountWords();
  return (
    <div class="new-key">
      <h4>{words.recovery}</h4>
      <Secret text={codes.join("\n")}>{words.recoveryHint}</Secret>
      <button type="button" class="button small" onClick={onDone}>{words.recoveryKept}</button>
    </div>
  );
}

function StepForm({ onSubmit, onCancel, label, style, children }: StepProps & {
  readonly label: string;
  readonly style: "primary" | "danger";
  readonly children: ComponentChildren;
}): JSX.Element {
  const words = useAccountWords();
  const error = useSignal("");
  const form = useRef<HTMLFormElement>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      await onSubmit(String(new FormData(form.current!).get("field")));
    } catch (failure) {
      error.value = (failure as Error).message;
    }
  };
  return (
    <form ref={form} class="password" onSubmit={submit}>
      {children}
      <p class="error" role="alert">{error.value}</p>
      <div class="row">
        <button type="submit" class={`button ${style}`}>{label}</button>
        <button type="button" class="button" onClick={onCancel}>{words.cancel}</button>
      </div>
    </form>
  );
}
