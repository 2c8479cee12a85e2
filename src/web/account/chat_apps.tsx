/**
 * This is a person's identities on chat platforms: linked by the code that the bot told there, and
 * unlinked.
 */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { sanitizeName } from "../bot_name.ts";
import { usePage, useWords } from "../view/context.ts";
import { useAccountWords } from "./parts.tsx";

interface Identity {
  readonly channel: string;
  readonly app: string;
  readonly id: string;
  readonly name?: string;
  readonly at: number;
  /** The platform itself says whose it is. */
  readonly vouched?: boolean;
}

/**
 * Milliseconds between two looks for the answer in the chat, and how often is looked: as long as it
 * is waited for there.
 */
const LOOK = 3000, LOOKS = 100;

export function ChatApps(): JSX.Element | null {
  const page = usePage();
  const words = useAccountWords();
  const { locale } = useWords();
  const form = useRef<HTMLFormElement>(null);
  const error = useSignal("");
  const found = useSignal<{ identities: Identity[]; platforms?: string[] } | undefined>(undefined);
  const load = async () => {
    try {
      found.value = await page.gateway.get("/api/identities");
    } catch {
      // A gateway without chat platforms has nothing to link.
      found.value = undefined;
    }
  };
  const looks = useSignal(0);
  useEffect(() => void load(), []);
  useEffect(() => {
    if (looks.value === 0) return;
    const timer = setTimeout(() => {
      looks.value--;
      void load();
    }, LOOK);
    return () => clearTimeout(timer);
  }, [looks.value]);
  const platforms = found.value?.platforms ?? [];
  const identities = found.value?.identities ?? [];
  if (platforms.length === 0 && identities.length === 0) return null;
  const nameOf = (channel: string) => words.app[channel] ?? channel;
  const link = async (event: Event) => {
    event.preventDefault();
    try {
      const code = String(new FormData(form.current!).get("code"));
      const { channel, asked } = await page.gateway.post<Identity & { asked?: boolean }>(
        "/api/pair",
        { code },
      );
      error.value = "";
      form.current!.reset();
      looks.value = LOOKS;
      page.toast((asked === false ? words.pairedUnasked : words.paired)(nameOf(channel)));
      await load();
    } catch (failure) {
      error.value = (failure as Error).message;
    }
  };
  const unlink = async ({ channel, app, id }: Identity) => {
    if (!confirm(words.unpairSure(nameOf(channel)))) return;
    try {
      await page.gateway.delete("/api/identities", { channel, app, id });
      page.toast(words.unpaired);
    } catch (failure) {
      page.toast((failure as Error).message);
    }
    await load();
  };
  return (
    <section>
      <h3>{words.apps}</h3>
      {platforms.length > 0 && (
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
      )}
      <ul class="sessions">
        {identities.map((one) => (
          <li key={`${one.channel} ${one.app} ${one.id}`} class="setting">
            <span>
              {nameOf(one.channel)} <bdi>{sanitizeName(one.name ?? one.id)}</bdi>
              <small class="muted">
                {words.since(new Date(one.at).toLocaleDateString(locale))}
              </small>
            </span>
            {!one.vouched && (
              <button
                type="button"
                class="button small"
                onClick={() => void unlink(one)}
              >
                {words.unpair}
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
