/** A button that copies a text. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { usePage, useWords } from "./context.ts";
import { copyText, IconButton } from "./parts.tsx";

/** How long the button shows that the text was copied. */
export const COPIED_MS = 1600;

export function CopyButton({ text }: { text: () => string }): JSX.Element {
  const page = usePage();
  const words = useWords();
  const [done, setDone] = useState(false);
  const copy = async () => {
    if (!await copyText(text())) return void page.toast(words.copyFailed);
    setDone(true);
    page.announce(words.copied);
    setTimeout(() => setDone(false), COPIED_MS);
  };
  return (
    <IconButton
      icon={done ? "check" : "copy"}
      size={16}
      label={done ? words.copied : words.copy}
      onClick={copy}
    />
  );
}
