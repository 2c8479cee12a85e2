/**
 * This is what the admin pages share: words, tables, and asking again every few seconds while they
 * are looked at.
 */
import type { ComponentChildren, JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Page } from "../page.ts";
import { usePage, useWords } from "../view/context.ts";
import { ADMIN_WORDS, type AdminWords } from "./words.ts";

export function useAdminWords(): AdminWords {
  return ADMIN_WORDS[usePage().language.value];
}

/** Asks now, and again every `every` ms while the page is seen. */
export function usePolling<T>(ask: (page: Page) => Promise<T>, every: number) {
  const page = usePage();
  const found = useSignal<T | undefined>(undefined);
  const failed = useSignal<string | undefined>(undefined);
  const again = async () => {
    try {
      found.value = await ask(page);
      failed.value = undefined;
    } catch (error) {
      failed.value = (error as Error).message;
    }
  };
  useEffect(() => {
    void again();
    const timer = setInterval(() => document.visibilityState === "visible" && void again(), every);
    return () => clearInterval(timer);
  }, []);
  return { found, failed, again };
}

export function ErrorNote({ text }: { text: string | undefined }): JSX.Element | null {
  const words = useAdminWords();
  return text === undefined
    ? null
    : <p class="ending danger" role="alert">{words.failed} {text}</p>;
}

export function Table({ head, empty, children, label }: {
  head: readonly string[];
  empty: boolean;
  children: ComponentChildren;
  label: string;
}): JSX.Element {
  const words = useAdminWords();
  if (empty) return <p class="muted">{words.nothing}</p>;
  return (
    <div class="table-frame wide" tabIndex={0} role="region" aria-label={label}>
      <table class="list">
        <thead>
          <tr>
            {head.map((name, index) =>
              name ? <th key={name} scope="col">{name}</th> : <td key={index} />
            )}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

export function useDateFormat(): (at: number | string | undefined) => string {
  const { locale } = useWords();
  return (at) =>
    at === undefined ? "" : new Date(at).toLocaleString(locale, {
      month: "short",
      day: "numeric",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      hour12: false,
    });
}

/** A failure is said; the table shows what is true. */
export async function toastFailure(page: Page, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    page.toast((error as Error).message);
  }
}

/** How much of a limit is used, in words and as a bar. */
export function Meter({ used, limit, label, unit = "" }: {
  used: number;
  limit: number;
  label: string;
  unit?: string;
}): JSX.Element {
  const { locale } = useWords();
  const say = (value: number) => value.toLocaleString(locale, { maximumFractionDigits: 2 });
  return (
    <div class="meter">
      <span>{label}</span>
      <span class="tabular">{say(used)} / {say(limit)} {unit}</span>
      <meter
        min={0}
        max={limit}
        value={Math.min(used, limit)}
        high={limit * 0.8}
        low={limit * 0.8}
        optimum={0}
        aria-label={label}
      />
    </div>
  );
}
