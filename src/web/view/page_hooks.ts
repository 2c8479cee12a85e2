/** Hooks for the page as a whole: media queries, the window's title, swipes. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Page } from "../page.ts";

/** Whether a media query matches now. */
export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const update = () => setMatches(list.matches);
    list.addEventListener("change", update);
    return () => list.removeEventListener("change", update);
  }, [query]);
  return matches;
}

/** Sets the window's title: the conversation, and the number of unread messages. */
export function useTitle(page: Page): void {
  const id = page.chat.threads.open.value.id.value;
  const card = page.chat.conversations.get(id);
  const count = page.chat.unread.total;
  useEffect(() => {
    document.title = `${count > 0 ? `(${count}) ` : ""}${
      card?.title ? `${card.title} · ` : ""
    }Nexus`;
  }, [card?.title, count]);
}

/** A swipe from the left edge opens, a swipe to the left closes. */
export function useSwipe(open: () => void, close: () => void) {
  const start = useRef<{ x: number; y: number }>();
  return {
    onTouchStart: (event: TouchEvent) => {
      const touch = event.touches[0]!;
      start.current = { x: touch.clientX, y: touch.clientY };
    },
    onTouchEnd: (event: TouchEvent) => {
      const touch = event.changedTouches[0]!;
      const from = start.current;
      if (!from || Math.abs(touch.clientY - from.y) > 60) return;
      if (from.x < 32 && touch.clientX - from.x > 60) open();
      if (from.x - touch.clientX > 80) close();
    },
  };
}
