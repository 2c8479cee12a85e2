/** A case for a gateway: a socket that never registers. Its time has passed when it comes last. */
import { shouldReconnect } from "../../bots/wire/frame.ts";
import { expect } from "../case.ts";
import type { GatewayCase } from "./steps.ts";

export const SILENCE: readonly GatewayCase[] = [
  {
    name: "never-registers",
    why: "a silent socket is closed after 10 s: otherwise strangers fill the memory",
    ...{ anchor: "registration", level: "must", version: "both" },
    async run(stage) {
      const { kitBot, since } = stage.silentBot();
      const code = await kitBot.closeCode(Math.max(0, since + 12_000 - performance.now()));
      expect(shouldReconnect(code), `the code was ${code}, which says: do not come back`);
      return `closed with ${code}`;
    },
  },
];
