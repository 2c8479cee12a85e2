/**
 * Requests to one model API as the configuration describes it: address, key and headers. Secrets
 * are looked up for each request, so a changed key counts at once.
 */
import { withoutTrailingSlashes } from "../../core/address.ts";
import { NexusError } from "../../core/error.ts";
import { parseJson } from "../../core/json.ts";
import { anthropic } from "./anthropic.ts";
import { apiErrorOf } from "./api_error.ts";
import type { Dialect } from "./dialect.ts";
import { isFields } from "./fields.ts";
import { ConnectionError, type HttpClient, type HttpRequest } from "./http/client.ts";
import { openai } from "./openai.ts";
import { readAll } from "./response.ts";
import type { UpstreamSettings } from "./settings.ts";

/** The dialect of each type of API, and where its vendor runs it. */
export const APIS: Readonly<
  Record<UpstreamSettings["type"], { dialect: Dialect; baseUrl: string }>
> = {
  openai: { dialect: openai, baseUrl: "https://api.openai.com/v1" },
  anthropic: { dialect: anthropic, baseUrl: "https://api.anthropic.com/v1" },
};

/** A shorter secret is part of too many words to be removed from texts. */
const MIN_SECRET_UNITS = 6;

/** UTF-16 units of a list of models. */
const MAX_LIST_UNITS = 4 << 20;

export class ApiAccess {
  readonly settings: UpstreamSettings;
  readonly dialect: Dialect;
  readonly #baseUrl: string;
  readonly #secret: (text: string) => string | undefined;

  /** @param secret what a setting such as `env:NAME` stands for */
  constructor(settings: UpstreamSettings, secret: (text: string) => string | undefined) {
    const { dialect, baseUrl } = APIS[settings.type];
    this.settings = settings;
    this.dialect = dialect;
    this.#baseUrl = withoutTrailingSlashes(settings.baseUrl ?? baseUrl);
    this.#secret = secret;
  }

  /** The request for an answer. Throws `bot_misconfigured` where the key is not set. */
  chatRequest(body: string): Omit<HttpRequest, "signal"> {
    return this.#request(this.dialect.path, body);
  }

  /**
   * The first model that the API lists. Throws `bot_failed` or `bot_misconfigured` where it lists
   * none or refuses to.
   */
  async firstModel(http: HttpClient, signal: AbortSignal): Promise<string> {
    const { status, text } = await this.#listModels(http, signal);
    if (status === 401 || status === 403) {
      const { code, detail } = apiErrorOf(status, text);
      throw new NexusError(code, detail);
    }
    const list = status === 200 ? jsonOf(text) : undefined;
    if (list === undefined) throw noList(new ConnectionError(`status ${status}`));
    const models = isFields(list) && Array.isArray(list.data) ? list.data : [];
    const id = isFields(models[0]) ? models[0].id : undefined;
    if (typeof id !== "string") {
      throw new NexusError("bot_misconfigured", "the model API lists no model; set `model`");
    }
    return id;
  }

  async #listModels(
    http: HttpClient,
    signal: AbortSignal,
  ): Promise<{ status: number; text: string }> {
    const request = this.#request("/models", undefined);
    try {
      const response = await http.request({ ...request, signal });
      try {
        return { status: response.status, text: await readAll(response, MAX_LIST_UNITS) };
      } finally {
        if (!response.ended) response.close();
      }
    } catch (cause) {
      throw noList(cause);
    }
  }

  #request(path: string, body: string | undefined): Omit<HttpRequest, "signal"> {
    const headers: Record<string, string> = this.dialect.headers(this.#key());
    if (body !== undefined) headers["content-type"] = "application/json";
    for (const [name, text] of Object.entries(this.settings.headers)) {
      const value = this.#secret(text);
      if (value !== undefined) headers[name.toLowerCase()] = value;
    }
    const method = body === undefined ? "GET" : "POST";
    return { method, url: this.#baseUrl + path, headers, body };
  }

  #key(): string | undefined {
    const { apiKey } = this.settings;
    if (apiKey === undefined) return undefined;
    const key = this.#secret(apiKey);
    if (!key) throw new NexusError("bot_misconfigured", "its API key is not set");
    return key;
  }

  /** Removes key and headers from a text: an API may quote what it refuses, and people see it. */
  redact(text: string): string {
    const { apiKey, headers } = this.settings;
    for (const setting of [apiKey, ...Object.values(headers)]) {
      const value = setting === undefined ? undefined : this.#secret(setting);
      if (value !== undefined && value.length >= MIN_SECRET_UNITS) {
        text = text.replaceAll(value, "…");
      }
    }
    return text;
  }
}

function jsonOf(text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw noList(cause);
  }
}

function noList(cause: unknown): NexusError {
  if (cause instanceof NexusError) return cause;
  const detail = "the model API does not list its models; set `model`";
  return new NexusError("bot_failed", detail, { cause });
}
