/** The results of a search over all conversations. */
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { SearchHitJson } from "../../wire/chat.ts";
import { usePage, useWords } from "./context.ts";

/** The search starts when nothing was typed for this long. */
const TYPING_PAUSE_MS = 180;

export function SearchResults(
  { query, onLeave }: { query: string; onLeave: () => void },
): JSX.Element {
  const page = usePage();
  const words = useWords();
  const found = useSignal<readonly SearchHitJson[] | undefined>(undefined);
  const error = useSignal("");
  useEffect(() => {
    let current = true;
    const timer = setTimeout(async () => {
      try {
        const { results } = await page.gateway.get<{ results: SearchHitJson[] }>(
          `/api/search?q=${encodeURIComponent(query)}`,
        );
        if (!current) return;
        found.value = results;
        error.value = "";
        page.announce(
          results.length > 0 ? words.searchResults(results.length) : words.searchNothing(query),
        );
      } catch (failure) {
        if (current) error.value = (failure as Error).message;
      }
    }, TYPING_PAUSE_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [query]);
  if (error.value) return <p class="error sidebar-empty">{error.value}</p>;
  if (!found.value) return <p class="muted sidebar-empty">{words.loading}</p>;
  if (found.value.length === 0) {
    return <p class="muted sidebar-empty">{words.searchNothing(query)}</p>;
  }
  return (
    <ul class="found-list">
      {found.value.map((place) => (
        <li key={place.turnId}>
          <a
            href={`#/c/${encodeURIComponent(place.conversationId)}/${
              encodeURIComponent(place.turnId)
            }`}
            onClick={onLeave}
          >
            <span class="conversation-title" dir="auto">{place.title || words.untitled}</span>
            <span class="snippet" dir="auto">
              <HighlightedText text={place.snippet} query={query} />
            </span>
          </a>
        </li>
      ))}
    </ul>
  );
}

/** A text in which the searched words are highlighted. */
function HighlightedText({ text, query }: { text: string; query: string }): JSX.Element {
  const words = query.split(/\s+/).filter(Boolean).map((word) =>
    word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
  );
  const parts = text.split(new RegExp(`(${words.join("|")})`, "gi"));
  return <>{parts.map((part, index) => index % 2 === 1 ? <mark key={index}>{part}</mark> : part)}
  </>;
}
