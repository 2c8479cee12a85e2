/**
 * The channel as OpenClaw sees it: one object that reads, sets up, secures, starts and probes
 * accounts, and sends messages.
 */
import { createScopedChannelConfigAdapter } from "openclaw/plugin-sdk/channel-config-helpers";
import {
  buildChannelOutboundSessionRoute,
  createChatChannelPlugin,
  type PluginRuntime,
} from "openclaw/plugin-sdk/channel-core";
import { createComputedAccountStatusAdapter } from "openclaw/plugin-sdk/status-helpers";
import {
  type Account,
  CHANNEL,
  DEFAULT_ACCOUNT,
  defaultAccount,
  describeAccount,
  effectiveAllowFrom,
  listAccounts,
  normalizeEntry,
  readAccount,
} from "./account.ts";
import { messageAdapter, sendOut } from "./delivery.ts";
import { openclawHost } from "./host_openclaw.ts";
import { AccountLinks } from "./account_link.ts";
import { sendMessage } from "./outbound.ts";
import { mayApprove } from "./owner.ts";
import { type Presentation, withoutRepeats } from "./presentation.ts";
import { OWN_SCOPE, peerKey, sessionKey, sharesMain, withOwnScope } from "./session.ts";
import { setupContract, setupWizard } from "./setup.ts";
import { issuesOf, type Probe, probeAccount } from "./status.ts";
import { normalizeTarget, readTarget, writeTarget } from "./target.ts";
import { WELCOME, welcomeId } from "./welcome.ts";

export const META = {
  id: CHANNEL,
  label: "Nexus",
  selectionLabel: "Nexus Gateway",
  detailLabel: "Nexus Gateway",
  // OpenClaw shows it as a page of its own documentation, which has none on Nexus: this one tells
  // how channels are set up.
  docsPath: "/cli/channels",
  blurb:
    "one gateway between your people and this agent: web, OpenAI clients, Feishu, DingTalk, WeCom.",
  order: 80,
  markdownCapable: true,
} as const;

/** Fields that a removed account leaves behind at the top level; `accounts` stays. */
const OWN_FIELDS = [
  "serverUrl",
  "botId",
  "botName",
  "token",
  "reconnectInterval",
  "dmPolicy",
  "allowFrom",
  "mediaMaxMb",
  "streaming",
  "showReasoning",
  "showTools",
  "name",
];

export interface NexusChannel {
  readonly plugin: ReturnType<typeof createChatChannelPlugin<Account, Probe>>;
  setRuntime(runtime: PluginRuntime): void;
}

export function createChannel(): NexusChannel {
  const lines = new AccountLinks();
  let runtime: PluginRuntime | undefined;
  const theRuntime = () => {
    if (!runtime) {
      throw new Error("Nexus was not given its runtime: it must be loaded as an OpenClaw plugin");
    }
    return runtime;
  };

  const plugin = createChatChannelPlugin<Account, Probe>({
    base: {
      id: CHANNEL,
      meta: META,
      capabilities: { chatTypes: ["direct"], media: true, reply: true, blockStreaming: true },
      reload: { configPrefixes: [`channels.${CHANNEL}`] },
      config: {
        ...createScopedChannelConfigAdapter<Account>({
          sectionKey: CHANNEL,
          listAccountIds: listAccounts,
          resolveAccount: readAccount,
          inspectAccount: (cfg, accountId) => describeAccount(readAccount(cfg, accountId)),
          defaultAccountId: defaultAccount,
          clearBaseFields: OWN_FIELDS,
          resolveAllowFrom: (account) => [...account.allowFrom],
          formatAllowFrom: (entries) =>
            entries.map((entry) => normalizeEntry(String(entry))).filter(Boolean),
        }),
        isEnabled: (account: Account) => account.enabled,
        isConfigured: (account: Account) => account.configured,
        unconfiguredReason: () => "serverUrl and botId must be set",
        describeAccount: (account: Account) => ({
          accountId: account.accountId,
          name: account.name,
          enabled: account.enabled,
          configured: account.configured,
          tokenStatus: account.tokenStatus,
          baseUrl: account.serverUrl,
          dmPolicy: account.dmPolicy,
        }),
      },
      setupContract,
      setupWizard,
      status: createComputedAccountStatusAdapter<Account, Probe>({
        probeAccount: ({ account, timeoutMs }) => probeAccount(account, timeoutMs),
        formatCapabilitiesProbe: ({ probe }) => [
          probe.ok
            ? { text: `Gateway answers in ${probe.elapsedMs} ms`, tone: "success" }
            : { text: `Gateway: ${probe.error}`, tone: "error" },
        ],
        collectStatusIssues: (accounts) => issuesOf(accounts),
        resolveAccountSnapshot: ({ account, cfg }) => ({
          accountId: account.accountId,
          name: account.name,
          enabled: account.enabled,
          configured: account.configured,
          extra: {
            tokenStatus: account.tokenStatus,
            baseUrl: account.serverUrl,
            dmPolicy: account.dmPolicy,
            sharesMain: sharesMain(cfg),
          },
        }),
      }),
      messaging: {
        targetPrefixes: [CHANNEL],
        directTargetStyle: "user-prefixed",
        targetIdComparison: "case-sensitive",
        normalizeTarget,
        inferTargetChatType: ({ to }) => (readTarget(to) ? "direct" : undefined),
        targetResolver: {
          looksLikeId: (raw) => readTarget(raw) !== undefined,
          hint: "<user:personId|conversation:conversationId>",
        },
        resolveOutboundSessionRoute: ({ cfg, agentId, accountId, target, threadId }) => {
          const to = readTarget(target);
          if (!to) return null;
          const thread = threadId == null ? undefined : String(threadId);
          const route = buildChannelOutboundSessionRoute({
            cfg: withOwnScope(cfg),
            agentId,
            channel: CHANNEL,
            accountId,
            peer: { kind: "direct", id: peerKey(to.id) },
            chatType: "direct",
            from: `${CHANNEL}:${to.id}`,
            to: writeTarget(to),
            threadId: thread,
          });
          return { ...route, sessionKey: sessionKey(route.baseSessionKey, thread) };
        },
      },
      message: messageAdapter(lines, theRuntime),
      agentPrompt: {
        messageToolHints: () => [
          "- Nexus: leave out `target` to reply to this person. To reach somebody else: `user:<personId>`.",
        ],
      },
      approvalCapability: {
        authorizeActorAction: ({ cfg, accountId, senderId }) =>
          mayApprove(cfg, accountId, senderId),
      },
      gateway: {
        startAccount: (context) =>
          lines.run({
            account: context.account,
            host: openclawHost(theRuntime()),
            signal: context.abortSignal,
            log: context.log ?? console,
            tell: (status) =>
              context.setStatus({
                ...context.getStatus(),
                accountId: context.accountId,
                ...status,
              }),
          }),
      },
    },
    security: {
      dm: {
        channelKey: CHANNEL,
        resolvePolicy: (account) => account.dmPolicy,
        resolveAllowFrom: effectiveAllowFrom,
        defaultPolicy: "pairing",
        policyPathSuffix: "dmPolicy",
        allowFromPathSuffix: "",
        normalizeEntry,
      },
      dmRouting: {
        resolveDmScope: ({ cfg }) =>
          (withOwnScope(cfg).session?.dmScope ?? OWN_SCOPE) as "per-peer",
      },
    },
    pairing: {
      text: {
        idLabel: "personId",
        message: WELCOME,
        normalizeAllowEntry: normalizeEntry,
        notify: async ({ id, accountId, message }) => {
          const account = accountId ?? DEFAULT_ACCOUNT;
          await sendMessage(lines, {
            accountId: account,
            to: `user:${id}`,
            text: message,
            id: welcomeId(account, id),
          });
        },
      },
    },
    outbound: {
      // Only the process of OpenClaw's gateway owns the line; a command that sends asks it to.
      base: {
        deliveryMode: "gateway",
        chunker: null,
        renderPresentation: ({ payload, presentation }) =>
          withoutRepeats(payload, presentation as Presentation),
      },
      attachedResults: {
        channel: CHANNEL,
        sendText: (context) => sendOut(lines, theRuntime, context),
        sendMedia: (context) => sendOut(lines, theRuntime, context),
      },
    },
  });
  return {
    plugin,
    setRuntime: (given) => {
      runtime = given;
    },
  };
}
