/**
 * This is the plugin's door: OpenClaw loads it when the channel is used.
 */
import { defineChannelPluginEntry } from "openclaw/plugin-sdk/channel-core";
import { CHANNEL } from "./account.ts";
import { createChannel } from "./channel.ts";

const { plugin, setRuntime } = createChannel();

const entry: object = defineChannelPluginEntry({
  id: CHANNEL,
  name: "Nexus",
  description: "Connects OpenClaw agents to a Nexus gateway",
  plugin,
  setRuntime,
});

export default entry;
