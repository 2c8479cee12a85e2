/**
 * These are the images that requests only name (`https://…`), loaded within bounds: so many
 * requests at once, of a person and in all, and of each so many bytes in so much time.
 *
 * Without them a request of a kilobyte fetched 200 MB, and six of them took the memory of the
 * process.
 */
import type { Clock } from "../../core/clock.ts";
import { NexusError } from "../../core/error.ts";
import type { MessageImage } from "../../core/message.ts";

/** What one request may have. */
export const REQUEST_IMAGE_LIMITS = {
  /** Bytes of one image. */
  bytes: 10 << 20,
  /** Bytes of all its images by address: as many as may come in a body. */
  together: 20 << 20,
  /** Milliseconds for all of them. */
  time: 20_000,
};

/** How many requests load images at once: of one person, and of all people. The others wait. */
export const CONCURRENT_LOADS = { ofOne: 2, ofAll: 6 };

/** How many requests wait, of one person and of all people, and for how many milliseconds. */
export const WAITING_LOADS = { ofOne: 4, ofAll: 30, time: 10_000 };

/** Fetches one image; {@linkcode fetchImage} of `image_fetch.ts` in all but tests. */
export type FetchImage = (
  url: string,
  bounds: { maxBytes: number; timeout: number },
) => Promise<MessageImage>;

interface Waiting {
  readonly person: string;
  readonly enter: () => void;
}

export class ImageLoader {
  readonly #clock: Clock;
  readonly #fetch: FetchImage;
  /** Requests that load now, by their person. */
  readonly #loading: string[] = [];
  readonly #waiting = new Set<Waiting>();

  constructor(parts: { clock: Clock; fetch: FetchImage }) {
    this.#clock = parts.clock;
    this.#fetch = parts.fetch;
  }

  /**
   * Reads a request whose images are loaded by `load`; nothing is loaded after `read` has ended.
   *
   * `load` throws `invalid` for what is no image or too much, and `limited` where too many requests
   * load images already.
   */
  async withLoader<T>(
    person: string,
    read: (load: (url: string) => Promise<MessageImage>) => Promise<T>,
  ): Promise<T> {
    const images = new Map<string, Promise<MessageImage>>();
    let begun: Promise<number> | undefined;
    let left = REQUEST_IMAGE_LIMITS.together;
    const load = async (url: string) => {
      begun ??= this.#enter(person).then(() => this.#clock.now());
      const time = REQUEST_IMAGE_LIMITS.time - (this.#clock.now() - await begun);
      if (time <= 0) throw refused(`did not all come within ${REQUEST_IMAGE_LIMITS.time / 1000} s`);
      const image = await this.#fetch(url, {
        maxBytes: REQUEST_IMAGE_LIMITS.bytes,
        timeout: time,
      });
      left -= image.length * 3 / 4;
      if (left < 0) {
        throw refused(`have more than ${REQUEST_IMAGE_LIMITS.together >> 20} MiB together`);
      }
      return image;
    };
    try {
      return await read((url) => {
        // Clients send the whole talk again each time, and name the same image in it.
        const known = images.get(url) ?? load(url);
        images.set(url, known);
        return known;
      });
    } finally {
      // A request that never entered has nothing to leave.
      if (begun) await begun.then(() => this.#leave(person), () => {});
    }
  }

  /** Resolves when this request may load. */
  async #enter(person: string): Promise<void> {
    if (this.#hasRoomFor(person)) return void this.#loading.push(person);
    const own = [...this.#waiting].filter((one) => one.person === person).length;
    if (own >= WAITING_LOADS.ofOne || this.#waiting.size >= WAITING_LOADS.ofAll) throw tooMany();
    await new Promise<void>((resolve, reject) => {
      const waiting: Waiting = {
        person,
        enter: () => {
          this.#waiting.delete(waiting);
          callOff();
          this.#loading.push(person);
          resolve();
        },
      };
      const callOff = this.#clock.after(WAITING_LOADS.time, () => {
        this.#waiting.delete(waiting);
        reject(tooMany());
      });
      this.#waiting.add(waiting);
    });
  }

  #leave(person: string): void {
    this.#loading.splice(this.#loading.indexOf(person), 1);
    for (const waiting of this.#waiting) if (this.#hasRoomFor(waiting.person)) waiting.enter();
  }

  #hasRoomFor(person: string): boolean {
    const own = this.#loading.filter((one) => one === person).length;
    return own < CONCURRENT_LOADS.ofOne && this.#loading.length < CONCURRENT_LOADS.ofAll;
  }
}

function tooMany(): NexusError {
  return new NexusError("limited", "too many requests load images by their addresses", {
    retryAfter: 5,
  });
}

function refused(what: string): NexusError {
  return new NexusError("invalid", `image_url: the images ${what}`);
}
