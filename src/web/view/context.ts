/** This is how a component comes by the page it stands in. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Page } from "../page.ts";
import type { Press } from "../prose.ts";
import type { Words } from "../words.ts";

export const PageContext = createContext<{ page: Page; press: Press } | undefined>(undefined);

export function usePage(): Page {
  return useContext(PageContext)!.page;
}

export function usePress(): Press {
  return useContext(PageContext)!.press;
}

/** The words in the person's language; the component is drawn again when it changes. */
export function useWords(): Words {
  return usePage().words.value;
}
