/** Cases for a bot that is rejected for good: it stays away after each of them. */
import { CLOSE } from "../../bots/wire/frame.ts";
import { pause } from "../case.ts";
import { type BotCase, noDials, staysAway } from "./steps.ts";

export const REFUSAL: readonly BotCase[] = [
  {
    name: "refused-for-good",
    why: "a wrong token is not tried again: it helps nobody and looks like an attack",
    ...{ anchor: "refusal", level: "must", version: "both" },
    async run(stage) {
      await staysAway(stage, async (connection) => {
        connection.send({ type: "registered", success: false, error: "wrong token" });
        await connection.drop(CLOSE.badToken);
      });
    },
  },
  {
    name: "refused-by-version-1",
    why: "success: false without a close code is a refusal, too",
    ...{ anchor: "refusal", level: "must", version: "both", needs: ["start"] },
    async run(stage) {
      await stage.restart();
      await staysAway(stage, async (connection) => {
        connection.send({ type: "registered", success: false, error: "Invalid token" });
        await pause(1500);
        await connection.drop(1000);
      });
    },
  },
  {
    name: "closed-for-good",
    why: "after codes 4100 to 4199 a bot does not come back, not even in the middle of an answer",
    ...{ anchor: "close-codes", level: "must", version: 2, needs: ["start"] },
    async run(stage) {
      await stage.restart();
      const connection = await stage.connection();
      await connection.drop(CLOSE.badId);
      await noDials(stage);
    },
  },
];
