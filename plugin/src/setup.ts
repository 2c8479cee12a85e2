/**
 * The setup of an account: by flags, by the guided wizard, or by hand in `openclaw.json`; all three
 * write the same.
 */
import { defineChannelSetupContract } from "openclaw/plugin-sdk/channel-setup";
import type { OpenClawConfig } from "openclaw/plugin-sdk/channel-core";
import {
  type Account,
  CHANNEL,
  DEFAULT_ACCOUNT,
  type DmPolicy,
  readAccount,
  withAccount,
} from "./account.ts";
import { OWN_SCOPE, sharesMain } from "./session.ts";

/** What `openclaw channels add --channel nexus` takes. */
export const SETUP_FIELDS = {
  serverUrl: {
    kind: "string",
    cli: {
      flags: "--server-url <url>",
      description: "WebSocket address of the gateway, e.g. ws://127.0.0.1:17392/bot-ws",
    },
  },
  botId: {
    kind: "string",
    cli: { flags: "--bot-id <id>", description: "Id of this bot on the gateway" },
  },
  botName: {
    kind: "string",
    cli: { flags: "--bot-name <name>", description: "Name that people see" },
  },
  token: {
    kind: "string",
    sensitive: true,
    cli: { flags: "--token <token>", description: "Bot token of the gateway" },
  },
} as const;

interface Input {
  readonly serverUrl?: string;
  readonly botId?: string;
  readonly botName?: string;
  readonly token?: string;
}

/** What is wrong with an address, in words; nothing when it can be dialled. */
export function wrongUrl(text: string): string | undefined {
  const wrong = `serverUrl must be a ws:// or wss:// address, got "${text}"`;
  try {
    return /^(?:wss?|https?):$/.test(new URL(text).protocol) ? undefined : wrong;
  } catch {
    return wrong;
  }
}

/** What is wrong with a bot id; the gateway would say the same. */
export function wrongBotId(text: string): string | undefined {
  return /^[^\s@]{1,128}$/.test(text)
    ? undefined
    : `botId must be 1 to 128 characters without spaces or @, got "${text}"`;
}

/** The configuration with an account as asked for. New ones pair; one that had a policy keeps it. */
export function applyInput<T extends OpenClawConfig>(cfg: T, accountId: string, input: Input): T {
  const patch = Object.fromEntries(
    Object.entries({
      serverUrl: input.serverUrl?.trim(),
      botId: input.botId?.trim(),
      botName: input.botName?.trim(),
      token: input.token?.trim(),
    }).filter(([, value]) => value),
  );
  return withAccount(cfg, accountId, {
    enabled: true,
    dmPolicy: readAccount(cfg, accountId).dmPolicy,
    ...patch,
  });
}

/** What keeps the input from making an account that can dial. */
export function wrongInput(cfg: OpenClawConfig, accountId: string, input: Input): string | null {
  const before = readAccount(cfg, accountId);
  const serverUrl = input.serverUrl?.trim() || before.serverUrl;
  const botId = input.botId?.trim() || before.botId;
  if (!serverUrl) return "Nexus needs --server-url, e.g. ws://127.0.0.1:17392/bot-ws";
  if (!botId) return "Nexus needs --bot-id";
  return wrongUrl(serverUrl) ?? wrongBotId(botId) ?? null;
}

export const setupContract = defineChannelSetupContract({
  fields: SETUP_FIELDS,
  adapter: {
    resolveAccountId: ({ accountId }) => accountId?.trim().toLowerCase() || DEFAULT_ACCOUNT,
    validateInput: ({ cfg, accountId, input }) =>
      wrongInput(cfg as OpenClawConfig, accountId, input as Input),
    applyAccountConfig: ({ cfg, accountId, input }) =>
      applyInput(cfg as OpenClawConfig, accountId, input as Input),
  },
});

type Place = { readonly cfg: OpenClawConfig; readonly accountId: string };

/** The guided way: `openclaw channels add nexus`. */
export const setupWizard = {
  channel: CHANNEL,
  status: {
    configuredLabel: "configured",
    unconfiguredLabel: "needs an address and a bot id",
    resolveConfigured: ({ cfg, accountId }: { cfg: OpenClawConfig; accountId?: string }) =>
      readAccount(cfg, accountId).configured,
  },
  introNote: {
    title: "Nexus",
    lines: [
      "Nexus is the gateway between your people and this agent.",
      "You need its WebSocket address (ws://host:17392/bot-ws), an id for this bot, and the gateway's bot token.",
    ],
  },
  stepOrder: "text-first" as const,
  credentials: [
    {
      inputKey: "token",
      providerHint: "nexus",
      credentialLabel: "bot token",
      preferredEnvVar: "NEXUS_TOKEN",
      envPrompt: "NEXUS_TOKEN is set. Use it?",
      keepPrompt: "A token is configured. Keep it?",
      inputPrompt: "Bot token of the gateway",
      allowEnv: () => true,
      inspect: ({ cfg, accountId }: Place) => {
        const account = readAccount(cfg, accountId);
        return {
          accountConfigured: account.configured,
          hasConfiguredValue: account.tokenStatus !== "missing",
          resolvedValue: account.token,
        };
      },
      applySet: ({ cfg, accountId, value }: Place & { value: unknown }) =>
        withAccount(cfg, accountId, { token: value }),
    },
  ],
  textInputs: [
    {
      inputKey: "serverUrl",
      message: "WebSocket address of the gateway",
      placeholder: "ws://127.0.0.1:17392/bot-ws",
      required: true,
      currentValue: ({ cfg, accountId }: Place) =>
        readAccount(cfg, accountId).serverUrl || undefined,
      initialValue: ({ cfg, accountId }: Place) =>
        readAccount(cfg, accountId).serverUrl || "ws://127.0.0.1:17392/bot-ws",
      validate: ({ value }: { value: string }) => wrongUrl(value.trim()),
      applySet: ({ cfg, accountId, value }: Place & { value: string }) =>
        withAccount(cfg, accountId, { enabled: true, serverUrl: value.trim() }),
    },
    {
      inputKey: "botId",
      message: "Id of this bot on the gateway",
      placeholder: "my-bot",
      required: true,
      currentValue: ({ cfg, accountId }: Place) => readAccount(cfg, accountId).botId || undefined,
      validate: ({ value }: { value: string }) => wrongBotId(value.trim()),
      applySet: ({ cfg, accountId, value }: Place & { value: string }) =>
        withAccount(cfg, accountId, { botId: value.trim() }),
    },
    {
      inputKey: "botName",
      message: "Name that people see (empty: the id)",
      currentValue: ({ cfg, accountId }: Place) => nameOf(readAccount(cfg, accountId)),
      applySet: ({ cfg, accountId, value }: Place & { value: string }) =>
        withAccount(cfg, accountId, { botName: value.trim() || undefined }),
    },
  ],
  dmPolicy: {
    label: "Nexus",
    channel: CHANNEL,
    policyKey: `channels.${CHANNEL}.dmPolicy`,
    allowFromKey: `channels.${CHANNEL}.allowFrom`,
    getCurrent: (cfg: OpenClawConfig, accountId?: string): DmPolicy =>
      readAccount(cfg, accountId).dmPolicy,
    setPolicy: (cfg: OpenClawConfig, policy: string, accountId?: string) =>
      withAccount(cfg, accountId, {
        dmPolicy: policy === "open" || policy === "allowlist" ? policy : "pairing",
      }),
  },
  /** Several people behind one bot must not share a session: set while nobody chose otherwise. */
  finalize: ({ cfg, accountId }: Place) => {
    const kept = withAccount(cfg, accountId, { dmPolicy: readAccount(cfg, accountId).dmPolicy });
    if (kept.session?.dmScope !== undefined || !sharesMain(kept)) return { cfg: kept };
    return {
      cfg: {
        ...kept,
        session: { ...kept.session, dmScope: OWN_SCOPE as "per-account-channel-peer" },
      },
    };
  },
};

function nameOf(account: Account): string | undefined {
  return account.botName === account.botId ? undefined : account.botName;
}
