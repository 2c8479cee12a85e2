/**
 * Conversions of images and files between the protocol, where they are data URLs, and OpenClaw,
 * where they are files that it has staged. Only what OpenClaw's own guard hands out is read here.
 */

import { Buffer } from "node:buffer";

export interface SniffedImage {
  readonly bytes: Uint8Array;
  readonly type: string;
}

const MAGIC: readonly (readonly [readonly (number | undefined)[], string])[] = [
  [[0x89, 0x50, 0x4e, 0x47], "image/png"],
  [[0xff, 0xd8, 0xff], "image/jpeg"],
  [[0x47, 0x49, 0x46, 0x38], "image/gif"],
  [
    [0x52, 0x49, 0x46, 0x46, undefined, undefined, undefined, undefined, 0x57, 0x45, 0x42, 0x50],
    "image/webp",
  ],
  [[0x42, 0x4d], "image/bmp"],
];

/**
 * The bytes of an image as it came: a data URL or bare base64. `undefined` for what is neither, and
 * for what is larger than the bound, which is known before anything is decoded. The type is what
 * the bytes say, not what the sender says.
 */
export function readImage(text: string, maxBytes: number): SniffedImage | undefined {
  const comma = text.startsWith("data:") ? text.indexOf(",") : -1;
  if (text.startsWith("data:") && (comma < 0 || !/;base64$/i.test(text.slice(0, comma)))) {
    return undefined;
  }
  const base64 = text.slice(comma + 1).replace(/\s+/g, "");
  if (
    base64 === "" || base64.length * 0.75 > maxBytes + 3 || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(base64)
  ) {
    return undefined;
  }
  const bytes = new Uint8Array(Buffer.from(base64, "base64"));
  if (bytes.length > maxBytes) return undefined;
  const type = imageType(bytes);
  return type === undefined ? undefined : { bytes, type };
}

/**
 * What kind of image the bytes are, from how they begin; `undefined` for what browsers do not show.
 */
export function imageType(bytes: Uint8Array): string | undefined {
  return MAGIC.find(([magic]) => magic.every((byte, i) => byte === undefined || bytes[i] === byte))
    ?.[1];
}

export function writeImage(bytes: Uint8Array, type: string): string {
  return `data:${type};base64,${
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")
  }`;
}

/** Something that goes out, as OpenClaw's guard handed it over. */
export interface Media {
  readonly bytes: Uint8Array;
  /** As OpenClaw sees it; of an image the bytes know better. */
  readonly type?: string;
  readonly fileName?: string;
}

/** UTF-16 units of a name; its ending is kept. */
const MAX_NAME = 100;

/**
 * Media as the wire carries it: a data URL, with its name where it is no image (docs/protocol.md,
 * "Images"). A gateway of wire version 1 has no files: towards it, `words` for the person take
 * their place.
 */
export function writeMedia(
  { bytes, type, fileName }: Media,
  protocol: 1 | 2,
): { readonly url: string; readonly words?: undefined } | {
  readonly url?: undefined;
  readonly words: string;
} {
  const image = imageType(bytes);
  if (image) return { url: writeImage(bytes, image) };
  const name = (fileName ?? "").split(/[/\\]/).at(-1)!.trim().slice(-MAX_NAME).toWellFormed();
  if (protocol === 1) return { words: `(A file that cannot be shown here: ${name || "unnamed"})` };
  const plain = (type ?? "").split(";")[0]!.trim().toLowerCase();
  // What says that it is one of those images and is not would be drawn as a broken one.
  const honest = /^[\w.+-]+\/[\w.+-]+$/.test(plain) && !MAGIC.some(([, known]) => known === plain);
  const parameter = name === "" ? "" : `;name=${encodeURIComponent(name)}`;
  return { url: writeImage(bytes, `${honest ? plain : "application/octet-stream"}${parameter}`) };
}
