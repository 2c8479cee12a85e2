/** A person's accounts on chat platforms: linking one with the bot's code, and unlinking it. */
import type { JSX } from "preact";
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { IdentityJson, LinkedIdentityJson } from "../../wire/account.ts";
import { sanitizeName } from "../bot_name.ts";
import { usePage, useWords } from "../view/context.ts";
import { useAccountWords } from "./parts.tsx";

/** The page looks this often whether the person has confirmed the link in the chat app. */
const POLL_MS = 3000;

/** Looks after a code was entered: together as long as the bot waits for the confirmation. */
const MAX_POLLS = 100;

interface LinkedApps {
  readonly identities: readonly LinkedIdentityJson[];
  readonly platforms?: readonly string[];
}

export function ChatApps(): JSX.Element | null {
  const page = usePage();
  const words = useAccountWords();
  const linked = useSignal<LinkedApps | undefined>(undefined);
  const polls = useSignal(0);
  const load = async () => {
    try {
      linked.value = await page.gateway.get("/api/identities");
    } catch {
      // A gateway without chat platforms: there is nothing to link.
      linked.value = undefined;
    }
  };
  useEffect(() => void load(), []);
  usePolls(polls, load);
  const { platforms = [], identities = [] } = linked.value ?? {};
  if (platforms.length === 0 && identities.length === 0) return null;
  const onLinked = async () => {
    polls.value = MAX_POLLS;
    await load();
  };
  return (
    <section>
      <h3>{words.apps}</h3>
      {platforms.length > 0 && <LinkForm platforms={platforms} onLinked={onLinked} />}
      <ul class="sessions">
        {identities.map((one) => (
          <IdentityItem
            key={`${one.channel} ${one.app} ${one.id}`}
            identity={one}
            onUnlinked={load}
          />
        ))}
      </ul>
    </section>
  );
}

/** Loads again every few seconds until the count is used up. */
function usePolls(count: Signal<number>, load: () => Promise<void>): void {
  useEffect(() => {
    if (count.value === 0) return;
    const timer = setTimeout(() => {
      count.value--;
      void load();
    }, POLL_MS);
    return () => clearTimeout(timer);
  }, [count.value]);
}

/** The name of a platform in the person's language. */
function usePlatformName(): (channel: string) => string {
  const words = useAccountWords();
  return (channel) => words.app[channel] ?? channel;
}

function LinkForm({ platforms, onLinked }: {
  platforms: readonly string[];
  onLinked: () => Promise<void>;
}): JSX.Element {
  const page = usePage();
  const words = useAccountWords();
  const nameOf = usePlatformName();
  const form = useRef<HTMLFormElement>(null);
  const error = useSignal("");
  const link = async (event: Event) => {
    event.preventDefault();
    const code = String(new FormData(form.current!).get("code"));
    try {
      const { channel, asked } = await page.gateway.post<IdentityJson & { asked?: boolean }>(
        "/api/pair",
        { code },
      );
      error.value = "";
      form.current!.reset();
      page.toast((asked === false ? words.pairedUnasked : words.paired)(nameOf(channel)));
      await onLinked();
    } catch (failure) {
      error.value = (failure as Error).message;
    }
  };
  return (
    <form ref={form} class="password" onSubmit={link}>
      <p class="muted">{words.appsHint(platforms.map(nameOf).join(" / "))}</p>
      <div class="row bottom">
        <label class="field">
          <span>{words.pairCode}</span>
          <input
            name="code"
            required
            maxLength={32}
            autocomplete="off"
            autocapitalize="characters"
            spellcheck={false}
          />
        </label>
        <button type="submit" class="button">{words.pair}</button>
      </div>
      <p class="error" role="alert">{error.value}</p>
    </form>
  );
}

function IdentityItem({ identity, onUnlinked }: {
  identity: LinkedIdentityJson;
  onUnlinked: () => Promise<void>;
}): JSX.Element {
  const page = usePage();
  const words = useAccountWords();
  const { locale } = useWords();
  const nameOf = usePlatformName();
  const { channel, app, id, name, at, vouched } = identity;
  const unlink = async () => {
    if (!confirm(words.unpairSure(nameOf(channel)))) return;
    try {
      await page.gateway.delete("/api/identities", { channel, app, id });
      page.toast(words.unpaired);
    } catch (failure) {
      page.toast((failure as Error).message);
    }
    await onUnlinked();
  };
  return (
    <li class="setting">
      <span>
        {nameOf(channel)} <bdi>{sanitizeName(name ?? id)}</bdi>
        <small class="muted">{words.since(new Date(at).toLocaleDateString(locale))}</small>
      </span>
      {!vouched && (
        <button type="button" class="button small" onClick={() => void unlink()}>
          {words.unpair}
        </button>
      )}
    </li>
  );
}
