/**
 * This is what may stand under `bots` in the configuration: model APIs that Nexus calls, by bot id.
 *
 * ```json
 * {
 *   "bots": {
 *     "gpt": { "type": "openai", "apiKey": "env:OPENAI_API_KEY", "model": "gpt-4o" }
 *   }
 * }
 * ```
 */
import { z } from "zod";

function text(right: string) {
  return z.string({ error: right }).min(1, right);
}

function whole(min: number, max: number, unit: string) {
  const right = `must be a whole number from ${min} to ${max} (${unit})`;
  return z.int({ error: right }).min(min, right).max(max, right);
}

function number(min: number, max: number, what: string) {
  const right = `must be a number from ${min} to ${max} (${what})`;
  return z.number({ error: right }).min(min, right).max(max, right);
}

const MONEY = 1_000_000_000;

export const upstreamSchema = z.looseObject({
  type: z.enum(["openai", "anthropic"], { error: 'must be "openai" or "anthropic"' }).meta({
    description:
      "Which API it speaks. Most local servers (Ollama, vLLM, LM Studio) speak `openai`.",
  }),
  name: text("must be a name").max(200).optional().meta({
    description: "What people see. Default: the bot's id.",
  }),
  description: text("must be a text").max(500).optional(),
  baseUrl: z.url({
    protocol: /^https?$/,
    error: "must be an address such as https://api.openai.com/v1",
  }).optional()
    .meta({
      description: "Up to and with `/v1`. Default: the provider's own.",
    }),
  apiKey: text("must be a key, or env:NAME").optional().meta({
    description: "The key, or `env:NAME` for the variable that holds it. May change while running.",
  }),
  model: text("must be a model's name").optional().meta({
    description:
      "Default for `openai`: the first that the server lists, which is right where it serves one.",
  }),
  system: text("must be a text").optional().meta({
    description: "Said to the model before everything else.",
  }),
  history: whole(0, 10_000_000, "tokens").default(16_000).meta({
    description:
      "How much of the conversation the model is told again, in tokens by estimate. 0: nothing.",
  }),
  maxTokens: whole(1, 10_000_000, "tokens").optional().meta({
    description: "The longest answer. Default: the API's; 4096 for anthropic, which demands one.",
  }),
  temperature: number(0, 2, "0 is the most sober").optional(),
  images: z.boolean({ error: "must be true or false" }).default(true).meta({
    description: "Whether the model sees images.",
  }),
  ignore: z.array(text('must be a parameter\'s name such as "temperature"').max(100)).max(100)
    .default([]).meta({
      description: "Parameters of clients that are not passed on, because this model refuses them.",
    }),
  usage: z.boolean({ error: "must be true or false" }).default(true).meta({
    description:
      "Whether a stream is asked for its token counts. False for old servers that refuse `stream_options`.",
  }),
  headers: z.record(z.string().regex(/^[\w-]+$/), text("must be a text")).default({}).meta({
    description: "Sent with every request. A value may be `env:NAME`.",
  }),
  maxConcurrent: whole(1, 1_000_000, "answers at once").optional(),
  weight: number(0.001, 1000, "its share among equals").default(1),
  pool: text("must be a pool's name").max(128).optional(),
  restart: z.enum(["never", "safe"], { error: 'must be "never" or "safe"' }).default("never").meta({
    description: "`safe`: an answer that broke off may be begun again by another bot of the pool.",
  }),
  tries: whole(1, 10, "tries").default(3).meta({
    description:
      "How often it is asked before the first word came, when the API is busy or broken.",
  }),
  firstTimeout: whole(100, 3_600_000, "milliseconds").default(120_000).meta({
    description:
      "How long the first word may take. A model that thinks without saying so needs a while.",
  }),
  stallTimeout: whole(100, 3_600_000, "milliseconds").default(30_000).meta({
    description: "Silence in the middle of an answer after which it counts as cut.",
  }),
  endMarker: z.enum(["required", "optional"], { error: 'must be "required" or "optional"' })
    .default("required").meta({
      description:
        "`optional` for servers that never send `[DONE]`: then a finish reason ends an answer as well. Without either it counts as cut.",
    }),
  budget: z.looseObject({
    requestsPerMinute: whole(1, MONEY, "requests").optional(),
    tokensPerMinute: whole(1, MONEY, "tokens, asked and answered").optional(),
    spendPerMonth: number(0, MONEY, "in the currency of `price`").optional(),
  }, { error: 'must be an object such as {"requestsPerMinute":60}' }).default({}).meta({
    description: "What this bot may use. A restart forgets nothing of it.",
  }),
  price: z.looseObject({
    input: number(0, MONEY, "per million tokens"),
    output: number(0, MONEY, "per million tokens"),
  }, { error: 'must be an object such as {"input":2.5,"output":10}' }).optional().meta({
    description: "Per million tokens, in any currency.",
  }),
}, {
  error:
    'must be an object such as {"type":"openai","model":"gpt-4o","apiKey":"env:OPENAI_API_KEY"}',
})
  .refine(({ type, model }) => type === "openai" || model !== undefined, {
    path: ["model"],
    error: 'must be a model\'s name such as "claude-sonnet-4-5"',
  })
  .refine(({ budget, price }) => budget.spendPerMonth === undefined || price !== undefined, {
    path: ["price"],
    error: "must be there where budget.spendPerMonth is",
  });

/** The ids end up in `@bot-id `, in addresses and in keys of the store. */
export const upstreamsSchema = z.record(
  z.string().regex(
    /^[A-Za-z0-9][\w.:/-]{0,127}$/,
    "must be a bot id: letters, digits and . : / _ -, at most 128",
  ),
  upstreamSchema,
  { error: 'must be an object such as {"gpt":{"type":"openai","model":"gpt-4o"}}' },
);
