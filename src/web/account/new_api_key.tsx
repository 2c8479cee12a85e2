/** The form that creates an API key, and the key, which is shown once. */
import type { JSX } from "preact";
import { type Signal, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { ApiKeyJson } from "../../wire/account.ts";
import { sanitizeName } from "../bot_name.ts";
import { usePage } from "../view/context.ts";
import { Secret, useAccountWords } from "./parts.tsx";

/** The lifetimes that are offered, in days. */
const LIFETIMES = [30, 90, 365];

interface CreatedKey {
  readonly token: string;
  readonly key: ApiKeyJson;
}

export function NewApiKey(
  { onClose, onMade }: { onClose: () => void; onMade: () => Promise<void> },
): JSX.Element {
  const words = useAccountWords();
  const created = useSignal<CreatedKey | undefined>(undefined);
  if (!created.value) return <NewKeyForm created={created} onClose={onClose} onMade={onMade} />;
  const { token, key } = created.value;
  return (
    <div class="new-key">
      <Secret text={token}>{words.keyMade(key.name)}</Secret>
      <button type="button" class="button small" onClick={onClose}>{words.done}</button>
    </div>
  );
}

function NewKeyForm({ created, onClose, onMade }: {
  created: Signal<CreatedKey | undefined>;
  onClose: () => void;
  onMade: () => Promise<void>;
}): JSX.Element {
  const page = usePage();
  const words = useAccountWords();
  const form = useRef<HTMLFormElement>(null);
  const error = useSignal("");
  const isLimited = useSignal(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    const fields = new FormData(form.current!);
    const scopes = fields.getAll("scope").map(String);
    const bots = isLimited.value ? fields.getAll("bot").map(String) : undefined;
    if (scopes.length === 0) return void (error.value = words.keyScopesNone);
    if (bots?.length === 0) return void (error.value = words.keyBotsNone);
    try {
      created.value = await page.gateway.post("/api/keys", {
        name: String(fields.get("name")).trim(),
        scopes,
        bots,
        expiresInDays: Number(fields.get("days")) || undefined,
      });
      await onMade();
    } catch (failure) {
      error.value = (failure as Error).message;
    }
  };
  return (
    <form ref={form} class="password new-key" onSubmit={submit}>
      <label class="field">
        <span>{words.keyName}</span>
        <input name="name" required maxLength={100} autocomplete="off" />
      </label>
      <ScopeFields />
      <BotFields isLimited={isLimited} />
      <label class="field">
        <span>{words.keyEnds}</span>
        <select name="days" class="text-input">
          <option value="">{words.never}</option>
          {LIFETIMES.map((days) => <option key={days} value={days}>{words.inDays(days)}</option>)}
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

function ScopeFields(): JSX.Element {
  const page = usePage();
  const words = useAccountWords();
  const scopes = page.me.value?.role === "admin" ? ["chat", "read", "admin"] : ["chat", "read"];
  return (
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
  );
}

/** All bots, or only some bots and pools. */
function BotFields({ isLimited }: { isLimited: Signal<boolean> }): JSX.Element {
  const words = useAccountWords();
  return (
    <fieldset>
      <legend>{words.keyBots}</legend>
      <label class="check">
        <input
          type="radio"
          name="which"
          checked={!isLimited.value}
          onChange={() => isLimited.value = false}
        />{" "}
        {words.keyAllBots}
      </label>
      <label class="check">
        <input
          type="radio"
          name="which"
          checked={isLimited.value}
          onChange={() => isLimited.value = true}
        />{" "}
        {words.keySomeBots}
      </label>
      {isLimited.value && <BotCheckboxes />}
    </fieldset>
  );
}

function BotCheckboxes(): JSX.Element {
  const page = usePage();
  const bots = page.chat.bots.value ?? [];
  const pools = [...new Set(bots.flatMap(({ pool }) => pool ?? []))];
  return (
    <div class="key-bots">
      {pools.map((pool) => (
        <label key={`pool ${pool}`} class="check">
          <input type="checkbox" name="bot" value={pool} />{" "}
          <bdi>{page.words.value.pool(sanitizeName(pool))}</bdi>
        </label>
      ))}
      {bots.map((bot) => (
        <label key={bot.id} class="check">
          <input type="checkbox" name="bot" value={bot.id} /> <bdi>{sanitizeName(bot.name)}</bdi>
          <bdi class="muted">@{sanitizeName(bot.id)}</bdi>
        </label>
      ))}
    </div>
  );
}
