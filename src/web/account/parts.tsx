/** What the parts of the account share: their texts, and a secret that is shown once. */
import type { JSX } from "preact";
import { usePage } from "../view/context.ts";
import { CopyableText } from "../view/copyable_text.tsx";
import { ACCOUNT_WORDS, type AccountWords } from "./words.ts";

export function useAccountWords(): AccountWords {
  return ACCOUNT_WORDS[usePage().language.value];
}

/** A secret that is shown once, with a button that copies it. */
export function Secret({ text, children }: { text: string; children: string }): JSX.Element {
  const words = useAccountWords();
  return <CopyableText text={text} button={words.copy}>{children}</CopyableText>;
}
