/**
 * Converts a message to a question for a bot, and to notes for the person about the parts that the
 * bot does not get. No part is dropped silently.
 */
import type { Json } from "../../core/store.ts";
import { type Content, type Incoming, type Platform, PlatformError } from "./platform.ts";
import type { UnreadReason, Words } from "./words.ts";

/** The question that a bot gets. */
export interface ChatQuestion {
  readonly text: string;
  /** Data URLs. */
  readonly images: readonly string[];
  /** Lines below the answer about the parts that the bot did not get. */
  readonly notes: readonly string[];
}

/** A question, or the reason why no bot is asked. */
export type QuestionOrRefusal = ChatQuestion | { readonly refusal: string };

export interface QuestionParts {
  readonly platform: Pick<Platform, "fetchImage" | "fetchFile" | "quoted">;
  readonly words: Words;
  /** Receives failures of the platform; the person has read about them. */
  readonly onError: (error: PlatformError) => void;
}

/** Bytes of a text file that is included in the question. */
export const MAX_FILE_BYTES = 64 * 1024;

/** Images and files of one message, its quote included. */
export const MAX_IMAGES = 10, MAX_FILES = 5;

/** UTF-16 units of a quoted message. */
export const MAX_QUOTE = 4000;

export async function readQuestion(
  incoming: Incoming,
  parts: QuestionParts,
): Promise<QuestionOrRefusal> {
  const { words } = parts;
  const { quote, lost } = await quoteOf(incoming, parts);
  if (isEmpty(incoming)) {
    if (incoming.unsupported?.length) return { refusal: words.notUnderstood(incoming.unsupported) };
    if (!quote || isEmpty(quote)) return { refusal: lost ? words.quoteLost : words.help };
  }
  const images = await imagesOf([...incoming.images, ...quote?.images ?? []], incoming, parts);
  if (images === undefined) return { refusal: words.pictureLost };
  const files = await filesOf([...incoming.files, ...quote?.files ?? []], incoming, parts);
  const isAllFiles = incoming.text.trim() === "" && images.length === 0 && quote === undefined;
  if (isAllFiles && files.read.length === 0) return { refusal: files.notes.join("\n\n") };
  const notes = [...files.notes];
  if (incoming.unsupported?.length) notes.push(words.partsLost(incoming.unsupported));
  if (lost) notes.push(words.quoteLost);
  if (incoming.images.length + (quote?.images.length ?? 0) > MAX_IMAGES) {
    notes.push(words.onlySomePictures(MAX_IMAGES));
  }
  const text = [
    quote && quoted(quote, words),
    incoming.text.trim(),
    marks(incoming, words),
    ...files.read,
  ]
    .filter(Boolean).join("\n\n");
  return { text, images, notes };
}

function isEmpty({ text, images, files }: Content): boolean {
  return text.trim() === "" && images.length === 0 && files.length === 0;
}

/** Returns the quoted message; `lost` where it could not be fetched. */
async function quoteOf(
  incoming: Incoming,
  { platform, onError }: QuestionParts,
): Promise<{ quote?: Content; lost?: boolean }> {
  if (incoming.quote) return { quote: incoming.quote };
  try {
    return { quote: await platform.quoted?.(incoming) };
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    onError(error);
    return { lost: true };
  }
}

/** Returns the quoted message as lines of a Markdown quote. */
function quoted(quote: Content, words: Words): string {
  const text = quote.text.trim();
  const cut = text.length > MAX_QUOTE ? `${text.slice(0, MAX_QUOTE).toWellFormed()}…` : text;
  const lines = [cut, marks(quote, words)].filter(Boolean).join("\n");
  const pictures = quote.images.length > 0 ? [words.quotedPictures(quote.images.length)] : [];
  return [...(lines === "" ? [] : lines.split("\n")), ...pictures].map((line) => `> ${line}`).join(
    "\n",
  );
}

/** Returns `[sticker]` and the like for each part that is not text, image or file. */
function marks({ unsupported = [] }: Content, words: Words): string {
  return unsupported.map((kind) => `[${words.kinds[kind]}]`).join(" ");
}

/**
 * Fetches the images. Returns `undefined` where one could not be fetched: without it the bot would
 * answer another question.
 */
async function imagesOf(
  refs: readonly Json[],
  incoming: Incoming,
  { platform, onError }: QuestionParts,
): Promise<string[] | undefined> {
  try {
    return await Promise.all(
      refs.slice(0, MAX_IMAGES).map((ref) => platform.fetchImage(incoming, ref)),
    );
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    onError(error);
    return undefined;
  }
}

/** Reads text files. Of other files the bot gets the names, and the person reads the reason. */
async function filesOf(
  files: Content["files"],
  incoming: Incoming,
  parts: QuestionParts,
): Promise<{ read: string[]; notes: string[] }> {
  const { words } = parts;
  const found = await Promise.all(
    files.slice(0, MAX_FILES).map(async (file) => ({
      file,
      ...await fileOf(file, incoming, parts),
    })),
  );
  const isAlone = found.every(({ text }) => text === undefined);
  const read: string[] = [], notes: string[] = [];
  for (const { name, text, why } of found) {
    if (text !== undefined) read.push(`${words.fileSkipped(name)}\n\`\`\`\n${text}\n\`\`\``);
    else {
      notes.push(words.fileNotRead(name, why));
      if (!isAlone || incoming.text.trim() !== "") read.push(words.fileSkipped(name));
    }
  }
  if (files.length > MAX_FILES) notes.push(words.onlySomeFiles(MAX_FILES));
  return { read, notes };
}

async function fileOf(
  { ref, name }: Content["files"][number],
  incoming: Incoming,
  { platform, onError }: QuestionParts,
): Promise<{ name: string; text?: string; why: UnreadReason }> {
  const label = name ?? "file";
  if (name !== undefined && !TEXT_FILE.test(name)) return { name, why: "kind" };
  try {
    const file = await platform.fetchFile(incoming, ref, MAX_FILE_BYTES);
    const known = name ?? file.name ?? label;
    if (!TEXT_FILE.test(known)) return { name: known, why: "kind" };
    if (file.bytes.length > MAX_FILE_BYTES) return { name: known, why: "size" };
    return { name: known, text: decoded(file.bytes), why: "kind" };
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    if (error.code === "too_large") return { name: label, why: "size" };
    onError(error);
    return { name: label, why: "fetch" };
  }
}

/** Decodes UTF-8, UTF-16 with a mark, or GB 18030, as Chinese editors write it. */
function decoded(bytes: Uint8Array): string | undefined {
  const utf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  for (const encoding of utf16 ? ["utf-16le"] : ["utf-8", "gb18030"]) {
    try {
      const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
      if (!text.includes("\0")) return text;
    } catch (_anotherEncoding) {
      // Try the next encoding.
    }
  }
  return undefined;
}

/** Names of text files. */
const TEXT_FILE =
  /\.(txt|md|csv|tsv|json|ya?ml|xml|html?|log|ini|toml|sql|py|js|ts|java|go|rs|c|h|cpp|sh)$/i;
