/** This is a person's API keys: made, copied once, revoked. */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { sanitizeName } from "../bot_name.ts";
import { usePage, useWords } from "../view/context.ts";
import { Secret, useAccountWords } from "./parts.tsx";

/** A key as the gateway shows it: never the key itself. */
export interface KeyCard {
  readonly id: string;
  readonly name: string;
  /** Its first characters. */
  readonly begins: string;
  readonly scopes: readonly string[];
  readonly bots?: readonly string[];
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly lastUsedAt?: number;
}

export function ApiKeys(): JSX.Element | null {
  const page = usePage();
  const words = useAccountWords();
  const { locale } = useWords();
  const keys = useSignal<readonly KeyCard[] | undefined>(undefined);
  const making = useSignal(false);
  const load = async () => {
    try {
      keys.value = (await page.gateway.get<{ keys: KeyCard[] }>("/api/keys")).keys;
    } catch {
      // A gateway that does not tell has none to show.
      keys.value = undefined;
    }
  };
  useEffect(() => void load(), []);
  if (!keys.value) return null;
  const revoke = async (key: KeyCard) => {
    if (!confirm(words.revokeSure(key.name))) return;
    try {
      await page.gateway.delete(`/api/keys/${encodeURIComponent(key.id)}`);
      page.toast(words.keyRevoked(key.name));
    } catch (error) {
      page.toast((error as Error).message);
    }
    await load();
  };
  const day = (at: number) => new Date(at).toLocaleDateString(locale);
  return (
    <section class="keys-of">
      <h3>{words.keys}</h3>
      <div class="setting">
        <span class="muted">{words.keysHint}</span>
        {!making.value && (
          <button
            type="button"
            class="button small"
            onClick={() => making.value = true}
          >
            {words.makeKey}
          </button>
        )}
      </div>
      {making.value && <NewApiKey onClose={() => making.value = false} onMade={load} />}
      <ul class="sessions">
        {keys.value.map((key) => (
          <li key={key.id} class="setting">
            <span>
              <bdi>{key.name}</bdi> <code>{key.begins}…</code>
              <small class="muted">
                {[
                  key.scopes.join(", "),
                  key.bots && key.bots.map(sanitizeName).join(", "),
                  key.lastUsedAt
                    ? words.keyUsed(new Date(key.lastUsedAt).toLocaleString(locale))
                    : words.keyUnused,
                  key.expiresAt && words.keyUntil(day(key.expiresAt)),
                ].filter(Boolean).join(" · ")}
              </small>
            </span>
            <button type="button" class="button small danger" onClick={() => void revoke(key)}>
              {words.revoke}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

const DAYS = [30, 90, 365];

/** The form that makes a key, and the key itself once it is made. */
export function NewApiKey(
  { onClose, onMade }: { onClose: () => void; onMade: () => Promise<void> },
): JSX.Element {
  const page = usePage();
  const words = useAccountWords();
  const form = useRef<HTMLFormElement>(null);
  const error = useSignal("");
  const some = useSignal(false);
  const made = useSignal<{ token: string; key: KeyCard } | undefined>(undefined);
  const scopes = page.me.value?.role === "admin" ? ["chat", "read", "admin"] : ["chat", "read"];
  const bots = page.chat.bots.value ?? [];
  const pools = [...new Set(bots.flatMap(({ pool }) => pool ?? []))];
  const submit = async (event: Event) => {
    event.preventDefault();
    const fields = new FormData(form.current!);
    const chosen = fields.getAll("scope").map(String);
    const only = fields.getAll("bot").map(String);
    const days = Number(fields.get("days"));
    if (chosen.length === 0) return void (error.value = words.keyScopesNone);
    if (some.value && only.length === 0) return void (error.value = words.keyBotsNone);
    try {
      made.value = await page.gateway.post("/api/keys", {
        name: String(fields.get("name")).trim(),
        scopes: chosen,
        bots: some.value ? only : undefined,
        expiresInDays: days || undefined,
      });
      await onMade();
    } catch (failure) {
      error.value = (failure as Error).message;
    }
  };
  if (made.value) {
    return (
      <div class="new-key">
        <Secret text={made.value.token}>{words.keyMade(made.value.key.name)}</Secret>
        <button type="button" class="button small" onClick={onClose}>{words.done}</button>
      </div>
    );
  }
  return (
    <form ref={form} class="password new-key" onSubmit={submit}>
      <label class="field">
        <span>{words.keyName}</span>
        <input name="name" required maxLength={100} autocomplete="off" />
      </label>
      <fieldset>
        <legend>{words.keyScopes}</legend>
        {scopes.map((scope) => (
          <label key={scope} class="check">
            <input type="checkbox" name="scope" value={scope} defaultChecked={scope !== "admin"} />
            {" "}
            {words.scope[scope]}
          </label>
        ))}
      </fieldset>
      <fieldset>
        <legend>{words.keyBots}</legend>
        <label class="check">
          <input
            type="radio"
            name="which"
            checked={!some.value}
            onChange={() => some.value = false}
          />{" "}
          {words.keyAllBots}
        </label>
        <label class="check">
          <input
            type="radio"
            name="which"
            checked={some.value}
            onChange={() => some.value = true}
          />{" "}
          {words.keySomeBots}
        </label>
        {some.value && (
          <div class="key-bots">
            {pools.map((pool) => (
              <label key={`pool ${pool}`} class="check">
                <input type="checkbox" name="bot" value={pool} />{" "}
                <bdi>{page.words.value.pool(sanitizeName(pool))}</bdi>
              </label>
            ))}
            {bots.map((bot) => (
              <label key={bot.id} class="check">
                <input type="checkbox" name="bot" value={bot.id} />{" "}
                <bdi>{sanitizeName(bot.name)}</bdi>
                <bdi class="muted">@{sanitizeName(bot.id)}</bdi>
              </label>
            ))}
          </div>
        )}
      </fieldset>
      <label class="field">
        <span>{words.keyEnds}</span>
        <select name="days" class="text-input">
          <option value="">{words.never}</option>
          {DAYS.map((days) => <option key={days} value={days}>{words.inDays(days)}</option>)}
        </select>
      </label>
      <p class="error" role="alert">{error.value}</p>
      <div class="row">
        <button type="submit" class="button primary">{words.makeKey}</button>
        <button type="button" class="button" onClick={onClose}>{words.cancel}</button>
      </div>
    </form>
  );
}
