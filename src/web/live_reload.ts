/** Reloads the page when a new build is there. Only builds for development contain it. */

/** How often the page asks for its version. */
const POLL_MS = 700;

export async function reloadOnBuild(): Promise<void> {
  const version = async () => {
    try {
      return (await fetch("/", { method: "HEAD", cache: "no-store" })).headers.get("etag");
    } catch {
      // The gateway is away; the next poll tries again.
      return null;
    }
  };
  const before = await version();
  while (true) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const now = await version();
    if (now !== null && now !== before) return location.reload();
  }
}
