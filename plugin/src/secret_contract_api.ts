/**
 * This is where OpenClaw learns that `token` may be a secret reference. It finds the built file by
 * its name (`dist/secret-contract-api.js`); without it a reference would stay an object, and the
 * gateway would refuse the bot.
 */
import { createSimpleChannelSecretContract } from "openclaw/plugin-sdk/channel-secret-basic-runtime";
import { CHANNEL } from "./account.ts";

const contract = createSimpleChannelSecretContract({
  channelKey: CHANNEL,
  label: "Nexus",
  accountFields: ["token"],
  channelFields: ["token"],
  mode: "account-inheritance",
});

/** Where in the configuration the secret is. */
export const secretTargetRegistryEntries: readonly object[] = contract.secretTargetRegistryEntries;

/** Puts the resolved secret in its place. */
export const collectRuntimeConfigAssignments: (params: never) => void =
  contract.collectRuntimeConfigAssignments;
