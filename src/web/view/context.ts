/** The Preact context that gives components the page. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Page } from "../page.ts";
import type { MarkdownRenderer } from "../markdown/markdown_view.ts";
import type { Words } from "../words/words.ts";

export const AppContext = createContext<
  { page: Page; markdownRenderer: MarkdownRenderer } | undefined
>(
  undefined,
);

export function usePage(): Page {
  return useContext(AppContext)!.page;
}

export function useMarkdownRenderer(): MarkdownRenderer {
  return useContext(AppContext)!.markdownRenderer;
}

/** The words in the person's language; the component is drawn again when it changes. */
export function useWords(): Words {
  return usePage().words.value;
}
