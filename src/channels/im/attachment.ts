/**
 * An attachment is a picture or another file of an answer. On the wire it is a data URL among the
 * images; a file says its name as a parameter: `data:application/pdf;name=report.pdf;base64,…`,
 * percent-encoded.
 */
import { readDataUrl } from "../../core/data_url.ts";

export interface Attachment {
  /** As it was said, without a path; else made from the type. */
  readonly name: string;
  /** Such as `image/png`, in lower case. */
  readonly type: string;
  /** Bytes. */
  readonly size: number;
  readonly base64: string;
}

/**
 * What a platform takes: images and files up to so many bytes. What is absent it does not take at
 * all.
 */
export interface AcceptedAttachments {
  readonly image?: { readonly types: RegExp; readonly bytes: number };
  readonly file?: {
    readonly bytes: number;
    /** The bytes that a file must have more of; default 0. */
    readonly above?: number;
    readonly names?: RegExp;
  };
}

/** Ends of names for types that have one other than their own second half. */
const ENDS: Readonly<Record<string, string>> = {
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

/** `undefined` where it is no data URL in base64, or one whose head is too long to be read. */
export function attachmentOf(url: string): Attachment | undefined {
  const parts = readDataUrl(url);
  if (!parts?.base64 || !/^[\w.+-]+\/[\w.+-]+$/.test(parts.type)) return undefined;
  const { type, data: base64 } = parts;
  const said = parts.parameters.find((parameter) => /^(?:file)?name=/i.test(parameter));
  const name = (said && plainName(said.slice(said.indexOf("=") + 1))) ||
    `${type.startsWith("image/") ? "image" : "file"}.${endOf(type)}`;
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return { name, type, size: Math.floor(base64.length * 3 / 4) - padding, base64 };
}

/**
 * As what a platform shows it; `undefined`: it cannot. A picture that is too large or of a strange
 * type may still be a file.
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

/** `3.2 MB`, for people. */
export function sizeWords(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Without what could be a path or a trick: a bot's words are a stranger's. */
function plainName(said: string): string {
  let name = said;
  try {
    name = decodeURIComponent(said);
  } catch (_notEncoded) {
    // A bare percent sign is a sign like others.
  }
  return name.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "").split(/[/\\]/).at(-1)!.trim().slice(
    -100,
  );
}

function endOf(type: string): string {
  return ENDS[type] ?? /^[a-z0-9]*/.exec(type.slice(type.indexOf("/") + 1).replace(/^x-/, ""))![0];
}
