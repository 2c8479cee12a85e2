/**
 * Reading a message: what a bot gets of it, and what its person hears of the rest. Nothing that
 * somebody sent is dropped without a word.
 */
import type { Json } from "../../core/store.ts";
import { type Content, type Incoming, type Platform, PlatformError } from "./platform.ts";
import type { FileTrouble, Words } from "./words.ts";

/** What a bot is asked. */
export interface ChatQuestion {
  readonly text: string;
  /** Data URLs. */
  readonly images: readonly string[];
  /** Lines that the person reads below the answer: what the bot did not get. */
  readonly notes: readonly string[];
}

/** A question, or the words that are the whole answer. */
export type QuestionOrRefusal = ChatQuestion | { readonly refusal: string };

export interface QuestionParts {
  readonly platform: Pick<Platform, "fetchImage" | "fetchFile" | "quoted">;
  readonly words: Words;
  /** Gets what went wrong at the platform and the person read about. */
  readonly onError: (error: PlatformError) => void;
}

/** Bytes of a text file that is read to the bot. */
export const MAX_FILE = 64 * 1024;

/** Pictures and files of one message, its quote included. */
export const MAX_IMAGES = 10, MAX_FILES = 5;

/** Units of a quoted message. */
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

/** What the message replies to; `lost` where it does to something that could not be fetched. */
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

/** The quoted words, marked as such line by line. */
function quoted(quote: Content, words: Words): string {
  const text = quote.text.trim();
  const cut = text.length > MAX_QUOTE ? `${text.slice(0, MAX_QUOTE).toWellFormed()}…` : text;
  const lines = [cut, marks(quote, words)].filter(Boolean).join("\n");
  const pictures = quote.images.length > 0 ? [words.quotedPictures(quote.images.length)] : [];
  return [...(lines === "" ? [] : lines.split("\n")), ...pictures].map((line) => `> ${line}`).join(
    "\n",
  );
}

/** `[sticker]` for each part that is not words, picture or file. */
function marks({ unsupported = [] }: Content, words: Words): string {
  return unsupported.map((kind) => `[${words.kinds[kind]}]`).join(" ");
}

/**
 * `undefined`: one could not be fetched, and a bot that does not see it would answer something
 * else.
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

/** Text files are read to the bot; of others it gets the name, and the person reads why. */
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
): Promise<{ name: string; text?: string; why: FileTrouble }> {
  const said = name ?? "file";
  if (name !== undefined && !TEXT_FILE.test(name)) return { name, why: "kind" };
  try {
    const file = await platform.fetchFile(incoming, ref, MAX_FILE);
    const known = name ?? file.name ?? said;
    if (!TEXT_FILE.test(known)) return { name: known, why: "kind" };
    if (file.bytes.length > MAX_FILE) return { name: known, why: "size" };
    return { name: known, text: decoded(file.bytes), why: "kind" };
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    if (error.code === "too_large") return { name: said, why: "size" };
    onError(error);
    return { name: said, why: "fetch" };
  }
}

/**
 * As UTF-8, as UTF-16 where it says so, else as what editors in China write. `undefined`: no text.
 */
function decoded(bytes: Uint8Array): string | undefined {
  const utf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  for (const encoding of utf16 ? ["utf-16le"] : ["utf-8", "gb18030"]) {
    try {
      const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
      if (!text.includes("\0")) return text;
    } catch (_anotherEncoding) {
      // The next one, or none.
    }
  }
  return undefined;
}

/** Files that are words. */
const TEXT_FILE =
  /\.(txt|md|csv|tsv|json|ya?ml|xml|html?|log|ini|toml|sql|py|js|ts|java|go|rs|c|h|cpp|sh)$/i;
