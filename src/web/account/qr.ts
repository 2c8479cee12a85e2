/**
 * This is a text as a QR code (ISO/IEC 18004), in bytes and with the lowest correction, which is
 * enough for a screen. It is here and not in a library because nothing else of such a library would
 * be used.
 *
 * ```ts
 * const rows = qrCode("otpauth://totp/Nexus:alice?secret=ABC");  // rows[y][x]: dark
 * ```
 */

/**
 * For each version from 1: codewords in all, correction codewords in each block, blocks (level L,
 * table 9 of the standard).
 */
const VERSIONS: readonly (readonly [total: number, correction: number, blocks: number])[] = [
  [26, 7, 1],
  [44, 10, 1],
  [70, 15, 1],
  [100, 20, 1],
  [134, 26, 1],
  [172, 18, 2],
  [196, 20, 2],
  [242, 24, 2],
  [292, 30, 2],
  [346, 18, 4],
  [404, 20, 4],
  [466, 24, 4],
  [532, 26, 4],
  [581, 30, 4],
  [655, 22, 6],
  [733, 24, 6],
];

/**
 * The rows of the code, `true` where it is dark, without the quiet zone of four around it. Throws
 * where the text is past 586 bytes.
 */
export function qrCode(text: string): boolean[][] {
  const bytes = new TextEncoder().encode(text);
  const version = 1 +
    VERSIONS.findIndex(([total, correction, blocks], index) =>
      (index < 9 ? 2 : 3) + bytes.length <= total - correction * blocks
    );
  if (version === 0) throw new RangeError(`${bytes.length} bytes are too many for this QR code`);
  const words = interleaved(version, dataWords(version, bytes));
  let best: { grid: Grid; penalty: number } | undefined;
  for (let mask = 0; mask < 8; mask++) {
    const grid = new Grid(version);
    grid.write(words, mask);
    const penalty = penaltyOf(grid.dark);
    if (!best || penalty < best.penalty) best = { grid, penalty };
  }
  return best!.grid.dark;
}

/** Mode, length, bytes, and the padding that the standard names. */
function dataWords(version: number, bytes: Uint8Array): number[] {
  const [total, correction, blocks] = VERSIONS[version - 1]!;
  const room = total - correction * blocks;
  const bits: number[] = [];
  const put = (value: number, width: number) => {
    for (let bit = width - 1; bit >= 0; bit--) bits.push(value >> bit & 1);
  };
  put(0b0100, 4);
  put(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) put(byte, 8);
  put(0, Math.min(4, room * 8 - bits.length));
  while (bits.length % 8) bits.push(0);
  const words: number[] = [];
  for (let at = 0; at < bits.length; at += 8) {
    words.push(parseInt(bits.slice(at, at + 8).join(""), 2));
  }
  for (let pad = 0xec; words.length < room; pad ^= 0xec ^ 0x11) words.push(pad);
  return words;
}

/**
 * Blocks with their correction, one word of each in turn. The later blocks are one word longer
 * where it does not come out even.
 */
function interleaved(version: number, words: readonly number[]): number[] {
  const [, correction, count] = VERSIONS[version - 1]!;
  const short = Math.floor(words.length / count), long = words.length % count;
  const blocks: number[][] = [];
  for (let index = 0, at = 0; index < count; index++) {
    const length = short + (index >= count - long ? 1 : 0);
    blocks.push(words.slice(at, at += length));
  }
  const out: number[] = [];
  for (let at = 0; at <= short; at++) {
    for (const block of blocks) if (at < block.length) out.push(block[at]!);
  }
  const corrections = blocks.map((block) => remainder(block, correction));
  for (let at = 0; at < correction; at++) for (const block of corrections) out.push(block[at]!);
  return out;
}

/** Powers of 2 in the field of 256 that the standard uses (x⁸+x⁴+x³+x²+1), and their logarithms. */
const POWER: number[] = [], LOG: number[] = [];
for (let exponent = 0, value = 1; exponent < 255; exponent++) {
  POWER[exponent] = value;
  LOG[value] = exponent;
  value = value << 1 ^ (value & 0x80 ? 0x11d : 0);
}

function times(a: number, b: number): number {
  return a && b ? POWER[(LOG[a]! + LOG[b]!) % 255]! : 0;
}

/** The Reed-Solomon remainder. */
function remainder(block: readonly number[], degree: number): number[] {
  let generator = [1];
  for (let root = 0; root < degree; root++) {
    const next = [...generator, 0];
    generator.forEach((factor, at) => next[at + 1]! ^= times(factor, POWER[root]!));
    generator = next;
  }
  const rest: number[] = new Array(degree).fill(0);
  for (const word of block) {
    const lead = word ^ rest.shift()!;
    rest.push(0);
    for (let at = 0; at < degree; at++) rest[at]! ^= times(generator[at + 1]!, lead);
  }
  return rest;
}

const MASKS: readonly ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => x * y % 2 + x * y % 3 === 0,
  (x, y) => (x * y % 2 + x * y % 3) % 2 === 0,
  (x, y) => ((x + y) % 2 + x * y % 3) % 2 === 0,
];

class Grid {
  readonly size: number;
  readonly dark: boolean[][];
  /** What is not data: finders, timing, alignment, format, version. */
  readonly #fixed: boolean[][];

  constructor(readonly version: number) {
    this.size = 17 + 4 * version;
    this.dark = Array.from({ length: this.size }, () => new Array(this.size).fill(false));
    this.#fixed = Array.from({ length: this.size }, () => new Array(this.size).fill(false));
    const last = this.size - 7;
    for (let at = 8; at < this.size - 8; at++) {
      this.#set(at, 6, at % 2 === 0);
      this.#set(6, at, at % 2 === 0);
    }
    for (const [x, y] of [[0, 0], [last, 0], [0, last]] as const) this.#finder(x, y);
    const places = alignments(version);
    for (const y of places) for (const x of places) if (!this.#fixed[y]![x]) this.#alignment(x, y);
    // The two that lie on the timing lines are skipped above, because those are fixed already.
    for (const at of places.slice(1, -1)) {
      this.#alignment(at, 6);
      this.#alignment(6, at);
    }
    if (version >= 7) this.#version();
    this.#format(0);
  }

  /**
   * Data goes up and down in columns of two, from the right; the column of the timing line is left
   * out.
   */
  write(words: readonly number[], mask: number): void {
    let bit = 0;
    for (let right = this.size - 1, up = true; right > 0; right -= 2, up = !up) {
      if (right === 6) right--;
      for (let step = 0; step < this.size; step++) {
        const y = up ? this.size - 1 - step : step;
        for (const x of [right, right - 1]) {
          if (this.#fixed[y]![x]) continue;
          const value = ((words[bit >> 3] ?? 0) >> (7 - bit % 8) & 1) === 1;
          this.dark[y]![x] = value !== MASKS[mask]!(x, y);
          bit++;
        }
      }
    }
    this.#format(mask);
  }

  #set(x: number, y: number, dark: boolean): void {
    if (x < 0 || y < 0 || x >= this.size || y >= this.size) return;
    this.dark[y]![x] = dark;
    this.#fixed[y]![x] = true;
  }

  /** Seven by seven, and a light line around it. */
  #finder(left: number, top: number): void {
    for (let y = -1; y < 8; y++) {
      for (let x = -1; x < 8; x++) {
        const ring = Math.max(Math.abs(x - 3), Math.abs(y - 3));
        this.#set(left + x, top + y, ring !== 2 && ring < 4);
      }
    }
  }

  #alignment(x: number, y: number): void {
    for (let dy = -2; dy <= 2; dy++) {
      for (let dx = -2; dx <= 2; dx++) {
        this.#set(x + dx, y + dy, Math.max(Math.abs(dx), Math.abs(dy)) !== 1);
      }
    }
  }

  /** The level and the mask, twice, with ten bits of correction. */
  #format(mask: number): void {
    const data = 0b01 << 3 | mask;
    const bits = (data << 10 | polynomial(data, 0x537, 10)) ^ 0x5412;
    const bit = (at: number) => (bits >> at & 1) === 1;
    const end = this.size - 1;
    for (let at = 0; at < 15; at++) {
      // Around the finder at the top left, past the timing lines.
      const near = at < 6 ? at : at < 8 ? at + 1 : at === 8 ? 7 : 14 - at;
      if (at < 8) this.#set(8, near, bit(at));
      else this.#set(near, 8, bit(at));
      // Beside the other two.
      if (at < 8) this.#set(end - at, 8, bit(at));
      else this.#set(8, end - 14 + at, bit(at));
    }
    this.#set(8, this.size - 8, true);
  }

  #version(): void {
    const bits = this.version << 12 | polynomial(this.version, 0x1f25, 12);
    for (let at = 0; at < 18; at++) {
      const dark = (bits >> at & 1) === 1;
      const along = Math.floor(at / 3), across = this.size - 11 + at % 3;
      this.#set(along, across, dark);
      this.#set(across, along, dark);
    }
  }
}

/** Where the centres of the small squares lie, in both directions. */
function alignments(version: number): number[] {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const last = 10 + 4 * version;
  // Even steps from the far end; what is left over goes before the first.
  const step = Math.ceil((last - 6) / (count - 1) / 2) * 2;
  return [6, ...Array.from({ length: count - 1 }, (_, index) => last - step * (count - 2 - index))];
}

/** The remainder of `data` by a polynomial over bits. */
function polynomial(data: number, by: number, degree: number): number {
  let rest = data << degree;
  for (let bit = 31 - Math.clz32(rest); bit >= degree; bit--) {
    if (rest >> bit & 1) rest ^= by << (bit - degree);
  }
  return rest;
}

/**
 * How hard a grid is to read: long runs, blocks, what looks like a finder, too much of one colour.
 */
function penaltyOf(dark: readonly (readonly boolean[])[]): number {
  const size = dark.length;
  let penalty = 0, count = 0;
  for (const turned of [false, true]) {
    for (let a = 0; a < size; a++) {
      let line = "";
      for (let b = 0; b < size; b++) line += (turned ? dark[b]![a] : dark[a]![b]) ? "1" : "0";
      for (const run of line.match(/0{5,}|1{5,}/g) ?? []) penalty += run.length - 2;
      for (const finder of ["10111010000", "00001011101"]) {
        for (let at = line.indexOf(finder); at >= 0; at = line.indexOf(finder, at + 1)) {
          penalty += 40;
        }
      }
      if (!turned) count += line.replaceAll("0", "").length;
    }
  }
  for (let y = 1; y < size; y++) {
    for (let x = 1; x < size; x++) {
      const one = dark[y]![x];
      if (one === dark[y - 1]![x] && one === dark[y]![x - 1] && one === dark[y - 1]![x - 1]) {
        penalty += 3;
      }
    }
  }
  return penalty + 10 * Math.floor(Math.abs(count * 20 / (size * size) - 10));
}
