/**
 * The worker that highlights code. The page stays responsive, and terminates the worker when it
 * takes too long.
 */
import { loadHighlighter } from "./highlight_languages.ts";

interface WorkerScope {
  addEventListener(
    type: "message",
    hear: (event: MessageEvent<{ language: string; text: string }>) => void,
  ): void;
  postMessage(message: unknown): void;
}

const worker = globalThis as unknown as WorkerScope;

worker.addEventListener("message", async ({ data: { language, text } }) => {
  try {
    const colour = await loadHighlighter(language);
    // From here on time counts.
    worker.postMessage("begun");
    worker.postMessage(colour(text));
  } catch {
    // Offline, or nested too deeply: plain code reads well enough.
    worker.postMessage([]);
  }
});
