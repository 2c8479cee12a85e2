/** This is the door to the administration, whose pages are only fetched by those who open it. */
import type { ComponentType, JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { usePage, useWords } from "./context.ts";

export function LazyAdmin({ place }: { place: string }): JSX.Element {
  const page = usePage();
  const words = useWords();
  const loaded = useSignal<ComponentType<{ place: string }> | undefined>(undefined);
  useEffect(() => {
    import("../admin/admin.tsx").then(
      ({ Admin }) => loaded.value = Admin,
      () => page.toast(words.unreachable),
    );
  }, []);
  const Admin = loaded.value;
  return Admin ? <Admin place={place} /> : <p class="muted centre">{words.loading}</p>;
}
