/**
 * A file that a bot has sent: a data URL among the images that is not an image, with its name as a
 * parameter (`data:application/pdf;name=report.pdf;base64,…`, docs/protocol.md). The page offers
 * it for download and never opens it.
 */
import { saveFile } from "./download.ts";

export interface BotFile {
  /** Safe to show and to save as: no path, no sign that turns the text around. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly base64: string;
}

/** What browsers draw without running anything in it. An SVG is not among them: it is a file. */
const PICTURE = /^(?:data:image\/(?:png|jpeg|gif|webp|avif|bmp);base64,|blob:)/i;

export function isInlineImage(url: string): boolean {
  return PICTURE.test(url);
}

/** `undefined` for a picture, and for what is no data URL in base64. */
export function parseBotFile(url: string): BotFile | undefined {
  const comma = url.indexOf(",");
  if (comma < 0 || comma > 2000 || isInlineImage(url)) return undefined;
  const head = /^data:([\w.+-]+\/[\w.+-]+)((?:;[^;,]*)*);base64$/i.exec(url.slice(0, comma));
  if (!head) return undefined;
  const said = /;(?:file)?name=([^;]*)/i.exec(head[2]!)?.[1] ?? "";
  const base64 = url.slice(comma + 1);
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  const name = safeFileName(said) ||
    `file.${/\/(?:x-)?(\w+)/.exec(head[1]!)?.[1]?.toLowerCase() ?? "bin"}`;
  return { name, size: Math.max(0, Math.floor(base64.length * 3 / 4) - padding), base64 };
}

/** Saves it under its name. `false`: what came is no base64. */
export function saveBotFile({ name, base64 }: BotFile): boolean {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return false;
  }
  // The type it says it has would let a browser open it in the page's own origin.
  saveFile(new Blob([bytes], { type: "application/octet-stream" }), name);
  return true;
}

/** `3.2 MB`. */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function safeFileName(said: string): string {
  let name = said;
  try {
    name = decodeURIComponent(said);
  } catch {
    // A bare percent sign is a sign like others.
  }
  const last = name.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "").split(/[/\\]/).at(-1)!;
  // Many spaces would push the true ending out of sight; of a long name the ending is what matters.
  return [...last.replace(/\s+/g, " ").trim()].slice(-100).join("");
}
