/**
 * This is what stands in front of the page for a moment: short notices, the sheet of keys, a
 * picture in its full size.
 */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { usePage, useWords } from "./context.ts";
import { Dialog, IconButton, saveFile } from "./parts.tsx";

export function Toasts(): JSX.Element {
  const page = usePage();
  return (
    <div class="toasts">
      {page.toasts.value.map((toast) => (
        <div key={toast.key} class="toast">
          <span>{toast.text}</span>
          {toast.action && (
            <button type="button" class="link" onClick={toast.action.run}>
              {toast.action.label}
            </button>
          )}
        </div>
      ))}
    </div>
  );
}

export function Shortcuts({ onClose }: { onClose: () => void }): JSX.Element {
  const words = useWords();
  const command = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl";
  const rows: [string[], string][] = [
    [["Enter"], words.keySend],
    [["Shift", "Enter"], words.keyLine],
    [["@"], words.keyBot],
    [[command, "/"], words.keyBot],
    [["↑"], words.keyEdit],
    [["Esc"], words.keyStop],
    [[command, "Shift", "C"], words.keyCopy],
    [["Alt", "N"], words.keyNew],
    [[command, "K"], words.keySearch],
    [[command, "B"], words.keyList],
    [["/"], words.keyFocus],
    [[command, ","], words.settings],
    [["?"], words.keyHelp],
  ];
  return (
    <Dialog title={words.shortcuts} onClose={onClose}>
      <table class="keys">
        <tbody>
          {rows.map(([keys, what]) => (
            <tr key={keys.join()}>
              <th scope="row">{keys.map((key) => <kbd key={key}>{key}</kbd>)}</th>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Dialog>
  );
}

export function Lightbox({ images, index, onClose }: {
  images: readonly string[];
  index: number;
  onClose: () => void;
}): JSX.Element {
  const words = useWords();
  const [at, setAt] = useState(index);
  const [large, setLarge] = useState(false);
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const dialog = element.current!;
    dialog.showModal();
    return () => {
      dialog.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  const move = (by: number) => {
    setLarge(false);
    setAt((at + by + images.length) % images.length);
  };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (images.length < 2) return;
      if (event.key === "ArrowLeft") move(-1);
      if (event.key === "ArrowRight") move(1);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
  const save = async () => {
    // A data URL is read here, not fetched: the page's policy lets it connect to the gateway only.
    const [head, body] = images[at]!.split(",", 2);
    const type = /^data:(image\/([a-z]+))/i.exec(head!);
    const bytes = Uint8Array.from(atob(body ?? ""), (char) => char.charCodeAt(0));
    saveFile(
      new Blob([bytes], { type: type?.[1] ?? "image/png" }),
      `nexus-${at + 1}.${type?.[2]?.replace("jpeg", "jpg") ?? "png"}`,
    );
    await Promise.resolve();
  };
  return (
    <dialog
      ref={element}
      class="lightbox"
      aria-label={words.imageNumber(at + 1)}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (
          event.target === element.current ||
          (event.target as HTMLElement).classList.contains("lightbox-stage")
        ) onClose();
      }}
    >
      <div class="lightbox-bar">
        <span class="tabular">{images.length > 1 ? `${at + 1} / ${images.length}` : ""}</span>
        <IconButton icon="download" label={words.saveImage} onClick={() => void save()} />
        <IconButton icon="close" label={words.close} onClick={onClose} />
      </div>
      <div class={`lightbox-stage ${large ? "large" : ""}`}>
        <img src={images[at]} alt={words.imageNumber(at + 1)} onClick={() => setLarge(!large)} />
      </div>
      {images.length > 1 && (
        <>
          <IconButton
            icon="left"
            label={words.previousImage}
            class="lightbox-left"
            onClick={() => move(-1)}
          />
          <IconButton
            icon="right"
            label={words.nextImage}
            class="lightbox-right"
            onClick={() => move(1)}
          />
        </>
      )}
    </dialog>
  );
}
