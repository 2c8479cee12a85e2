/**
 * These are the readers of text and bytes from outside, and for each the inputs that are worst for
 * it: a megabyte of what expressions, parsers and loops go over again and again.
 */
import { DatabaseSync } from "node:sqlite";
import { createParser } from "eventsource-parser";
import { parse } from "hono/utils/cookie";
import { languageOf as languageOfHeader } from "../src/channels/http/error_texts.ts";
import { INDEX_BATCH as INDEX_STEP } from "../src/backends/sqlite_index_scheduler.ts";
import { matchExpression, SCHEMA, SearchIndex } from "../src/backends/sqlite_search_index.ts";
import { readBotFrame } from "../src/bots/wire/read_bot_frame.ts";
import { FRAME_BOUNDS } from "../src/bots/server/settings.ts";
import { splitDataUrl } from "../src/bots/upstream/dialect.ts";
import { apiErrorOf, apiErrorOfEvent, redacted } from "../src/bots/upstream/api_error.ts";
import { anthropic } from "../src/bots/upstream/anthropic.ts";
import { openai } from "../src/bots/upstream/openai.ts";
import { historyWithin } from "../src/bots/upstream/prompt.ts";
import { attachmentOf } from "../src/channels/im/attachment.ts";
import { split } from "../src/channels/im/cut.ts";
import { fileNameOf } from "../src/channels/im/file_name.ts";
import { downgrade } from "../src/channels/im/markdown.ts";
import { withoutMentions } from "../src/channels/im/mention_guard.ts";
import { tableAfter } from "../src/channels/im/table.ts";
import { commandOf, languageOf } from "../src/channels/im/words.ts";
import { readMessage } from "../src/channels/dingtalk/event.ts";
import { readEvent } from "../src/channels/lark/event.ts";
import { OutputLimit } from "../src/channels/openai/output_limit.ts";
import { withoutInlineFiles } from "../src/channels/openai/inline_images.ts";
import { chatRequest, responsesRequest, uiRequest } from "../src/channels/openai/request.ts";
import { readAppMessage } from "../src/channels/wecom/app_event.ts";
import { readBotMessage } from "../src/channels/wecom/event.ts";
import { readXml } from "../src/channels/wecom/xml.ts";
import { transcriptOf } from "../src/core/transcript.ts";
import { excessOf, JSON_BOUNDS, parseJson } from "../src/core/json.ts";
import { mentioned } from "../src/core/mention.ts";
import { splitMention } from "../src/core/message.ts";
import { isImageData, knownTags, safeLink } from "../src/web/markdown/known_html.ts";
import { MarkdownStream } from "../src/web/markdown/markdown_stream.ts";
import type { TurnRecord } from "../src/core/turn_record.ts";

/** UTF-16 units of an input. */
export const SIZE = 1 << 20;

export interface Reader {
  readonly name: string;
  /** What it is given instead of the bare text; made before the time counts. */
  // deno-lint-ignore no-explicit-any -- each reader has an input of its own kind
  readonly make?: (text: string) => any;
  /** What it does with that; a `SyntaxError` is an answer like others. */
  // deno-lint-ignore no-explicit-any -- see above
  readonly read: (input: any) => unknown;
  /** Inputs of its own, beside {@linkcode COMMON}, each `SIZE` long or so. */
  readonly inputs?: Readonly<Record<string, string>>;
  /** Units that it is given at most; default `SIZE`. */
  readonly most?: number;
}

/** A unit, again and again. */
export function fill(unit: string, size = SIZE): string {
  return unit.repeat(Math.ceil(size / unit.length)).slice(0, size);
}

function indexed(text: string): number {
  using db = new DatabaseSync(":memory:");
  db.exec(
    `CREATE TABLE entries (id INTEGER PRIMARY KEY, key TEXT, value TEXT, expires INTEGER); ${SCHEMA}`,
  );
  const index = new SearchIndex(db);
  index.put(1, "alice", text);
  return index.work(INDEX_STEP);
}

/** What is bad for many readers. */
export const COMMON: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      " ",
      "\n",
      "a",
      "a ",
      "汉",
      "😀",
      "\ud83d",
      "[",
      "]",
      "](",
      "![",
      "<",
      "<a",
      "*",
      "**a ",
      "_",
      "`",
      "|",
      "|-|\n",
    ]
      .concat([
        "#",
        "> ",
        "- ",
        '"',
        "\\",
        "&",
        "=",
        "-",
        ".",
        "/",
        ";",
        ",",
        ":",
        "@",
        "(",
        ")",
        "{",
        "}",
        "$",
      ])
      .map((unit) => [`${JSON.stringify(unit)} again and again`, fill(unit)]),
  ),
  "an opening that never closes": `[${fill("a ")}`,
  "half spaces, half letters": fill(" ", SIZE / 2) + fill("a", SIZE / 2),
  "half openings, half closings": fill("[", SIZE / 2) + fill("]", SIZE / 2),
  "many short lines": fill("a b\n"),
};

const json = (value: unknown) => JSON.stringify(value) as string;
const inBody = (schema: { safeParse: (value: unknown) => unknown }) => (text: string) =>
  schema.safeParse(parseJson(text));
/** As many items as a body may hold, and far more. */
const bodies = (head: string, tail: string) =>
  Object.fromEntries(
    ["{}", "[]", "1", '""', '{"type":"text","text":"a"}', '{"role":"user","content":"a"}']
      .flatMap((item) => {
        const values = 1 + item.split(/[,[{]/).length - 1;
        const most = Array(Math.floor(JSON_BOUNDS.values / values) - 10).fill(item).join(",");
        return [
          [`a list of ${item}, as long as may be`, head + most + tail],
          [`a list of ${item}, longer`, `${head}${fill(`${item},`)}${item}${tail}`],
        ];
      }),
  );

/** The apps that read messages. */
const CORP = { corpId: "ww01", name: "main" };
const LARK = { appId: "cli_1", name: "main", ownId: undefined };
const hearing = { say() {}, count() {}, finish() {}, end() {}, error() {} };
const chunks = [{ at: 0, kind: "text" as const, content: "b" }];
const turn = (at: number): TurnRecord => ({
  id: `t${at}`,
  conversationId: "c",
  personId: "p",
  parentTurnId: at === 0 ? undefined : `t${at - 1}`,
  channel: "web",
  at,
  order: String(at),
  text: "a",
  images: [],
  status: "done",
  chunks,
});

/** An event that brings a text in which 5,000 people may be mentioned. */
function larkMessage(text: string): unknown {
  const mentions = Array.from({ length: 5000 }, (_, n) => ({
    key: `@_user_${n}`,
    id: { open_id: `ou_${n}` },
    name: "somebody",
  }));
  const message = {
    message_id: "1",
    create_time: "1",
    chat_id: "c",
    chat_type: "p2p",
    message_type: "text",
    content: json({ text }),
    mentions,
  };
  const event = { sender: { sender_id: {}, sender_type: "user" }, message };
  return { schema: "2.0", header: { event_id: "1", event_type: "im.message.receive_v1" }, event };
}

/** Every reader of the gateway that is given text from outside in one piece. */
export const READERS: readonly Reader[] = [
  { name: "JSON of requests, callbacks and answers", read: parseJson },
  {
    name: "a chat request of OpenAI's shape",
    read: inBody(chatRequest),
    inputs: {
      ...bodies(`{"model":"a","messages":[`, "]}"),
      ...bodies(`{"model":"a","messages":[{"role":"user","content":[`, "]}]}"),
      ...bodies(`{"model":"a","messages":[],"stop":[`, "]}"),
    },
  },
  {
    name: "a response request of OpenAI's shape",
    read: inBody(responsesRequest),
    inputs: {
      ...bodies(`{"model":"a","input":[`, "]}"),
      ...bodies(`{"model":"a","input":[{"role":"user","content":[`, "]}]}"),
    },
  },
  {
    name: "a request of a useChat page",
    read: inBody(uiRequest),
    inputs: {
      ...bodies(`{"id":"a","messages":[`, "]}"),
      ...bodies(`{"id":"a","messages":[{"role":"user","parts":[`, "]}]}"),
    },
  },
  {
    name: "pictures in the words of a talk",
    read: withoutInlineFiles,
    inputs: Object.fromEntries(
      [
        "](data:",
        "![](data:image/",
        "\\](data:",
        "[](data:",
        "![a](data:image/png;base64,AAAA)",
        "[\\]",
      ]
        .flatMap((
          unit,
        ) => [[`${json(unit)} again and again`, fill(unit)], [
          `${json(unit)}, then )`,
          `${fill(unit)})`,
        ]]),
    ),
  },
  {
    name: "stop words and lengths of an answer",
    // No more of an answer is read in one go.
    most: 256 << 10,
    read(text) {
      const stop = Array.from({ length: 16 }, (_, n) => `${fill("a", 900 + n)}b`);
      const cut = new OutputLimit({ stop, maxTokens: 1e9 });
      for (let at = 0; at < text.length; at += 1000) cut.take(text.slice(at, at + 1000));
    },
  },
  {
    name: "how much of a talk fits a model",
    read: (text) =>
      historyWithin(
        1e9,
        Array.from({ length: 20 }, () => ({ role: "user" as const, text, images: [] })),
      ),
    inputs: {
      "punctuation and letters": fill("!a"),
      "words of all lengths": fill("a bb ccc dddd eeeee. "),
    },
  },
  {
    name: "the way back through a conversation's turns",
    read: () =>
      transcriptOf(TURNS, "", {
        person: { id: "p", name: "p", role: "member" },
        text: "",
        images: [],
        channel: "web",
      }),
    inputs: {},
    most: 0,
  },
  {
    name: "a data URL's head",
    read: (text) => [splitDataUrl(`data:${text}`), attachmentOf(`data:${text}`)],
  },
  {
    name: "a text for the search index: where it is stored, and a step of what goes into the index",
    read: indexed,
    inputs: {
      "all of Chinese": Array.from(
        { length: SIZE },
        (_, at) => String.fromCharCode(0x4e00 + at * 7919 % 20_000),
      ).join(
        "",
      ),
    },
  },
  {
    name: "a header's cookies and languages",
    most: 64 << 10,
    read: (text) => [
      parse(text, "nexus_session"),
      parse(`nexus_session=${text}`, "nexus_session"),
      parse(fill(`nexus_session=${text.slice(0, 20)};`, text.length), "nexus_session"),
      languageOfHeader(text),
      languageOfHeader(fill("zh;q=0.1,", text.length)),
    ],
  },
  {
    name: "what is looked for",
    most: 500,
    read: (text) => [matchExpression("alice", text), matchExpression("alice", text, true)],
  },
  {
    name: "a piece of a model API's stream of events",
    read: (text) => {
      const parser = createParser({ onEvent() {} });
      for (
        const piece of [`data:${text.slice(0, 64 << 10)}`, fill(text.slice(0, 3), 64 << 10), "\n\n"]
      ) {
        parser.feed(piece);
      }
    },
    inputs: { "empty data": fill("data:\n"), "fields": fill("a:b\n"), "ends of lines": fill("\r") },
  },
  {
    name: "an attachment's name",
    read: (
      text,
    ) => [
      attachmentOf(`data:a/b;name=${text};base64,AAAA`),
      attachmentOf(`data:a/b;name=${text.slice(0, 1900)};base64,${text}`),
    ],
    inputs: { "percent signs": fill("%41"), "half percent signs": fill("%") },
  },
  {
    name: "an event of an OpenAI-like API",
    read: (text) => openai.event(undefined, text, hearing),
    inputs: {
      "a list of lists": fill("["),
      "many choices": `{"choices":[${fill("{},")}{}]}`,
      "many images": json({
        choices: [{
          delta: {
            images: Array(10_000).fill({
              image_url: { url: "data:image/png;base64," + fill("A", 60) },
            }),
          },
        }],
      }),
    },
  },
  {
    name: "an event of Anthropic's API",
    read: (text) => anthropic.event(undefined, text, hearing),
    inputs: { "a list of lists": fill("[") },
  },
  {
    name: "an error of a model API",
    // No more of it is read.
    most: 64 << 10,
    make: (text) => [text, json({ error: { message: text } })],
    read: (bodies: string[]) =>
      bodies.map((body) => [apiErrorOf(400, body), apiErrorOfEvent(body), redacted(body)]),
    inputs: { "half a key": fill("key-"), "a key a word": fill("sk-a ") },
  },
  {
    name: "the XML of a WeCom app, bare",
    read: readXml,
    inputs: { "a prolog without end": `<?xml ${fill("?")}` },
  },
  {
    name: "the XML of a WeCom app, inside",
    read: (text) => readXml(`<xml>${text}</xml>`),
    inputs: Object.fromEntries(
      [
        "<a>",
        "<a><![CDATA[",
        "<a></a>",
        "<a><![CDATA[]]>",
        "]]>",
        "<a>b</c>",
        "&lt;",
        "<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa>",
      ]
        .map((unit) => [`${unit} again and again`, fill(unit)]),
    ),
  },
  {
    name: "a WeCom message",
    read: (text) => [
      readAppMessage({
        FromUserName: "a",
        MsgType: "text",
        MsgId: "1",
        CreateTime: "1",
        Content: text,
      }, CORP),
      readBotMessage(
        {
          msgid: "1",
          chattype: "group",
          from: { userid: "a" },
          msgtype: "text",
          text: { content: text },
          quote: { msgtype: "text", text: { content: text } },
        },
        { request: undefined, name: undefined, now: 0, corp: CORP },
      ),
    ],
  },
  {
    name: "a DingTalk message",
    read: (text) =>
      readMessage({
        msgId: "1",
        msgtype: "text",
        conversationId: "c",
        conversationType: "2",
        senderId: "s",
        text: {
          content: text,
          repliedMsg: { msgType: "richText", content: { richText: [{ text }] } },
        },
      }, { app: { clientId: "k", name: "main" }, now: 0, webhook: (address) => address }),
  },
  {
    name: "a name that a text begins with",
    read: (text) =>
      mentioned(`@${text}`, [{ id: "a", name: "a b" }, { id: text.slice(0, 200), name: text }]),
  },
  {
    name: "mentions in an answer for a chat platform",
    read: (text) =>
      (["feishu", "dingtalk", "wecom"] as const).map((platform) => withoutMentions(text, platform)),
    // No more is rendered at once.
    most: 80_000,
    inputs: Object.fromEntries(
      ["@a", "`@a", "@a.", "<at ", "<@", "@all", "@1", "a@b"].map((
        unit,
      ) => [json(unit), fill(unit)]),
    ),
  },
  {
    name: "tables in an answer for a chat platform",
    read: (text) => tableAfter(text, 5),
    most: 80_000,
    inputs: Object.fromEntries(
      ["|a|b|\n|-|-|\n", "|\n", "|-|-|\n", "```\n|"].map((unit) => [json(unit), fill(unit)]),
    ),
  },
  {
    name: "the name of a download",
    read: (text) =>
      fileNameOf(
        new Headers({ "content-disposition": `a; filename="${text.replace(/[^ -~]/g, "")}"` }),
      ),
    inputs: Object.fromEntries(
      ["%", ";", "; filename=", "'", "%e4"].map((unit) => [json(unit), fill(unit)]),
    ),
  },
  {
    name: "a Feishu message with mentions",
    make: (text) => larkMessage(text),
    read: (event) => readEvent(event, LARK),
    inputs: { "mentions": fill("@_user_10 ") },
  },
  {
    name: "a command in a chat",
    read: (
      text,
    ) => [
      commandOf(text),
      commandOf(`/use ${text}`),
      languageOf(text, "zh"),
      splitMention(`@${text}`),
    ],
  },
  {
    name: "Markdown for a simple chat platform",
    read: (text) => downgrade(text, { plain: true }),
    // No more is rendered at once: four times what a message of 20,000 bytes can show.
    most: 80_000,
    inputs: Object.fromEntries(
      [
        "[a](b)",
        "![a](b) ",
        "[a](",
        "[](",
        "**a** ",
        "a** **",
        "`a",
        "# a\n",
        "## #\n",
        "|a|b|\n|-|-|\n",
        "|h|h|\n|-|-|\n|c\n",
        "```\n",
        "~~~~",
      ].map((unit) => [json(unit), fill(unit)]),
    ),
  },
  {
    name: "an answer cut into messages",
    read: (text) => split(text, 2000),
    inputs: {
      "fences": fill("```\na\n"),
      "long fences": fill(`${fill("`", 100)}\n`),
      sentences: fill("汉。"),
    },
  },
  {
    name: "an answer on the page, which reads it step by step",
    read(text) {
      const stream = new MarkdownStream();
      stream.push(text);
      stream.blocks();
    },
    inputs: {
      "lists in lists": Array.from({ length: 1_400 }, (_, n) => `${" ".repeat(n)}- a\n`).join(""),
      "a table of many columns": `|${fill("a|", 1_800)}\n|${fill("-|", 1_800)}\n${fill("a\n")}`,
      "many definitions": Array.from({ length: 30_000 }, (_, n) => `[a${n}]: http://b/${n}\n`).join(
        "",
      ),
      ...Object.fromEntries(
        [
          "> > ",
          ">\n",
          "- a\n",
          "* a\n  * b\n",
          "- [ ] a\n",
          "|a\n",
          "|a|b|\n|-|-|\n",
          "a|b\n-|-\n",
          "[a](b)",
          "![a](b) ",
          "[a]: b\n\n[a]\n\n",
          "[a\n",
          "*a_ ",
          "~~a",
          "``a`",
          "```\n",
          "$a",
          "$$\na\n",
          "\\(",
          "<b>\n",
          '<a b="',
          "<!--",
          "<?",
          "http://a ",
          "&amp;",
          "a\n=\n",
          "a\n\n",
        ].map((unit) => [`${json(unit)} again and again`, fill(unit)]),
      ),
    },
  },
  {
    name: "HTML in an answer on the page",
    read: (
      text,
    ) => [
      knownTags(text),
      knownTags(`<a ${text}>`),
      safeLink(text),
      isImageData(`data:image/png;base64,${text}`),
    ],
    // No more is read at once.
    most: 64_000,
    inputs: {
      "attributes": fill('a="b" '),
      "quotes": fill(`"'`),
      "comments": fill("<!-- "),
      "tags": fill("<b>"),
    },
  },
  {
    name: "a frame of a bot",
    read: (text) => excessOf(text, FRAME_BOUNDS) ?? readBotFrame(text),
    inputs: {
      "a batch of letters": `{"type":"reply","replyTo":"a","content":[${
        fill('"a",')
      }"a"],"done":false}`,
      "many images": `{"type":"reply","replyTo":"a","images":[${fill('"a",')}"a"],"done":false}`,
    },
  },
];

const TURNS = Array.from({ length: 20_000 }, (_, at) => turn(at));
