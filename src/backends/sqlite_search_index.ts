/**
 * The index behind the search of the SQLite store: FTS5 over words as they are, and over pairs of
 * neighbouring characters where a script is written without spaces. A pair finds a Chinese word of
 * two characters, which is most of them and which the trigram tokenizer cannot find.
 *
 * Indexing waits: an ending costs one small row, and the index is filled by the hundred afterwards
 * or when somebody searches. Taking a text out rewrites the places where its words stood
 * (`secure-delete`), so that deleted words are not in the file.
 *
 * A long text is indexed in parts, each a row of its own, so that none takes long: all words of a
 * search stand in the same part.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Scripts without spaces between words. */
const SPACELESS_SCRIPTS =
  "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}\\p{Script=Bopomofo}\\p{Script=Thai}";
const SPACELESS_RUN = new RegExp(`[${SPACELESS_SCRIPTS}ー]+`, "gu");
const WORD_CHARACTER = /[\p{L}\p{N}]/u;

/**
 * Text as it goes into the index: runs of joined script become pairs, and the last character stands
 * alone.
 */
export function tokenize(text: string): string {
  return text.replace(SPACELESS_RUN, (run) => ` ${pairs(run, true)} `);
}

/**
 * What a person typed, as an FTS5 expression; `undefined` where nothing in it can be found.
 *
 * @param whole only whole words: then FTS5 reads lazily and stops at the limit, where for
 *   beginnings it collects all of them first (20 ms for
 * a word that stands in 75,000 texts)
 */
export function matchExpression(owner: string, words: string, whole = false): string | undefined {
  const end = whole ? "" : " *";
  const parts: string[] = [];
  // FTS5 reads an expression up to the first NUL, and would miss the end of a quoted word.
  for (const piece of words.normalize("NFC").split(/[\s\0]+/).slice(0, 20)) {
    for (const run of piece.match(SPACELESS_RUN) ?? []) {
      parts.push([...run].length > 1 ? quote(pairs(run, false)) : `${quote(run)} *`);
    }
    const rest = piece.replace(SPACELESS_RUN, " ");
    for (const word of rest.split(/\s+/)) {
      if (WORD_CHARACTER.test(word)) parts.push(quote(word) + end);
    }
  }
  if (parts.length === 0) return undefined;
  return `owner : ${quote(ownerWord(owner))} AND ${
    parts.map((part) => `body : ${part}`).join(" AND ")
  }`;
}

/**
 * Beginnings of one to three characters have an index of their own: without it, one that many words
 * share was collected word by word.
 */
const INDEX = `
  CREATE VIRTUAL TABLE words USING fts5(owner, body, content='', prefix='1 2 3', tokenize='unicode61 remove_diacritics 2');
  INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
`;

export const SCHEMA = `
  CREATE TABLE texts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER NOT NULL,
    owner TEXT NOT NULL,
    text TEXT NOT NULL,
    -- 0 waits to be indexed, 1 is, 2 waits to be taken out
    state INTEGER NOT NULL
  );
  CREATE INDEX texts_entry ON texts (entry);
  CREATE INDEX texts_state ON texts (state) WHERE state <> 1;
  ${INDEX}
`;

export class SearchIndex {
  readonly #db: DatabaseSync;
  readonly #current: StatementSync;
  readonly #put: StatementSync;
  readonly #change: StatementSync;
  readonly #dropNew: StatementSync;
  readonly #dropOld: StatementSync;
  readonly #due: StatementSync;
  readonly #index: StatementSync;
  readonly #unindex: StatementSync;
  readonly #mark: StatementSync;
  readonly #erase: StatementSync;
  readonly #search: StatementSync;
  readonly #entry: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#current = db.prepare(
      "SELECT id, owner, text, state FROM texts WHERE entry = ? AND state < 2 ORDER BY id",
    );
    this.#put = db.prepare("INSERT INTO texts (entry, owner, text, state) VALUES (?, ?, ?, 0)");
    this.#change = db.prepare("UPDATE texts SET owner = ?, text = ? WHERE id = ?");
    this.#dropNew = db.prepare("DELETE FROM texts WHERE entry = ? AND state = 0");
    this.#dropOld = db.prepare("UPDATE texts SET state = 2 WHERE entry = ? AND state = 1");
    // Both conditions, so that it reads from the index of what waits, in order: sorting all that
    // waits for each part was most of the work.
    this.#due = db.prepare(
      "SELECT id, owner, text, state FROM texts WHERE state <> 1 AND state = ? ORDER BY id LIMIT ?",
    );
    this.#index = db.prepare("INSERT INTO words (rowid, owner, body) VALUES (?, ?, ?)");
    this.#unindex = db.prepare(
      "INSERT INTO words (words, rowid, owner, body) VALUES ('delete', ?, ?, ?)",
    );
    this.#mark = db.prepare("UPDATE texts SET state = 1 WHERE id = ?");
    this.#erase = db.prepare("DELETE FROM texts WHERE id = ?");
    this.#search = db.prepare(`
      SELECT t.id, t.entry FROM words w JOIN texts t ON t.id = w.rowid
      WHERE w.words MATCH ? AND w.rowid < ? AND t.state < 2 ORDER BY w.rowid DESC LIMIT ?`);
    this.#entry = db.prepare(
      "SELECT key, value FROM entries WHERE id = ? AND (expires IS NULL OR expires > ?)",
    );
  }

  /** Puts an entry's text in line to be indexed. */
  put(entry: number, owner: string, text: string): void {
    const rows = this.#current.all(entry) as unknown as Row[];
    const parts = splitText(text);
    const isSame = (row: Row, at: number) => row.owner === owner && row.text === parts[at];
    if (rows.length === parts.length && rows.every(isSame)) return;
    const [first] = rows;
    if (rows.length === 1 && parts.length === 1 && first!.state === 0) {
      this.#change.run(owner, text, first!.id);
      return;
    }
    if (rows.length > 0) this.drop(entry);
    for (const part of parts) this.#put.run(entry, owner, part);
  }

  /** Puts an entry's text in line to be taken out. From now on it is not found. */
  drop(entry: number): void {
    this.#dropNew.run(entry);
    this.#dropOld.run(entry);
  }

  /**
   * Does what waits, inside the caller's transaction; returns how many texts it did. A short text
   * costs about 8 µs to put in and counts 1, a long one costs by what is indexed of it; taking out
   * costs about 0.4 ms and counts 40. It stops when `limit` is reached.
   */
  work(limit: number): number {
    let cost = 0, done = 0;
    while (cost < limit) {
      const rows = this.#next();
      if (rows.length === 0) break;
      for (const row of rows) {
        if (cost >= limit) break;
        cost += row.state === 2 ? this.#takeOut(row) : this.#putIn(row);
        done++;
      }
    }
    return done;
  }

  /** What waits longest; what is to be taken out first. */
  #next(): Row[] {
    const gone = this.#due.all(2, ROWS_PER_READ) as unknown as Row[];
    return gone.length > 0 ? gone : this.#due.all(0, ROWS_PER_READ) as unknown as Row[];
  }

  #takeOut({ id, owner, text }: Row): number {
    const words = tokenize(text);
    this.#unindex.run(id, ownerWord(owner), words);
    this.#erase.run(id);
    return 40 + weightOf(text, words);
  }

  #putIn({ id, owner, text }: Row): number {
    const words = tokenize(text);
    this.#index.run(id, ownerWord(owner), words);
    this.#mark.run(id);
    return 1 + weightOf(text, words);
  }

  /**
   * Empties the index and puts every text in line again, inside the caller's transaction: for an
   * index that is damaged.
   */
  renew(): void {
    this.#db.exec(
      `DROP TABLE words; ${INDEX} DELETE FROM texts WHERE state = 2; UPDATE texts SET state = 0`,
    );
  }

  /**
   * The entries that match, the newest text first; each once, in however many of its parts the
   * words stand.
   */
  search(match: string, now: number, limit: number): [key: string, value: string][] {
    const found = new Map<number, [key: string, value: string] | undefined>();
    let left = limit;
    let before = Number.MAX_SAFE_INTEGER;
    while (left > 0) {
      const parts = this.#search.all(match, before, limit) as unknown as {
        id: number;
        entry: number;
      }[];
      for (const { id, entry } of parts) {
        before = id;
        if (found.has(entry)) continue;
        const row = this.#entry.get(entry, now) as { key: string; value: string } | undefined;
        found.set(entry, row && [row.key, row.value]);
        if (row && --left === 0) break;
      }
      if (parts.length < limit) break;
    }
    return [...found.values()].filter((row) => row !== undefined);
  }
}

/**
 * Texts read in one go, and the length in UTF-16 units that costs as much again as the text itself.
 */
const ROWS_PER_READ = 16, UNITS_PER_COST = 100;

/**
 * What the length of a text costs. What pairs add counts four times: nearly each of them is another
 * word.
 */
function weightOf(text: string, words: string): number {
  return (text.length + 4 * (words.length - text.length)) / UNITS_PER_COST;
}

/** UTF-16 units of a text that are indexed as one: about 5 ms of Chinese, which costs most. */
const MAX_PART_UNITS = 4_000;

/** Units before the end of a part among which a space is looked for, so that no word is cut. */
const SPLIT_SEARCH_UNITS = 200;

/**
 * Units that two parts share where no space was found: a word of up to that length is whole in one
 * of them.
 */
const OVERLAP_UNITS = 40;

/** A text in parts of {@linkcode MAX_PART_UNITS} at most, in linear time. */
export function splitText(text: string): string[] {
  const parts: string[] = [];
  let at = 0;
  while (text.length - at > MAX_PART_UNITS) {
    let end = at + MAX_PART_UNITS;
    while (end > at + MAX_PART_UNITS - SPLIT_SEARCH_UNITS && text.charCodeAt(end) > 0x20) end--;
    const isCut = end === at + MAX_PART_UNITS - SPLIT_SEARCH_UNITS;
    if (isCut) end = wholeBefore(text, at + MAX_PART_UNITS);
    parts.push(text.slice(at, end));
    at = isCut ? wholeBefore(text, end - OVERLAP_UNITS) : end;
  }
  parts.push(text.slice(at));
  return parts;
}

/** The index, or the one before where it would cut a character in two. */
function wholeBefore(text: string, index: number): number {
  return (text.charCodeAt(index) & 0xfc00) === 0xdc00 ? index - 1 : index;
}

interface Row {
  id: number;
  owner: string;
  text: string;
  state: number;
}

function pairs(run: string, alone: boolean): string {
  const characters = [...run];
  const out: string[] = [];
  for (let i = 0; i + 1 < characters.length; i++) out.push(characters[i]! + characters[i + 1]!);
  if (alone) out.push(characters[characters.length - 1]!);
  return out.join(" ");
}

/** An owner's id as one word that the tokenizer leaves whole, whatever the id is made of. */
function ownerWord(owner: string): string {
  return "o" + new TextEncoder().encode(owner).toHex();
}

function quote(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
