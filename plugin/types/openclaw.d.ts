/**
 * This is as much of OpenClaw's SDK as the plugin touches, so that `deno check` and the unit tests need no OpenClaw (650 MB).
 * `deno task check:plugin` compiles the same sources against the real declarations, which these must never contradict.
 */

declare module "openclaw/plugin-sdk/channel-core" {
  export interface OpenClawConfig {
    channels?: { [channel: string]: unknown };
    session?: { dmScope?: "main" | "per-peer" | "per-channel-peer" | "per-account-channel-peer" };
    accessGroups?: unknown;
    commands?: { ownerAllowFrom?: (string | number)[] };
  }

  export interface AgentRoute {
    agentId: string;
    accountId: string;
    dmScope?: "main" | "per-peer" | "per-channel-peer" | "per-account-channel-peer";
    sessionKey: string;
  }

  export interface Ingress {
    ingress: { admission: string; reasonCode: string };
    commandAccess: { authorized: boolean };
  }

  interface Fields {
    readonly [field: string]: unknown;
  }

  type DispatchResult =
    | { dispatched: true; dispatchResult: { deferredToActiveRun?: "steer" | "followup" } }
    | { dispatched: false };

  interface ReplyPayload {
    text?: string;
    mediaUrl?: string;
    mediaUrls?: string[];
    isError?: boolean;
    isReasoning?: boolean;
    isCompactionNotice?: boolean;
    isFallbackNotice?: boolean;
    isStatusNotice?: boolean;
  }

  export interface PluginRuntime {
    version: string;
    config: { current(): unknown };
    media: {
      loadWebMedia(
        url: string,
        options: { maxBytes?: number; localRoots?: readonly string[]; optimizeImages?: boolean },
      ): Promise<{ buffer: Uint8Array; contentType?: string; fileName?: string }>;
    };
    channel: {
      routing: {
        resolveAgentRoute(
          input: {
            cfg: OpenClawConfig;
            channel: string;
            accountId: string;
            peer: { kind: "direct"; id: string };
          },
        ): AgentRoute;
      };
      commands: {
        isControlCommandMessage(text: string, cfg: OpenClawConfig): boolean;
        shouldComputeCommandAuthorized(text: string, cfg: OpenClawConfig): boolean;
      };
      media: {
        saveMediaBuffer(
          bytes: Uint8Array,
          type: string,
          folder: string,
          maxBytes: number,
        ): Promise<{ path: string; contentType?: string }>;
      };
      inbound: {
        /** Absent before 2026.9. */
        ingress?: { resolve(params: Fields): Promise<Ingress> };
        buildContext(params: Fields): Fields;
        dispatch(
          params: Fields & {
            delivery: {
              deliver(
                payload: ReplyPayload,
                info: { kind: "tool" | "block" | "final" },
              ): Promise<void>;
              onError(error: unknown, info: { kind: string }): void;
            };
            record: { onRecordError(error: unknown): void };
          },
        ): Promise<DispatchResult>;
      };
    };
  }

  interface Account {
    accountId: string;
  }

  interface Snapshot {
    accountId: string;
    enabled?: boolean;
    configured?: boolean;
    running?: boolean;
    connected?: boolean;
    lifecycle?: string;
    lastError?: string | null;
    dmPolicy?: string;
    probe?: unknown;
  }

  interface SendContext {
    cfg: OpenClawConfig;
    to: string;
    text: string;
    mediaUrl?: string;
    mediaLocalRoots?: readonly string[];
    mediaAccess?: { localRoots?: readonly string[] };
    threadId?: string | number | null;
    accountId?: string | null;
    signal?: AbortSignal;
    deliveryQueueId?: string;
    deliveryPartIndex?: number;
  }

  interface SendResult {
    messageId: string;
  }

  interface GatewayContext<A> {
    cfg: OpenClawConfig;
    accountId: string;
    account: A;
    abortSignal: AbortSignal;
    log?: { info(text: string): void; warn(text: string): void; error(text: string): void };
    getStatus(): Snapshot;
    setStatus(next: Snapshot): void;
  }

  export interface ChannelPlugin {
    readonly id: string;
  }

  export function createChatChannelPlugin<A extends Account, P = unknown>(params: {
    base: {
      id: string;
      meta: Fields & { id: string; label: string };
      capabilities: Fields;
      reload: { configPrefixes: string[] };
      config: object;
      setupContract: object;
      setupWizard: object;
      status: object;
      messaging: {
        targetPrefixes: readonly string[];
        directTargetStyle: "user-prefixed";
        targetIdComparison: "case-sensitive";
        normalizeTarget(raw: string): string | undefined;
        inferTargetChatType(params: { to: string }): "direct" | undefined;
        targetResolver: { looksLikeId(raw: string): boolean; hint: string };
        resolveOutboundSessionRoute(params: {
          cfg: OpenClawConfig;
          agentId: string;
          accountId?: string | null;
          target: string;
          threadId?: string | number | null;
        }): object | null;
      };
      approvalCapability: {
        authorizeActorAction(
          params: { cfg: OpenClawConfig; accountId?: string | null; senderId?: string | null },
        ): { authorized: boolean; reason?: string };
      };
      message: object;
      agentPrompt: { messageToolHints(): string[] };
      gateway: { startAccount(context: GatewayContext<A>): Promise<unknown> };
    };
    security: {
      dm: {
        channelKey: string;
        resolvePolicy(account: A): string;
        resolveAllowFrom(account: A): string[];
        defaultPolicy: string;
        policyPathSuffix: string;
        allowFromPathSuffix: string;
        normalizeEntry(raw: string): string;
      };
      dmRouting: {
        resolveDmScope(
          context: { cfg: OpenClawConfig },
        ): OpenClawConfig["session"] extends infer S | undefined
          ? S extends { dmScope?: infer D } ? D : never
          : never;
      };
    };
    pairing: {
      text: {
        idLabel: string;
        message: string;
        normalizeAllowEntry(entry: string): string;
        notify(
          params: { cfg: OpenClawConfig; id: string; accountId?: string; message: string },
        ): Promise<void>;
      };
    };
    outbound: {
      base: {
        deliveryMode: "gateway";
        textChunkLimit?: number;
        chunker?: null;
        renderPresentation(
          params: { payload: ReplyPayload; presentation: object },
        ): ReplyPayload | null;
      };
      attachedResults: {
        channel: string;
        sendText(context: SendContext): Promise<SendResult>;
        sendMedia(context: SendContext): Promise<SendResult>;
      };
    };
  }): ChannelPlugin & { readonly probe?: P };

  export function defineChannelPluginEntry<T>(entry: {
    id: string;
    name: string;
    description: string;
    plugin: T;
    setRuntime(runtime: PluginRuntime): void;
  }): object;

  export function defineSetupPluginEntry<T>(plugin: T): object;

  export function buildChannelOutboundSessionRoute(params: {
    cfg: OpenClawConfig;
    agentId: string;
    channel: string;
    accountId?: string | null;
    peer: { kind: "direct"; id: string };
    chatType: "direct";
    from: string;
    to: string;
    threadId?: string | number;
  }): { sessionKey: string; baseSessionKey: string };
}

declare module "openclaw/plugin-sdk/channel-config-helpers" {
  import type { OpenClawConfig } from "openclaw/plugin-sdk/channel-core";
  export function createScopedChannelConfigAdapter<A>(params: {
    sectionKey: string;
    listAccountIds(cfg: OpenClawConfig): string[];
    resolveAccount(cfg: OpenClawConfig, accountId?: string | null): A;
    defaultAccountId(cfg: OpenClawConfig): string;
    inspectAccount(cfg: OpenClawConfig, accountId?: string | null): unknown;
    clearBaseFields: string[];
    resolveAllowFrom(account: A): string[];
    formatAllowFrom(allowFrom: (string | number)[]): string[];
  }): object;
}

declare module "openclaw/plugin-sdk/channel-pairing" {
  import type { PluginRuntime } from "openclaw/plugin-sdk/channel-core";
  export function createChannelPairingController(
    params: { core: PluginRuntime; channel: string; accountId: string },
  ): {
    readAllowFromStore(): Promise<string[]>;
    issueChallenge(params: {
      senderId: string;
      senderIdLine: string;
      meta?: { name?: string };
      sendPairingReply(text: string): Promise<void>;
    }): Promise<{ created: boolean; code?: string }>;
  };
}

declare module "openclaw/plugin-sdk/channel-ingress-runtime" {
  export function defineStableChannelIngressIdentity(params: {
    key?: string;
    normalizeEntry?(value: string): string | null;
    normalizeSubject?(value: string): string | null;
  }): object;
  export function resolveChannelMessageIngress(
    params: { readonly [field: string]: unknown },
  ): Promise<import("openclaw/plugin-sdk/channel-core").Ingress>;
}

declare module "openclaw/plugin-sdk/channel-inbound" {
  export function toInboundMediaFacts(
    media: readonly { path?: string; contentType?: string; kind?: "image"; messageId?: string }[],
  ): readonly object[];
}

declare module "openclaw/plugin-sdk/channel-setup" {
  export function defineChannelSetupContract<F extends object>(params: {
    fields: F;
    adapter: {
      resolveAccountId(params: { accountId?: string }): string;
      validateInput(params: { input: object; accountId: string; cfg: object }): string | null;
      applyAccountConfig(params: { input: object; accountId: string; cfg: object }): object;
    };
  }): object;
}

declare module "openclaw/plugin-sdk/channel-secret-basic-runtime" {
  export function createSimpleChannelSecretContract(params: {
    channelKey: string;
    label: string;
    accountFields: readonly string[];
    channelFields: readonly string[];
    mode: "account-inheritance";
  }): {
    secretTargetRegistryEntries: object[];
    collectRuntimeConfigAssignments: (params: never) => void;
  };
}

declare module "openclaw/plugin-sdk/status-helpers" {
  export function createComputedAccountStatusAdapter<A, P>(options: {
    probeAccount(params: { account: A; timeoutMs: number }): Promise<P>;
    formatCapabilitiesProbe(
      params: { probe: P },
    ): { text: string; tone?: "default" | "success" | "error" }[];
    collectStatusIssues(
      accounts: {
        accountId: string;
        enabled?: boolean;
        configured?: boolean;
        lifecycle?: string;
        lastError?: string | null;
        dmPolicy?: string;
      }[],
    ): {
      channel: string;
      accountId: string;
      kind: "config" | "auth" | "runtime";
      message: string;
      fix?: string;
    }[];
    resolveAccountSnapshot(
      params: {
        account: A;
        cfg: import("openclaw/plugin-sdk/channel-core").OpenClawConfig;
        runtime?: object;
      },
    ): {
      accountId: string;
      name?: string;
      enabled?: boolean;
      configured?: boolean;
      extra?: Record<string, unknown>;
    };
  }): object;
}

declare module "openclaw/plugin-sdk/error-runtime" {
  export class PlatformMessageNotDispatchedError extends Error {
    constructor(message: string, options: { cause: unknown; retryable?: boolean });
  }
}

declare module "openclaw/plugin-sdk/media-local-roots" {
  import type { OpenClawConfig } from "openclaw/plugin-sdk/channel-core";
  export function getAgentScopedMediaLocalRoots(
    cfg: OpenClawConfig,
    agentId?: string,
  ): readonly string[];
}

declare module "openclaw/plugin-sdk/command-primitives-runtime" {
  export function isAbortRequestText(text: string): boolean;
}

declare module "openclaw/plugin-sdk/plugin-runtime" {
  export function getGlobalHookRunner(): {
    hasHooks(name: "message_sending" | "reply_payload_sending"): boolean;
  } | null;
}
