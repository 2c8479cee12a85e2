/**
 * The attachments of an answer: images and other files. On the wire each is a data URL among the
 * images, with its name as a percent-encoded parameter:
 * `data:application/pdf;name=report.pdf;base64,…`.
 */
import { readDataUrl } from "../../core/data_url.ts";

export interface Attachment {
  /** The name in the data URL, without a path; else a name made from the type. */
  readonly name: string;
  /** Such as `image/png`, in lower case. */
  readonly type: string;
  /** Bytes. */
  readonly size: number;
  readonly base64: string;
}

/** The attachments that a platform accepts, up to so many bytes; none of a form that is absent. */
export interface AcceptedAttachments {
  readonly image?: { readonly types: RegExp; readonly bytes: number };
  readonly file?: {
    readonly bytes: number;
    /** A file must have more bytes than this; default 0. */
    readonly above?: number;
    readonly names?: RegExp;
  };
}

/** Extensions of types whose subtype is not their extension. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  "text/plain": "txt",
  "text/markdown": "md",
  "image/jpeg": "jpg",
  "image/svg+xml": "svg",
  "application/octet-stream": "bin",
  "application/msword": "doc",
  "application/vnd.ms-excel": "xls",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
};

/** Reads a data URL; `undefined` where it is not base64, or its head is too long. */
export function attachmentOf(url: string): Attachment | undefined {
  const parts = readDataUrl(url);
  if (!parts?.base64 || !/^[\w.+-]+\/[\w.+-]+$/.test(parts.type)) return undefined;
  const { type, data: base64 } = parts;
  const parameter = parts.parameters.find((parameter) => /^(?:file)?name=/i.test(parameter));
  const name = (parameter && plainName(parameter.slice(parameter.indexOf("=") + 1))) ||
    `${type.startsWith("image/") ? "image" : "file"}.${extensionOf(type)}`;
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return { name, type, size: Math.floor(base64.length * 3 / 4) - padding, base64 };
}

/**
 * Returns the form in which a platform shows an attachment; `undefined` where it does not. An image
 * that is too large, or of an unusual type, may still be sent as a file.
 */
export function formOf(
  { name, type, size }: Attachment,
  takes: AcceptedAttachments,
): "image" | "file" | undefined {
  const { image, file } = takes;
  if (image && size <= image.bytes && image.types.test(type)) return "image";
  if (file && size > (file.above ?? 0) && size <= file.bytes && (file.names?.test(name) ?? true)) {
    return "file";
  }
  return undefined;
}

export function blobOf({ base64, type }: Attachment): Blob {
  return new Blob([Uint8Array.fromBase64(base64)], { type });
}

/** Returns a size for people, such as `3.2 MB`. */
export function sizeWords(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Removes paths and invisible signs from a name: bots are not trusted. */
function plainName(raw: string): string {
  let name = raw;
  try {
    name = decodeURIComponent(raw);
  } catch (_notEncoded) {
    // The name has a percent sign of its own.
  }
  return name.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "").split(/[/\\]/).at(-1)!.trim().slice(
    -100,
  );
}

function extensionOf(type: string): string {
  return EXTENSIONS[type] ??
    /^[a-z0-9]*/.exec(type.slice(type.indexOf("/") + 1).replace(/^x-/, ""))![0];
}
