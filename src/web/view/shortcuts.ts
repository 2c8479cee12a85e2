/** The keyboard shortcuts of the whole page. */
import { useEffect } from "preact/hooks";
import type { Page } from "../page.ts";
import type { ComposerControl } from "./composer_state.ts";
import { copyText } from "./parts.tsx";

type Composer = { readonly current: ComposerControl | undefined };

/** `toggleDrawer`: shows or hides the list where it is a drawer. */
export function useShortcuts(
  page: Page,
  composer: Composer,
  toggleDrawer: (() => void) | undefined,
): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing || page.overlay.value) return;
      const run = commandFor(event, page, composer, toggleDrawer);
      if (!run) return;
      event.preventDefault();
      run();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [toggleDrawer !== undefined]);
}

function commandFor(
  event: KeyboardEvent,
  page: Page,
  composer: Composer,
  toggleDrawer: (() => void) | undefined,
): (() => void) | undefined {
  const isCommand = event.ctrlKey || event.metaKey;
  if (isCommand) {
    switch (event.key) {
      case "k":
        return () => focusSearch(page);
      case "b":
        return toggleDrawer ?? (() => page.showList(!page.listShown.value));
      case ",":
        return () => page.overlay.value = { kind: "settings" };
      case "/":
        return () => composer.current?.openBotMenu();
    }
    const isCopy = event.shiftKey && event.key.toLowerCase() === "c";
    if (isCopy && !getSelection()?.toString()) return () => void copyLastAnswer(page);
  }
  if (event.altKey && event.code === "KeyN") return () => page.go({});
  const isTyping = (event.target as HTMLElement).closest("input, textarea, [contenteditable]");
  if (isCommand || event.altKey || isTyping) return undefined;
  switch (event.key) {
    case "?":
      return () => page.overlay.value = { kind: "shortcuts" };
    case "/":
      return () => composer.current?.focus();
    case "Escape": {
      const running = page.chat.threads.open.value.path.value.findLast((turn) => !turn.ended);
      return running && (() => void page.chat.sender.stop(running));
    }
  }
}

function focusSearch(page: Page): void {
  if (!document.querySelector("#search")) page.showList(true);
  setTimeout(() => document.querySelector<HTMLElement>("#search")?.focus());
}

async function copyLastAnswer(page: Page): Promise<void> {
  const answer = page.chat.threads.open.value.path.value.findLast((turn) => turn.text !== "");
  const words = page.words.value;
  if (answer) page.toast(await copyText(answer.text) ? words.copied : words.copyFailed);
}
