/** The contract of an HTTP client for model APIs, which return their answers piece by piece. */

export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  /** Names in lower case; `host`, `content-length` and `connection` are set here. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Aborting closes the socket at once, which is the only way to stop a model API. */
  readonly signal: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  header(name: string): string | undefined;
  /**
   * The next piece of the body as text, cut anywhere but inside a character; `undefined` at its
   * proper end. Throws {@linkcode ConnectionError}.
   */
  read(): Promise<string | undefined>;
  /** Whether the proper end of the body was seen. */
  readonly ended: boolean;
  /** Closes a response that is not read to its end. */
  close(): void;
}

/** Calls model APIs. */
export interface HttpClient {
  /** Resolves when the head of the response is there. Throws {@linkcode ConnectionError}. */
  request(request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

/** The connection failed: it was not made, reset, or ended in the middle of a body. */
export class ConnectionError extends Error {
  override readonly name = "Broken";

  constructor(
    message: string,
    /**
     * The socket had served another request before, and the server may have closed it in between:
     * the request can be repeated at once.
     */
    readonly isStale = false,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

/**
 * The cause of a network error in a few words, without the addresses of a private network that some
 * runtimes append.
 */
export function reasonOf(error: unknown): string {
  if (error instanceof ConnectionError) return error.message;
  if (!(error instanceof Error)) return "the connection failed";
  const { name, message } = error;
  if (name === "ConnectionRefused" || /refused/i.test(message)) return "connection refused";
  if (name === "ConnectionReset" || /reset by peer/i.test(message)) return "connection reset";
  if (/dns|lookup|resolve/i.test(message)) return "the host's name is not known";
  if (/certificate|tls|handshake/i.test(message)) return "the TLS handshake failed";
  if (name === "TimedOut" || /timed out/i.test(message)) return "connecting timed out";
  return "the connection failed";
}
