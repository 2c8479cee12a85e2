/**
 * The figures about the cost of what comes from outside, in docs/security.md, are those of the
 * code.
 */
import assert from "node:assert/strict";
import { FRAME_BOUNDS } from "../../src/bots/server/settings.ts";
import { MAX_REDIRECTS } from "../../src/channels/http/image_fetch.ts";
import {
  CONCURRENT_LOADS,
  REQUEST_IMAGE_LIMITS,
  WAITING_LOADS,
} from "../../src/channels/http/image_loader.ts";
import { MAX_STOP_WORD_UNITS, MAX_STOP_WORDS } from "../../src/channels/openai/request.ts";
import { JSON_BOUNDS, MAX_DEPTH } from "../../src/core/json.ts";
import { DEFAULT_CAP } from "../../src/core/reply.ts";
import {
  MAX_BLOCKS,
  MAX_DEFINITIONS,
  MAX_TAGS,
  PARSE_WEIGHTS,
  PARSE_WINDOW,
} from "../../src/web/markdown/markdown_stream.ts";
import { MAX_CELLS, MAX_MARKS, MAX_NESTING } from "../../src/web/markdown/parser.ts";
import { MOST } from "../worst_table.ts";

const page = await Deno.readTextFile(new URL("../../docs/security.md", import.meta.url));

function row(begins: string, figure: string): void {
  const found = page.split("\n").find((line) => line.startsWith(`| ${begins}`));
  assert.ok(found?.includes(`| ${figure} `), `the row "${begins}" says ${figure}: ${found}`);
}

const count = (value: number) => value.toLocaleString("en");
const mib = (bytes: number) => `${bytes / (1 << 20)} MiB`;
const seconds = (time: number) => `${time / 1000} s`;

Deno.test("docs/security.md says of requests, frames and images what the code does", () => {
  const { bytes, together, time } = REQUEST_IMAGE_LIMITS;
  row(
    "images by address, of one request",
    `${mib(bytes)} each; ${mib(together)} and ${
      seconds(time)
    } together; ${MAX_REDIRECTS} redirects each`,
  );
  row(
    "requests that load such images at once",
    `${CONCURRENT_LOADS.ofOne} of one person, ${CONCURRENT_LOADS.ofAll} in all; ` +
      `${WAITING_LOADS.ofOne} and ${WAITING_LOADS.ofAll} wait for ${
        seconds(WAITING_LOADS.time)
      } at most`,
  );
  row(
    "values in the JSON of a request",
    `${count(JSON_BOUNDS.values)}, in each other ${MAX_DEPTH} deep`,
  );
  const { values, containers } = FRAME_BOUNDS;
  row(
    "values in a frame of a bot",
    `${count(values)}, of them lists and objects ${count(containers)}`,
  );
  row("stop words of a request", `${MAX_STOP_WORDS} of ${count(MAX_STOP_WORD_UNITS)} characters`);
  row("one reply", `${mib(DEFAULT_CAP.text)} of text, ${mib(DEFAULT_CAP.total)} with images`);
  const prose = page.replaceAll(/\s+/g, " ");
  assert.ok(prose.includes(`A megabyte of its worst holds the event loop for ${MOST} ms at most`));
});

Deno.test("docs/security.md says of answers on the page what the code does", () => {
  const [line, border] = ["\n", "|"].map((sign) => PARSE_WEIGHTS[sign.charCodeAt(0)]);
  row(
    "Markdown that is read at once",
    `${
      count(PARSE_WINDOW)
    } characters, of which line breaks count for ${line} and cell borders for ${border}`,
  );
  row("blocks of an answer", `${count(MAX_BLOCKS)}; in each ${count(MAX_TAGS)} tags`);
  row("lists and quotes in each other", `${MAX_NESTING} levels`);
  row("marks in one paragraph", count(MAX_MARKS));
  row("cells of one table", count(MAX_CELLS));
  row("link definitions of an answer", count(MAX_DEFINITIONS));
});
