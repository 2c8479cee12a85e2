import assert from "node:assert/strict";
import {
  type ChatQuestion,
  MAX_FILE_BYTES,
  MAX_IMAGES,
  MAX_QUOTE,
  readQuestion,
} from "../../../src/channels/im/question.ts";
import {
  type Content,
  type Incoming,
  type Platform,
  PlatformError,
} from "../../../src/channels/im/platform.ts";
import { wordsIn } from "../../../src/channels/im/words.ts";

const FILES: Record<string, Uint8Array> = {
  utf8: new TextEncoder().encode("你好"),
  // 你好 as editors on Chinese Windows write it.
  gbk: new Uint8Array([0xc4, 0xe3, 0xba, 0xc3]),
  utf16: new Uint8Array([0xff, 0xfe, 0x60, 0x4f, 0x7d, 0x59]),
  binary: new Uint8Array([1, 0, 2, 0, 0xff, 0xff, 0x80]),
};

const platform: Pick<Platform, "fetchImage" | "fetchFile" | "quoted"> = {
  fetchImage: (_incoming, ref) =>
    ref === "gone"
      ? Promise.reject(new PlatformError("refused", "404", "gone"))
      : Promise.resolve(`data:${ref}`),
  fetchFile: (_incoming, ref, max) => {
    if (ref === "gone") return Promise.reject(new PlatformError("refused", "404", "gone"));
    if (ref === "large") {
      return Promise.reject(new PlatformError("refused", "too_large", `more than ${max}`));
    }
    return Promise.resolve({
      bytes: FILES[String(ref)]!,
      name: ref === "utf8" ? "named.txt" : undefined,
    });
  },
  quoted: ({ address }) =>
    address?.lost
      ? Promise.reject(new PlatformError("gone", "230110", "deleted"))
      : Promise.resolve(address?.quote as Content | undefined),
};

async function reading(message: Partial<Incoming>) {
  const troubles: string[] = [];
  const incoming: Incoming = {
    id: "m",
    chat: { id: "c", type: "direct" },
    sender: { id: "s" },
    text: "",
    images: [],
    files: [],
    at: 0,
    address: {},
    ...message,
  };
  const words = wordsIn("zh");
  const found = await readQuestion(incoming, {
    platform,
    words,
    onError: ({ code }) => troubles.push(code),
  });
  const question = "refusal" in found ? undefined : found as ChatQuestion;
  return { refusal: "refusal" in found ? found.refusal : undefined, question, troubles };
}

const quote = (content: Partial<Content>): Content => ({
  text: "",
  images: [],
  files: [],
  ...content,
});

Deno.test("nothing but the mention is answered with what one can do", async () => {
  assert.equal((await reading({ text: " " })).refusal, wordsIn("zh").help);
});

Deno.test("each kind that no bot gets is named", async () => {
  const { kinds } = wordsIn("zh");
  for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
    const { refusal } = await reading({ unsupported: [kind] });
    assert.ok(refusal!.includes(kinds[kind]), kind);
  }
  const { question } = await reading({ text: "看", unsupported: ["video"] });
  assert.deepEqual([question!.text, question!.notes], ["看\n\n[视频]", [
    "⚠️ 消息中的视频没有交给机器人。",
  ]]);
});

Deno.test("a picture that cannot be fetched is said, and no bot is asked about what it does not see", async () => {
  const { refusal, troubles } = await reading({ text: "这是什么", images: ["a", "gone"] });
  assert.deepEqual([refusal, troubles], ["⚠️ 无法获取图片，请重新发送。", ["404"]]);
  const many = Array.from({ length: MAX_IMAGES + 5 }, (_, n) => `i${n}`);
  const { question } = await reading({ images: many });
  assert.equal(question!.images.length, MAX_IMAGES);
  assert.match(question!.notes[0]!, /前 10 张/);
});

Deno.test("text files are read by their content, whatever editor wrote them; others are said, with why", async () => {
  for (const ref of ["utf8", "gbk", "utf16"]) {
    const { question } = await reading({ files: [{ ref, name: "a.txt" }] });
    assert.match(question!.text, /^\[附件：a\.txt\]\n```\n你好\n```$/, ref);
  }
  // The name is in the download only.
  assert.match(
    (await reading({ files: [{ ref: "utf8" }] })).question!.text,
    /named\.txt\]\n```\n你好/,
  );
  const refusals: [ref: string, name: string, why: RegExp][] = [
    ["binary", "a.txt", /只读取 64 KB 以内的文本文件/],
    ["any", "报告.pdf", /“报告\.pdf”：目前只读取/],
    ["large", "a.txt", /超过 64 KB/],
    ["gone", "a.txt", /无法获取文件/],
  ];
  for (const [ref, name, why] of refusals) {
    assert.match((await reading({ files: [{ ref, name }] })).refusal!, why);
  }
  assert.equal(MAX_FILE_BYTES, 64 * 1024);
  // Beside words the bot gets the name, and the person reads that it is no more than that.
  const { question } = await reading({ text: "总结", files: [{ ref: "any", name: "报告.pdf" }] });
  assert.deepEqual([question!.text, question!.notes.length], ["总结\n\n[附件：报告.pdf]", 1]);
});

Deno.test("a quoted message comes in front, marked line by line and bounded, with its pictures and files", async () => {
  const { question } = await reading({
    text: "解释一下",
    images: ["own"],
    quote: quote({
      text: "第一行\n第二行",
      images: ["quoted"],
      files: [{ ref: "utf8", name: "q.txt" }],
    }),
  });
  assert.equal(
    question!.text,
    "> 第一行\n> 第二行\n> [1 张图片]\n\n解释一下\n\n[附件：q.txt]\n```\n你好\n```",
  );
  assert.deepEqual(question!.images, ["data:own", "data:quoted"]);
  const long =
    (await reading({ text: "?", quote: quote({ text: "字".repeat(100_000) }) })).question!.text;
  assert.ok(long.length < MAX_QUOTE + 20, String(long.length));
  // Where the platform has to be asked for it.
  assert.match(
    (await reading({ text: "?", address: { quote: quote({ text: "asked" }) } })).question!.text,
    /^> asked/,
  );
  // A mention alone, below a message: that one is the question.
  assert.equal((await reading({ quote: quote({ text: "多少钱" }) })).question!.text, "> 多少钱");
});

Deno.test("a quoted message that cannot be fetched is said, and the rest is asked", async () => {
  const { question, troubles } = await reading({ text: "解释", address: { lost: true } });
  assert.equal(question!.text, "解释");
  assert.match(question!.notes[0]!, /被引用的消息/);
  assert.deepEqual(troubles, ["230110"]);
});
