/** The images and files of a message. */
import type { JSX } from "preact";
import type { PageTurn } from "../chat/turn.ts";
import { formatSize, isInlineImage, parseBotFile, saveBotFile } from "../bot_file.ts";
import { usePage, useWords } from "./context.ts";
import { Icon } from "./icons.tsx";

export function ReplyImages({ turn }: { turn: PageTurn }): JSX.Element | null {
  turn.content.value;
  if (turn.images.length === 0) return null;
  return (
    <>
      <ImageGrid images={turn.images} />
      <Files urls={turn.images} />
    </>
  );
}

/** The files of an answer. A click saves a file; nothing opens it. */
function Files({ urls }: { urls: readonly string[] }): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  const files = urls.map(parseBotFile).filter((file) => file !== undefined);
  if (files.length === 0) return null;
  return (
    <ul class="files">
      {files.map((file, index) => (
        <li key={index}>
          <button
            type="button"
            class="file"
            title={words.saveFile}
            onClick={() => saveBotFile(file) || page.toast(words.brokenFile)}
          >
            <Icon name="download" size={16} />
            <bdi>{file.name}</bdi>
            <span class="muted tabular">{formatSize(file.size)}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

/**
 * Pictures as small as they fit; a click shows them large. Only data that is an image is shown at
 * all.
 */
export function ImageGrid({ images }: { images: readonly string[] }): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  const good = images.filter(isInlineImage);
  if (good.length === 0) return null;
  return (
    <div class="pictures">
      {good.map((image, index) => (
        <button
          key={index}
          type="button"
          class="picture"
          aria-label={words.zoom(index + 1)}
          onClick={() => page.overlay.value = { kind: "image", images: good, index }}
        >
          <img src={image} alt={words.imageNumber(index + 1)} decoding="async" />
        </button>
      ))}
    </div>
  );
}
