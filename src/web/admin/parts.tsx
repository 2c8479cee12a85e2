/** What the admin pages share: words, tables, polling, and meters. */
import type { ComponentChildren, JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Page } from "../page.ts";
import { usePage, useWords } from "../view/context.ts";
import { ADMIN_WORDS, type AdminWords } from "./words.ts";

export function useAdminWords(): AdminWords {
  return ADMIN_WORDS[usePage().language.value];
}

/** Fetches data now and every `intervalMs` while the page is visible. */
export function usePolling<T>(fetchData: (page: Page) => Promise<T>, intervalMs: number) {
  const page = usePage();
  const data = useSignal<T | undefined>(undefined);
  const error = useSignal<string | undefined>(undefined);
  const refresh = async () => {
    try {
      data.value = await fetchData(page);
      error.value = undefined;
    } catch (failure) {
      error.value = (failure as Error).message;
    }
  };
  useEffect(() => {
    void refresh();
    const timer = setInterval(
      () => document.visibilityState === "visible" && void refresh(),
      intervalMs,
    );
    return () => clearInterval(timer);
  }, []);
  return { data, error, refresh };
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

/** Runs an action. A failure shows as a toast. */
export async function toastFailure(page: Page, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    page.toast((error as Error).message);
  }
}

/** The used part of a limit, in words and as a bar. */
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
