/**
 * This is an answer as the AI SDK's UI message stream, which `useChat` reads.
 *
 * Source: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol (version 1, told by the header
 * `x-vercel-ai-ui-message-stream: v1`). An error is a part of its own, and a message without a
 * `finish` part is one that did not finish.
 */
import { readDataUrl } from "../../core/data_url.ts";
import type { Turn } from "../../core/turn.ts";
import { jsonInPieces } from "../http/text_pieces.ts";
import type { AnswerFormat } from "./answer_stream.ts";
import type { ErrorBody } from "./error.ts";

export const UI_HEADERS: [string, string][] = [["x-vercel-ai-ui-message-stream", "v1"]];

export function uiFormat(turn: Turn, describe: (error: unknown) => ErrorBody): AnswerFormat {
  let open: "text" | "reasoning" | undefined;
  let blocks = 0;
  const part = (fields: Record<string, unknown>) => `data: ${JSON.stringify(fields)}\n\n`;

  function close(): string {
    if (!open) return "";
    const end = part({ type: `${open}-end`, id: String(blocks) });
    open = undefined;
    return end;
  }

  function delta(kind: "text" | "reasoning", text: string): string {
    let before = "";
    if (open !== kind) {
      before = close() + part({ type: `${kind}-start`, id: String(++blocks) });
      open = kind;
    }
    return `${before}data: {"type":"${kind}-delta","id":"${blocks}","delta":${
      JSON.stringify(text)
    }}\n\n`;
  }

  return {
    begin: () =>
      part({
        type: "start",
        messageId: turn.id,
        messageMetadata: {
          conversationId: turn.conversationId,
          botId: turn.bot?.id,
          botName: turn.bot?.name,
        },
      }) + part({ type: "start-step" }),
    text: (text) => delta("text", text),
    reasoning: (text) => delta("reasoning", text),
    *image(url) {
      const mediaType = readDataUrl(url)?.type || "image/png";
      yield `${close()}data: `;
      yield* jsonInPieces({ type: "file", url, mediaType });
      yield "\n\n";
    },
    end(finish) {
      const reason = finish === "content_filter" ? "content-filter" : finish;
      return `${close()}${part({ type: "finish-step" })}${
        part({ type: "finish", finishReason: reason })
      }data: [DONE]\n\n`;
    },
    fail(error) {
      const { code, message } = describe(error);
      // Stopped on purpose is no error.
      return close() +
        part(code === "cancelled" ? { type: "abort" } : { type: "error", errorText: message });
    },
  };
}
