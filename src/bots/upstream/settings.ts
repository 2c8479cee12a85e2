/**
 * This is what a model API's bot goes by. The configuration checks it and documents each field
 * (`src/config/upstream.ts`); here they are typed values.
 */

/** Times in milliseconds. */
export interface UpstreamSettings {
  readonly type: "openai" | "anthropic";
  readonly name?: string;
  readonly description?: string;
  readonly baseUrl?: string;
  /** The key, or `env:NAME`. */
  readonly apiKey?: string;
  readonly model?: string;
  readonly system?: string;
  /** Tokens of conversation that are told again. */
  readonly history: number;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly images: boolean;
  /** Parameters of clients that this API refuses, by their names in OpenAI's chat completions. */
  readonly ignore: readonly string[];
  /** Whether a stream is asked for its counts. */
  readonly usage: boolean;
  /** Values may be `env:NAME`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly maxConcurrent?: number;
  readonly weight: number;
  readonly pool?: string;
  readonly restart: "never" | "safe";
  readonly tries: number;
  readonly firstTimeout: number;
  readonly stallTimeout: number;
  readonly endMarker: "required" | "optional";
  readonly budget: {
    readonly requestsPerMinute?: number;
    readonly tokensPerMinute?: number;
    readonly spendPerMonth?: number;
  };
  /** Per million tokens. */
  readonly price?: { readonly input: number; readonly output: number };
}
