/**
 * This is how long one input holds the event loop, in milliseconds of CPU of this thread: what
 * other processes take meanwhile does not count.
 */

const CLOCK_THREAD_CPUTIME_ID = 3;

/** The CPU time of this thread in milliseconds; where it cannot be had, the time. */
const cpu: () => number = Deno.build.os === "linux" ? threadTime() : () => performance.now();

/** By the C library: what Node's API and /proc tell is counted in ticks of 4 to 10 ms. */
function threadTime(): () => number {
  const libc = Deno.dlopen("libc.so.6", {
    clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  });
  const now = new BigInt64Array(2);
  return () => {
    libc.symbols.clock_gettime(CLOCK_THREAD_CPUTIME_ID, now);
    return Number(now[0]) * 1000 + Number(now[1]) / 1e6;
  };
}

/**
 * The shortest of a few runs: what the work itself needs, without the compiler's warming up and
 * somebody else's garbage.
 */
export function held(work: () => unknown, runs = 3): number {
  let least = Infinity;
  for (let run = 0; run < runs; run++) {
    const begun = cpu();
    work();
    least = Math.min(least, cpu() - begun);
  }
  return least;
}

/** The longest time for which work that awaits in between holds the loop. */
export async function longestHold(work: () => Promise<unknown>): Promise<number> {
  let longest = 0, over = false;
  const watch = (async () => {
    while (!over) {
      const begun = cpu();
      await new Promise((resolve) => setTimeout(resolve));
      longest = Math.max(longest, cpu() - begun);
    }
  })();
  await work();
  over = true;
  await watch;
  return longest;
}

/**
 * How much slower this machine is than the one on which the bounds were set, at least 1: what a
 * loop over 4 million characters takes against the 6 ms that it took there.
 */
export function slowness(): number {
  const text = "abcdefgh".repeat(1 << 19);
  const loop = () => {
    let sum = 0;
    for (let at = 0; at < text.length; at++) sum = (sum + text.charCodeAt(at)) | 0;
    return sum;
  };
  return Math.max(1, held(loop, 5) / 6);
}
