/**
 * The answer to OpenClaw's queue after a sender was interrupted and nobody knows whether the
 * message was sent. Each part travels under the same id every time, and the gateway drops repeats.
 */
import { readAccount, type Settings } from "./account.ts";
import type { AccountLinks } from "./account_link.ts";
import { NotDelivered, sendMessage } from "./outbound.ts";

/** A message of the queue of which OpenClaw does not know whether it was sent. */
export interface UnknownSend {
  readonly cfg: Settings;
  readonly queueId: string;
  readonly to: string;
  readonly accountId?: string | null;
  /** Milliseconds since the epoch. */
  readonly enqueuedAt: number;
  readonly platformSendStartedAt?: number;
  readonly payloads: readonly {
    readonly text?: string;
    readonly mediaUrl?: string;
    readonly mediaUrls?: string[];
  }[];
  readonly threadId?: string | number | null;
}

/** The words of OpenClaw's queue. */
export type ReconcileResult =
  | { readonly status: "sent"; readonly messageId: string; readonly receipt: DeliveryReceipt }
  | { readonly status: "not_sent" }
  | { readonly status: "unresolved"; readonly error: string; readonly retryable: boolean };

export interface DeliveryReceipt {
  primaryPlatformMessageId?: string;
  platformMessageIds: string[];
  parts: { platformMessageId: string; kind: "text" | "media"; index: number }[];
  sentAt: number;
}

/**
 * Milliseconds for which a repeat is surely dropped: the gateway remembers ids for ten minutes, and
 * a message may wait half a minute for its receipt.
 */
const REPEATABLE = 9 * 60_000;

/**
 * What became of a message whose sender was interrupted. A text is sent again under its id: the
 * gateway's receipt is the same whether it has it already or not. What has an image or a file is
 * left to the queue, which sends it again under its ids.
 */
export async function reconcile(
  lines: AccountLinks,
  unknown: UnknownSend,
  now: () => number = Date.now,
): Promise<ReconcileResult> {
  const { cfg, queueId, to, threadId, payloads, enqueuedAt, platformSendStartedAt = enqueuedAt } =
    unknown;
  if (now() - platformSendStartedAt > REPEATABLE) {
    return unresolved("it is too long ago to tell whether the gateway has it", false);
  }
  const [payload] = payloads;
  if (
    payloads.length !== 1 || !payload || payload.mediaUrl || payload.mediaUrls?.length ||
    !payload.text?.trim()
  ) {
    return { status: "not_sent" };
  }
  const { accountId } = readAccount(cfg, unknown.accountId);
  const id = partId(queueId, 0);
  try {
    const { messageId } = await sendMessage(lines, {
      accountId,
      to,
      text: payload.text,
      threadId,
      id,
      apart: true,
    });
    return { status: "sent", messageId, receipt: receiptOf(messageId, "text", now()) };
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    return unresolved(words, !(cause instanceof NotDelivered) || cause.again);
  }
}

export function receiptOf(
  messageId: string,
  kind: "text" | "media",
  sentAt: number,
): DeliveryReceipt {
  const parts = [{ platformMessageId: messageId, kind, index: 0 }];
  return { primaryPlatformMessageId: messageId, platformMessageIds: [messageId], parts, sentAt };
}

/** The id of one part of a message of the queue, the same at every try. */
export function partId(queueId: string, index = 0): string {
  return `${queueId}-${index}`.slice(0, 200);
}

function unresolved(error: string, retryable: boolean): ReconcileResult {
  return { status: "unresolved", error, retryable };
}
