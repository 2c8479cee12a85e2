/** The texts of the page, and the choice of a language. Account and admin pages have their own. */
import { en } from "./en.ts";
import { zh } from "./zh.ts";

export type Words = typeof en;

export const LANGUAGES = { en, zh } as const;
export type Language = keyof typeof LANGUAGES;

/**
 * The first language of the browser's list that the page speaks; `undefined` where it speaks none
 * of them.
 */
export function preferredLanguage(languages: readonly string[]): Language | undefined {
  for (const wanted of languages) {
    const short = wanted.toLowerCase().split("-")[0];
    if (short === "zh" || short === "en") return short;
  }
  return undefined;
}
