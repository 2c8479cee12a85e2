/**
 * This is the door for setting up: OpenClaw loads it where nothing is run.
 */
import { defineSetupPluginEntry } from "openclaw/plugin-sdk/channel-core";
import { createChannel } from "./channel.ts";

const entry: object = defineSetupPluginEntry(createChannel().plugin);

export default entry;
