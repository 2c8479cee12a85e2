/** Cases for a bot at a version-1 gateway. */
import { expect, pause, preview } from "../case.ts";
import { beginAnswer, type BotCase, expectAnswer, words } from "./steps.ts";

export const VERSION_1: readonly BotCase[] = [
  {
    name: "version-1-gateway",
    why: "a gateway that does not say protocol understands version 1 only: texts, not lists",
    ...{ anchor: "version-1", level: "must", version: "both" },
    async run(stage) {
      const connection = await stage.connection({ version: 1 });
      const turn = stage.directives
        ? await connection.end(connection.ask("/conform words 5 5"))
        : await expectAnswer(connection);
      const odd = turn.replies.find(({ frame }) =>
        typeof (frame.content ?? "") !== "string" || frame.type !== "reply"
      );
      expect(!odd, `it sent ${preview(odd?.frame)}`);
      if (stage.directives) expect(turn.text === words(5), `the text was ${preview(turn.text)}`);
      const strange = connection.frames.find(({ frame }) =>
        !["register", "reply", "pong"].includes(frame?.type)
      );
      expect(!strange, `it sent a ${strange?.frame?.type} frame`);
    },
  },
  {
    name: "version-1-hides-thoughts",
    why: "version 1 would show reasoning and tool steps as the answer",
    ...{ anchor: "kinds", level: "must", version: 2, needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection({ version: 1 });
      const turn = await connection.end(connection.ask("/conform kinds"));
      const all = turn.replies.map(({ frame }) => frame.content ?? "").join("");
      expect(all === "kinds", `the text was ${preview(all)}`);
    },
  },
  {
    name: "version-1-drop",
    why:
      "a version-1 gateway has ended the turns of a socket that dropped: nothing about them over the next",
    ...{ anchor: "version-1", level: "must", version: "both", needs: ["directives"] },
    async run(stage) {
      const first = await stage.connection({ version: 1 });
      const turn = await beginAnswer(first, "/conform words 100 20", 2);
      await first.drop();
      const connection = await stage.connection({ version: 1, fresh: true });
      await pause(400);
      const late = connection.frames.filter(({ frame }) => frame?.replyTo === turn.id).length;
      expect(late === 0, `${late} frames came about it`);
    },
  },
];
