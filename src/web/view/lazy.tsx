/** A part of the page that is loaded when it is opened. */
import type { ComponentType, JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { usePage, useWords } from "./context.ts";

/** Shows what `load` brings; `load` is one function for the life of the component. */
export function Lazy<P extends object>(
  { load, props }: { load: () => Promise<ComponentType<P>>; props: P },
): JSX.Element {
  const page = usePage();
  const words = useWords();
  const loaded = useSignal<ComponentType<P> | undefined>(undefined);
  useEffect(() => {
    load().then((part) => loaded.value = part, () => page.toast(words.unreachable));
  }, []);
  const Part = loaded.value;
  return Part ? <Part {...props} /> : <p class="muted centre">{words.loading}</p>;
}
