/** A text in a box with a button that copies it: a command, or a secret that is shown once. */
import type { ComponentChildren, JSX } from "preact";
import { usePage } from "./context.ts";
import { copyText } from "./parts.tsx";

/** `children`: the explanation above the text. */
export function CopyableText({ text, button, children }: {
  text: string;
  button: string;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <div class="connect" role="status">
      <p>{children}</p>
      <CopyLine text={text} button={button} />
    </div>
  );
}

export function CopyLine({ text, button }: { text: string; button: string }): JSX.Element {
  const page = usePage();
  const copy = async () => {
    const words = page.words.value;
    page.toast(await copyText(text) ? words.copied : words.copyFailed);
  };
  return (
    <div class="command">
      <code tabIndex={0}>{text}</code>
      <button type="button" class="button small" onClick={() => void copy()}>{button}</button>
    </div>
  );
}
