/**
 * A message on its way out through OpenClaw's queue. The type of the error determines whether the
 * queue tries again.
 */
import type { OpenClawConfig, PluginRuntime } from "openclaw/plugin-sdk/channel-core";
import { PlatformMessageNotDispatchedError } from "openclaw/plugin-sdk/error-runtime";
import { CHANNEL, readAccount } from "./account.ts";
import type { AccountLinks } from "./account_link.ts";
import type { Media } from "./media.ts";
import { NotDelivered, sendMessage } from "./outbound.ts";
import { partId, receiptOf, reconcile, type UnknownSend } from "./reconcile.ts";

export interface SendContext {
  readonly cfg: OpenClawConfig;
  readonly to: string;
  readonly text: string;
  readonly mediaUrl?: string;
  readonly mediaLocalRoots?: readonly string[];
  readonly mediaAccess?: { readonly localRoots?: readonly string[] };
  readonly threadId?: string | number | null;
  readonly accountId?: string | null;
  readonly signal?: AbortSignal;
  readonly deliveryQueueId?: string;
  readonly deliveryPartIndex?: number;
  /**
   * Notes that the part may have arrived from here on; without it OpenClaw loses track of a part
   * that it can reconcile.
   */
  readonly onPlatformSendDispatch?: () => Promise<void>;
}

/** Sends one part. What is thrown tells the queue whether it may try again. */
export async function sendOut(
  lines: AccountLinks,
  theRuntime: () => PluginRuntime,
  context: SendContext,
): Promise<{ messageId: string }> {
  const account = readAccount(context.cfg, context.accountId);
  let media: Media | undefined;
  if (context.mediaUrl) {
    const localRoots = context.mediaLocalRoots ?? context.mediaAccess?.localRoots ?? [];
    const { buffer, contentType, fileName } = await theRuntime().media.loadWebMedia(
      context.mediaUrl,
      {
        maxBytes: account.mediaMaxMb * (1 << 20),
        localRoots,
        optimizeImages: false,
      },
    );
    media = { bytes: buffer, type: contentType, fileName };
  }
  const { accountId } = account;
  const {
    to,
    text,
    threadId,
    signal,
    deliveryQueueId,
    deliveryPartIndex,
    onPlatformSendDispatch: onDispatch,
  } = context;
  const id = deliveryQueueId && partId(deliveryQueueId, deliveryPartIndex);
  try {
    const { messageId } = await sendMessage(lines, {
      accountId,
      to,
      text,
      media,
      threadId,
      id,
      signal,
      onDispatch,
    });
    return { messageId };
  } catch (cause) {
    if (!(cause instanceof NotDelivered)) throw cause;
    throw new PlatformMessageNotDispatchedError(cause.message, { cause, retryable: cause.again });
  }
}

/** The channel's part of the queue's contract. OpenClaw looks at it only where it can also send. */
export function messageAdapter(lines: AccountLinks, theRuntime: () => PluginRuntime) {
  const sender = (kind: "text" | "media") => async (context: SendContext) => {
    const { messageId } = await sendOut(lines, theRuntime, context);
    return { messageId, receipt: receiptOf(messageId, kind, Date.now()) };
  };
  return {
    id: CHANNEL,
    send: { text: sender("text"), media: sender("media") },
    durableFinal: {
      capabilities: { text: true, media: true, thread: true, reconcileUnknownSend: true },
      automaticUnknownSendReconciliation: true,
      reconcileUnknownSendKinds: { text: true, media: true },
      reconcileUnknownSend: (unknown: UnknownSend) => reconcile(lines, unknown),
    },
  };
}
