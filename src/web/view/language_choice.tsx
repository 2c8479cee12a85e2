/** The choice of the page's language, each by its own name. */
import type { JSX } from "preact";
import { usePage, useWords } from "./context.ts";

const LANGUAGE_NAMES = [["en", "English"], ["zh", "中文"]] as const;

export function LanguageChoice(): JSX.Element {
  const page = usePage();
  const words = useWords();
  return (
    <div class="choice" role="group" aria-label={words.language}>
      {LANGUAGE_NAMES.map(([id, name]) => (
        <button
          key={id}
          type="button"
          lang={id === "zh" ? "zh-CN" : "en"}
          aria-pressed={page.language.value === id}
          onClick={() => page.setLanguage(id)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
