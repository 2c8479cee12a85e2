/** Cases for a bot: images, thoughts, tools and failures. */
import { expect, preview } from "../case.ts";
import { type BotCase, isObject, PIXEL } from "./steps.ts";

export const CONTENT: readonly BotCase[] = [
  {
    name: "image-alone",
    why: "a picture without a word is a question too",
    ...{ anchor: "images", level: "must", version: "both" },
    async run(stage) {
      const connection = await stage.connection();
      const image = `data:image/png;base64,${PIXEL}`;
      await connection.end(
        connection.ask("", { image, ...(connection.version === 2 ? { images: [image] } : {}) }),
      );
      await connection.roundTrip();
    },
  },
  {
    name: "image-in",
    why: "a data URL and bare base64 are both images",
    ...{ anchor: "images", level: "should", version: "both", needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      for (const image of [`data:image/png;base64,${PIXEL}`, PIXEL]) {
        const turn = await connection.end(connection.ask("/conform count-images", { image }));
        expect(turn.text.trim() === "1", `it counted ${preview(turn.text)} of 1`);
      }
    },
  },
  {
    name: "images-in",
    why: "all images of a question are there, the first one not twice",
    ...{ anchor: "images", level: "should", version: 2, needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      const image = `data:image/png;base64,${PIXEL}`;
      const turn = await connection.end(
        connection.ask("/conform count-images", { image, images: [image, image, image] }),
      );
      expect(turn.text.trim() === "3", `it counted ${preview(turn.text)} of 3`);
    },
  },
  {
    name: "image-out",
    why: "an image of the bot travels in image or images, as a data URL or base64",
    ...{ anchor: "images", level: "should", version: "both", needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      const turn = await connection.end(connection.ask("/conform image"));
      const images = turn.replies.flatMap(({ frame }) => [frame.image, ...(frame.images ?? [])])
        .filter(Boolean);
      expect(images.length === 1, `${images.length} images came`);
      expect(
        /^(data:image\/[a-z+.-]+;base64,)?[A-Za-z0-9+/]+=*$/.test(images[0]),
        `it was ${preview(images[0])}`,
      );
    },
  },
  {
    name: "kinds",
    why: "thoughts and tool steps are not part of the answer",
    ...{ anchor: "kinds", level: "should", version: 2, needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      const turn = await connection.end(connection.ask("/conform kinds"));
      const kinds = new Set(turn.replies.map(({ frame }) => frame.kind ?? "text"));
      expect(kinds.has("reasoning") && kinds.has("tool"), `it sent ${[...kinds].join(", ")}`);
      expect(turn.text === "kinds", `the text was ${preview(turn.text)}`);
      for (const { frame } of turn.replies.filter(({ frame }) => frame.kind === "tool")) {
        for (const step of [frame.content].flat()) {
          expect(isObject(step), `a tool step was ${preview(step)}`);
        }
      }
    },
  },
  {
    name: "fail",
    why: "a failure is reported as one: otherwise it looks like an answer",
    ...{ anchor: "failure", level: "should", version: 2, needs: ["directives"] },
    async run(stage) {
      const connection = await stage.connection();
      const turn = await connection.end(connection.ask("/conform fail"));
      expect(turn.ended === "fail", `the turn ended ${turn.ended} with ${preview(turn.text)}`);
    },
  },
];
