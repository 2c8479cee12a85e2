/** This is what the parts of an account share: their words, and a secret that is shown once. */
import type { JSX } from "preact";
import { usePage } from "../view/context.ts";
import { copyText } from "../view/parts.tsx";
import { ACCOUNT_WORDS, type AccountWords } from "./words.ts";

export function useAccountWords(): AccountWords {
  return ACCOUNT_WORDS[usePage().language.value];
}

/** A secret that is told this once, with a button that copies it. */
export function Secret({ text, children }: { text: string; children: string }): JSX.Element {
  const page = usePage();
  const words = useAccountWords();
  return (
    <div class="connect" role="status">
      <p>{children}</p>
      <div class="command">
        <code tabIndex={0}>{text}</code>
        <button
          type="button"
          class="button small"
          onClick={async () =>
            page.toast(
              await copyText(text) ? page.words.value.copied : page.words.value.copyFailed,
            )}
        >
          {words.copy}
        </button>
      </div>
    </div>
  );
}
