/**
 * The real OpenClaw behind the interfaces of `host.ts`.
 */
import { Buffer } from "node:buffer";
import type { OpenClawConfig, PluginRuntime } from "openclaw/plugin-sdk/channel-core";
import { toInboundMediaFacts } from "openclaw/plugin-sdk/channel-inbound";
import {
  defineStableChannelIngressIdentity,
  resolveChannelMessageIngress,
} from "openclaw/plugin-sdk/channel-ingress-runtime";
import { createChannelPairingController } from "openclaw/plugin-sdk/channel-pairing";
import { isAbortRequestText } from "openclaw/plugin-sdk/command-primitives-runtime";
import { getAgentScopedMediaLocalRoots } from "openclaw/plugin-sdk/media-local-roots";
import { getGlobalHookRunner } from "openclaw/plugin-sdk/plugin-runtime";
import { CHANNEL, normalizeEntry } from "./account.ts";
import type {
  Config,
  Host,
  InboundAdmission,
  InboundQuestion,
  Route,
  Run,
  RunResult,
} from "./host.ts";

/**
 * Person ids come from the gateway, which authenticates people: they are taken letter by letter.
 */
const IDENTITY = defineStableChannelIngressIdentity({
  key: "personId",
  normalizeEntry,
  normalizeSubject: (id) => id.trim(),
});

type Ingress = Awaited<ReturnType<typeof resolveChannelMessageIngress>>;

export function openclawHost(runtime: PluginRuntime): Host {
  const { channel } = runtime;
  return {
    config: () => runtime.config.current() as Config,

    route(config, accountId, peer): Route {
      return channel.routing.resolveAgentRoute({
        cfg: real(config),
        channel: CHANNEL,
        accountId,
        peer: { kind: "direct", id: peer },
      });
    },

    admit: (question) => admit(runtime, question),

    paired: (accountId) =>
      createChannelPairingController({ core: runtime, channel: CHANNEL, accountId })
        .readAllowFromStore(),

    isControl: (text, config) =>
      isAbortRequestText(text) || channel.commands.isControlCommandMessage(text, real(config)),

    isStop: (text) => isAbortRequestText(text),

    saveImage: (bytes, type, maxBytes) =>
      channel.media.saveMediaBuffer(
        Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
        type,
        "inbound",
        maxBytes,
      ),

    async loadMedia(url, { config, agentId, maxBytes }) {
      const localRoots = getAgentScopedMediaLocalRoots(real(config), agentId);
      const media = await runtime.media.loadWebMedia(url, {
        maxBytes,
        localRoots,
        optimizeImages: false,
      });
      return { bytes: media.buffer, type: media.contentType, fileName: media.fileName };
    },

    mustWait() {
      const hooks = getGlobalHookRunner();
      return hooks !== null &&
        (hooks.hasHooks("message_sending") || hooks.hasHooks("reply_payload_sending"));
    },

    run: (run) => dispatch(runtime, run),
  };
}

async function admit(runtime: PluginRuntime, question: InboundQuestion): Promise<InboundAdmission> {
  const { config, accountId, route, messageId, senderId, senderName, text, dmPolicy, allowFrom } =
    question;
  const cfg = real(config);
  const pairing = createChannelPairingController({ core: runtime, channel: CHANNEL, accountId });
  const commands = runtime.channel.commands.shouldComputeCommandAuthorized(text, cfg);
  // OpenClaw 2026.8 has no resolver at the runtime yet; later ones let only that one vouch for who
  // a person is.
  const resolve = runtime.channel.inbound.ingress?.resolve ?? resolveChannelMessageIngress;
  const result = await resolve({
    channelId: CHANNEL,
    accountId,
    identity: IDENTITY,
    subject: { stableId: senderId },
    conversation: { kind: "direct", id: senderId },
    contextBinding: {
      agentId: route.agentId,
      sessionKey: route.sessionKey,
      messageId,
      inboundEventKind: "user_request",
    },
    event: { kind: "message", authMode: "inbound", mayPair: true },
    policy: { dmPolicy: dmPolicy as "open", groupPolicy: "disabled" },
    allowFrom: [...allowFrom],
    accessGroups: cfg.accessGroups,
    readStoreAllowFrom: () => pairing.readAllowFromStore(),
    command: commands ? { allowTextCommands: true, hasControlCommand: true } : undefined,
  });
  const { admission, reasonCode } = result.ingress;
  if (admission === "dispatch") {
    return {
      verdict: "dispatch",
      commandAuthorized: result.commandAccess.authorized,
      token: result,
    };
  }
  if (admission !== "pairing-required") return { verdict: "drop", reason: reasonCode };
  return {
    verdict: "pairing",
    challenge: async (tell) => {
      await pairing.issueChallenge({
        senderId,
        senderIdLine: `Your Nexus user id: ${senderId}`,
        meta: { name: senderName },
        sendPairingReply: (words) => Promise.resolve(tell(words)),
      });
    },
  };
}

async function dispatch(runtime: PluginRuntime, run: Run): Promise<RunResult> {
  const { accountId, route, message, callbacks } = run;
  const cfg = real(run.config);
  const to = `user:${message.senderId}`;
  const scope = { agentId: route.agentId, dmScope: route.dmScope as "main" | undefined };
  const ctxPayload = runtime.channel.inbound.buildContext({
    channelIngress: run.admission as Ingress,
    channel: CHANNEL,
    accountId,
    provider: CHANNEL,
    surface: CHANNEL,
    messageId: message.id,
    timestamp: message.timestamp,
    from: `${CHANNEL}:${message.senderId}`,
    sender: { id: message.senderId, name: message.senderName },
    conversation: { kind: "direct", id: message.senderId, threadId: message.conversationId },
    route: { ...scope, accountId, routeSessionKey: route.sessionKey },
    reply: { to, originatingTo: to, messageThreadId: message.conversationId },
    message: {
      inboundEventKind: "user_request",
      body: message.text,
      bodyForAgent: message.text,
      rawBody: message.text,
      commandBody: message.text,
    },
    access: { commands: { authorized: message.commandAuthorized } },
    media: [
      ...toInboundMediaFacts(
        message.media.map((file) => ({ ...file, kind: "image" as const, messageId: message.id })),
      ),
    ],
  });
  let settle = () => {};
  const settled = new Promise<void>((resolve) => settle = resolve);
  const result = await runtime.channel.inbound.dispatch({
    cfg,
    channel: CHANNEL,
    accountId,
    ctxPayload,
    route: { ...scope, sessionKey: route.sessionKey },
    replyPipeline: {},
    replyOptions: { ...callbacks, onQueuedFollowupSettled: () => settle() },
    delivery: {
      deliver: (payload, info) => run.deliver(payload, info.kind),
      onError: (cause, { kind }) =>
        run.onProblem(`a ${kind} of turn ${message.id} could not be delivered`, cause),
    },
    record: {
      onRecordError: (cause) =>
        run.onProblem(`turn ${message.id} was not recorded in its session`, cause),
    },
  });
  const deferred = result.dispatched ? result.dispatchResult.deferredToActiveRun : undefined;
  if (deferred === "followup") await settled;
  return { deferred };
}

/** The same object; only the declarations differ. */
function real(config: Config): OpenClawConfig {
  return config as OpenClawConfig;
}
