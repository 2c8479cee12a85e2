/**
 * This is a model for tests: a small server that speaks OpenAI's chat completions and does what the
 * prompt tells it to. What it says is determined by the prompt alone, and it writes down when it
 * said it.
 *
 * A prompt's last `#model:` directive decides; without one it repeats what it was told.
 *
 * | directive | what it does |
 * |---|---|
 * | `#model:words N MS` | N numbered words, MS milliseconds apart |
 * | `#model:long CHARS DELTAS` | that many characters of many scripts in that many deltas |
 * | `#model:reason N MS` | N words of reasoning first, then N words |
 * | `#model:tool COMMAND` | says a preamble, calls `exec` with the command, then tells its result |
 * | `#model:ask` | asks the person something with `ask_user`, then tells the answer |
 * | `#model:cut K N` | breaks the line after K of N words, the first time it is asked |
 * | `#model:break K N` | breaks the line after K of N words, every time |
 * | `#model:refuse` | answers 400 |
 * | `#model:fail` | answers 500, every time |
 * | `#model:media PATH` | a sentence, and the file at PATH |
 * | `#model:history` | every user text of the session, and how many images it saw in the last one |
 */

/** One delta, and when it left (`performance.now()` of this process). */
export interface Delta {
  readonly at: number;
  readonly text: string;
}

export interface FakeModel {
  readonly url: string;
  /** All requests so far: the messages, as they came. */
  readonly requests: readonly (readonly Message[])[];
  /** The deltas of the latest answer. */
  readonly deltas: readonly Delta[];
  /** How many answers broke off because the asker hung up. */
  readonly aborted: number;
  close(): Promise<void>;
}

interface Part {
  readonly type: string;
  readonly text?: string;
  readonly image_url?: { readonly url: string };
}

export interface Message {
  readonly role: string;
  readonly content: string | readonly Part[] | null;
  readonly tool_calls?: unknown;
}

const encoder = new TextEncoder();

export function startFakeModel(): FakeModel {
  const requests: Message[][] = [];
  let deltas: Delta[] = [];
  let aborted = 0;
  const cuts = new Set<string>();

  const stop = new AbortController();
  const { signal } = stop;
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", signal, onListen: () => {} },
    async (request) => {
      if (!new URL(request.url).pathname.endsWith("/chat/completions")) {
        return new Response(
          "not found",
          { status: 404 },
        );
      }
      const { messages, stream } = await request.json() as {
        messages: Message[];
        stream?: boolean;
      };
      requests.push(messages);
      const plan = planOf(messages, cuts);
      if (plan.broken) {
        return Response.json({
          error: { message: "the model is out of order", type: "server_error" },
        }, { status: 500 });
      }
      if (plan.refuse) {
        return Response.json({
          error: { message: "the model refuses this prompt", type: "invalid_request_error" },
        }, {
          status: 400,
        });
      }
      if (!stream) {
        return Response.json({
          id: "c",
          object: "chat.completion",
          model: "fake-1",
          choices: [{
            index: 0,
            finish_reason: "stop",
            message: { role: "assistant", content: plan.words.join("") },
          }],
          usage: USAGE,
        });
      }
      deltas = [];
      const mine = deltas;
      const body = new ReadableStream<Uint8Array>({
        async start(controller) {
          const send = (delta: object, finish: string | null = null) =>
            controller.enqueue(encoder.encode(`data: ${
              JSON.stringify({
                id: "c",
                object: "chat.completion.chunk",
                created: 0,
                model: "fake-1",
                choices: [{ index: 0, delta, finish_reason: finish }],
              })
            }\n\n`));
          try {
            send({ role: "assistant", content: "" });
            for (const text of plan.reasoning) {
              await pause(plan.ms);
              send({ reasoning_content: text });
            }
            let said = 0;
            for (const text of plan.words) {
              if (said++ > 0 || plan.reasoning.length > 0) await pause(plan.ms);
              if (plan.cutAfter !== undefined && said > plan.cutAfter) {
                return controller.error(new TypeError("cut"));
              }
              mine.push({ at: performance.now(), text });
              send({ content: text });
            }
            if (plan.call) {
              send({
                tool_calls: [{
                  index: 0,
                  id: `call_${requests.length}`,
                  type: "function",
                  function: { name: plan.call.name, arguments: JSON.stringify(plan.call.args) },
                }],
              });
            }
            send({}, plan.call ? "tool_calls" : "stop");
            controller.enqueue(
              encoder.encode(
                `data: ${
                  JSON.stringify({
                    id: "c",
                    object: "chat.completion.chunk",
                    created: 0,
                    model: "fake-1",
                    choices: [],
                    usage: USAGE,
                  })
                }\n\ndata: [DONE]\n\n`,
              ),
            );
            controller.close();
          } catch (error) {
            // The asker hung up, so the stream can no longer be written to.
            if (!(error instanceof TypeError)) throw error;
            aborted++;
          }
        },
      });
      return new Response(body, {
        headers: { "content-type": "text/event-stream", "cache-control": "no-cache" },
      });
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/v1`,
    requests,
    get deltas() {
      return deltas;
    },
    get aborted() {
      return aborted;
    },
    // Not a graceful end: an OpenClaw that was killed may have left a line open that nobody will
    // ever close.
    close() {
      stop.abort();
      return server.finished;
    },
  };
}

interface Plan {
  readonly words: readonly string[];
  readonly reasoning: readonly string[];
  readonly ms: number;
  readonly cutAfter?: number;
  readonly refuse?: boolean;
  readonly broken?: boolean;
  readonly call?: { readonly name: string; readonly args: object };
}

const USAGE = { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 };

function planOf(messages: readonly Message[], cuts: Set<string>): Plan {
  const users = messages.filter((message) =>
    message.role === "user" && !isInternal(textOf(message))
  );
  const last = users.at(-1);
  const text = last ? textOf(last) : "";
  const [, directive = "echo", rest = ""] = [...text.matchAll(/#model:(\w+)([^\n]*)/g)].at(-1) ??
    [];
  const [first = "", second = ""] = rest.trim().split(/\s+/);
  const [a, b] = [Number(first) || 0, Number(second) || 0];
  // A tool has answered since: this is the second half of a turn. OpenClaw may put a message of its
  // own behind the result.
  const since = messages.slice(messages.lastIndexOf(last as Message) + 1);
  const results = since.filter((message) => message.role === "tool");
  switch (directive) {
    case "words":
      return { words: numbered(a), reasoning: [], ms: b };
    case "long":
      return { words: pieces(longText(a), b), reasoning: [], ms: 1 };
    case "reason":
      return {
        words: numbered(a),
        reasoning: numbered(a).map((word) => word.replace("w", "thought")),
        ms: b,
      };
    case "tool":
      if (results.length > 0) {
        return {
          words: split(`The tool said: ${textOf(results.at(-1)!).trim()}`),
          reasoning: [],
          ms: 5,
        };
      }
      return {
        words: split("Let me look that up."),
        reasoning: [],
        ms: 5,
        call: { name: "exec", args: { command: rest.trim() } },
      };
    case "ask":
      if (results.length > 0) {
        return {
          words: split(`They answered: ${textOf(results.at(-1)!).trim()}`),
          reasoning: [],
          ms: 5,
        };
      }
      return {
        words: split("I need to know something."),
        reasoning: [],
        ms: 5,
        call: {
          name: "ask_user",
          args: {
            questions: [{
              id: "colour",
              header: "Colour",
              question: "Which colour?",
              options: [{ label: "red", description: "warm" }, {
                label: "blue",
                description: "cold",
              }],
            }],
          },
        },
      };
    case "cut": {
      const again = cuts.has(text);
      cuts.add(text);
      return { words: numbered(b), reasoning: [], ms: 20, cutAfter: again ? undefined : a };
    }
    case "break":
      return { words: numbered(b), reasoning: [], ms: 20, cutAfter: a };
    case "fail":
      return { words: [], reasoning: [], ms: 0, broken: true };
    case "refuse":
      return { words: [], reasoning: [], ms: 0, refuse: true };
    case "media":
      return { words: split(`Here is the picture.\nMEDIA:${rest.trim()}`), reasoning: [], ms: 5 };
    case "history": {
      const images = typeof last?.content === "string"
        ? 0
        : last?.content?.filter((part) => part.image_url).length ?? 0;
      const told = users.map((message) => textOf(message).replace(/#model:\w+/g, "").trim()).join(
        " | ",
      );
      return { words: split(`images=${images} heard: ${told}`), reasoning: [], ms: 2 };
    }
    default:
      return { words: split(`You said: ${text.trim()}`), reasoning: [], ms: 5 };
  }
}

/** OpenClaw adds messages of its own in the name of the user. */
function isInternal(text: string): boolean {
  return text.includes("BEGIN_OPENCLAW_INTERNAL_CONTEXT") ||
    text.startsWith("OpenClaw runtime context");
}

/** What a message says, without what OpenClaw writes around a person's words. */
export function textOf(message: Message): string {
  const { content } = message;
  const text = typeof content === "string"
    ? content
    : content?.map((part) => part.text ?? "").join("") ?? "";
  if (message.role !== "user") return text;
  return text.replace(/\[[^\]\n]*\] Conversation info:[^`]*```json[\s\S]*?```\s*/g, "").replace(
    /\n+Runtime: agent=[\s\S]*$/,
    "",
  );
}

/** `w1 w2 w3 …` as deltas. */
export function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, i) => (i === 0 ? "" : " ") + `w${i + 1}`);
}

/**
 * Text of exactly so many UTF-16 units, of several scripts, with paragraphs; no two places are
 * alike.
 */
export function longText(length: number): string {
  const words = ["alpha", "βήτα", "数字", "emoji 😀", "**bold**", "`code`", "строка", "naïve"];
  let text = "";
  for (let i = 0; text.length < length; i++) {
    text += `${words[i % words.length]}${i}${i % 40 === 39 ? "\n\n" : " "}`;
  }
  // Neither half a character nor a space at the end: what is compared must not depend on trimming.
  return text.slice(0, length - 3).replace(/[\ud800-\udbff]$/, "x").padEnd(length - 3, "x") + "END";
}

/** The text in so many pieces of about one length, never cutting a character in two. */
export function pieces(text: string, count: number): string[] {
  const chars = [...text];
  return Array.from(
    { length: count },
    (_, i) =>
      chars.slice(
        Math.floor((i * chars.length) / count),
        Math.floor(((i + 1) * chars.length) / count),
      ).join(""),
  )
    .filter((piece) => piece !== "");
}

function split(text: string): string[] {
  return text.split(/(?<= )/);
}

function pause(ms: number): Promise<void> {
  return ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : Promise.resolve();
}
