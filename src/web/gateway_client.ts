/**
 * The HTTP client of the gateway: requests, their failures as {@linkcode GatewayError}, and event
 * streams. Nothing else in the page calls `fetch`. `EventSource` is not used, because it can
 * neither POST nor send a Bearer token.
 */
import { createParser, type EventSourceMessage } from "eventsource-parser";

/**
 * A failed request. `code` is the gateway's error code, or `offline` without a response, or
 * `broken` where the response is not the gateway's.
 */
export class GatewayError extends Error {
  override readonly name = "GatewayError";

  constructor(
    readonly code: string,
    message: string,
    readonly status: number,
    /** Seconds until a retry makes sense. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** An event of a stream. `id` is empty where the event has none. */
export interface StreamEvent {
  readonly data: string;
  readonly id: string;
}

/** A stream's request. */
export interface StreamOptions {
  readonly method?: "GET" | "POST";
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** The status is good and the events are about to come. */
  readonly opened?: () => void;
}

/** The gateway sends a comment at least every 15 s. A longer silence means a dead connection. */
const MAX_SILENCE_MS = 40_000;

export class GatewayClient {
  /**
   * Where it is: empty for the gateway that served the page, an origin such as
   * `https://chat.example.com` for the standalone file.
   */
  address = "";
  /**
   * Only for the standalone file; the page itself signs in with a cookie that no script can read.
   */
  token: string | undefined;
  language = "en";
  /** Called when the session is over (401 on anything but signing in). */
  onSignedOut: () => void = () => {};

  get<T>(path: string): Promise<T> {
    return this.#json("GET", path);
  }

  post<T>(path: string, body?: unknown): Promise<T> {
    return this.#json("POST", path, body ?? {});
  }

  patch<T>(path: string, body: unknown): Promise<T> {
    return this.#json("PATCH", path, body);
  }

  delete<T>(path: string, body?: unknown): Promise<T> {
    return this.#json("DELETE", path, body);
  }

  /** The body as it is, for what is saved to a file. */
  async blob(path: string): Promise<Blob> {
    return await (await this.#fetch("GET", path, {})).blob();
  }

  /**
   * Server-sent events until the server ends the stream. Throws {@linkcode GatewayError} before the
   * first byte, and `offline` when the line breaks or stays silent.
   */
  async *stream(path: string, options: StreamOptions = {}): AsyncGenerator<StreamEvent> {
    const abort = new AbortController();
    const stop = () => abort.abort();
    options.signal?.addEventListener("abort", stop, { once: true });
    if (options.signal?.aborted) stop();
    let watchdog = setTimeout(stop, MAX_SILENCE_MS);
    try {
      const response = await this.#fetch(options.method ?? "GET", path, {
        body: options.body,
        headers: { accept: "text/event-stream", ...options.headers },
        signal: abort.signal,
      });
      options.opened?.();
      let events: EventSourceMessage[] = [];
      const parser = createParser({ onEvent: (event) => events.push(event) });
      const bytes = response.body!.getReader();
      const decoder = new TextDecoder();
      try {
        while (true) {
          const { done, value } = await bytes.read();
          if (done) return;
          clearTimeout(watchdog);
          watchdog = setTimeout(stop, MAX_SILENCE_MS);
          parser.feed(decoder.decode(value, { stream: true }));
          for (const { data, id = "" } of events) yield { data, id };
          events = [];
        }
      } finally {
        // A reader that leaves the loop early does not want the rest.
        bytes.cancel().catch(() => undefined);
      }
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      throw new GatewayError("offline", String(error), 0);
    } finally {
      clearTimeout(watchdog);
      options.signal?.removeEventListener("abort", stop);
    }
  }

  async #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.#fetch(method, path, { body });
    const text = await response.text();
    if (text === "") return undefined as T;
    try {
      return JSON.parse(text) as T;
    } catch {
      throw new GatewayError("broken", "The answer cannot be read", response.status);
    }
  }

  async #fetch(
    method: string,
    path: string,
    { body, headers, signal }: {
      body?: unknown;
      headers?: Record<string, string>;
      signal?: AbortSignal;
    },
  ): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(this.address + path, {
        method,
        signal,
        credentials: this.address === "" ? "same-origin" : "omit",
        headers: {
          "accept-language": this.language,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(this.token ? { authorization: `Bearer ${this.token}` } : {}),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      throw new GatewayError("offline", String(error), 0);
    }
    if (response.ok) return response;
    const failure = await readFailure(response);
    // Metrics may ask for a token of their own; that is not the end of the session.
    const over = failure.code === "unauthenticated" || failure.code === "session_expired";
    if (over && path.startsWith("/api/")) this.onSignedOut();
    throw failure;
  }
}

async function readFailure(response: Response): Promise<GatewayError> {
  let parsed: { error?: unknown; code?: unknown } = {};
  try {
    parsed = await response.json();
  } catch {
    // A proxy's own page, or nothing at all: the status has to do.
  }
  const wait = Number(response.headers.get("retry-after"));
  // What stands in front of a gateway that is away answers 502 to 504 with a page of its own.
  const away = typeof parsed.code !== "string" && response.status >= 502 && response.status <= 504;
  return new GatewayError(
    typeof parsed.code === "string" ? parsed.code : away ? "offline" : "broken",
    typeof parsed.error === "string" ? parsed.error : `HTTP ${response.status}`,
    response.status,
    wait > 0 ? wait : undefined,
  );
}
