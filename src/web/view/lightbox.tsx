/** An image in its full size, with the other images of the message beside it. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { saveFile } from "../download.ts";
import { useWords } from "./context.ts";
import { IconButton, useModal } from "./parts.tsx";

export function Lightbox({ images, index, onClose }: {
  images: readonly string[];
  index: number;
  onClose: () => void;
}): JSX.Element {
  const words = useWords();
  const [at, setAt] = useState(index);
  const [large, setLarge] = useState(false);
  const dialog = useModal();
  const hasMany = images.length > 1;
  const move = (by: number) => {
    setLarge(false);
    setAt((at + by + images.length) % images.length);
  };
  useArrowKeys(hasMany, move);
  return (
    <dialog
      ref={dialog}
      class="lightbox"
      aria-label={words.imageNumber(at + 1)}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        const target = event.target as HTMLElement;
        const isBackdrop = target === dialog.current || target.classList.contains("lightbox-stage");
        if (isBackdrop) onClose();
      }}
    >
      <div class="lightbox-bar">
        <span class="tabular">{hasMany ? `${at + 1} / ${images.length}` : ""}</span>
        <IconButton
          icon="download"
          label={words.saveImage}
          onClick={() => saveImage(images[at]!, at + 1)}
        />
        <IconButton icon="close" label={words.close} onClick={onClose} />
      </div>
      <div class={`lightbox-stage ${large ? "large" : ""}`}>
        <img src={images[at]} alt={words.imageNumber(at + 1)} onClick={() => setLarge(!large)} />
      </div>
      {hasMany && (
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

function useArrowKeys(isOn: boolean, move: (by: number) => void): void {
  useEffect(() => {
    if (!isOn) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "ArrowLeft") move(-1);
      if (event.key === "ArrowRight") move(1);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
}

/** Saves a data URL. It is decoded here: the page's policy allows no `fetch` of a data URL. */
function saveImage(url: string, number: number): void {
  const [head, body] = url.split(",", 2);
  const type = /^data:(image\/([a-z]+))/i.exec(head!);
  const bytes = Uint8Array.from(atob(body ?? ""), (char) => char.charCodeAt(0));
  saveFile(
    new Blob([bytes], { type: type?.[1] ?? "image/png" }),
    `nexus-${number}.${type?.[2]?.replace("jpeg", "jpg") ?? "png"}`,
  );
}
