import assert from "node:assert/strict";
import { withoutMentions } from "../../../src/channels/im/mention_guard.ts";

/** As a person sees it: signs without width are not seen. */
const seen = (text: string) => text.replaceAll("\u200b", "");

Deno.test("every mark that a platform reads as a mention is broken, and the words look the same", () => {
  const cases: ["feishu" | "dingtalk" | "wecom", string, RegExp][] = [
    ["feishu", 'hi <at id=all></at> and <AT user_id="ou_1">Tom</AT>', /<\/?at/i],
    ["feishu", "<at\nid=all></at> <person id='ou_1'></person>", /<\/?(at|person)/i],
    ["feishu", "```\n<at id=all></at>\n```", /<\/?at/i],
    ["feishu", "cut here: <at", /<at/],
    ["wecom", "<@zhangsan> @all @所有人", /<@|@all|@所有人/],
    [
      "dingtalk",
      "@all @ALL @所有人 @13800000000 @+86-13800000000 @manager42",
      /@(all|所有人|\+?\d|\w)/i,
    ],
    ["dingtalk", "`code` and ` @manager42", /@\w/],
    ["dingtalk", "```py\n@all\n@13800000000\n```", /@(all|\d)/],
    ["dingtalk", '<a atId="manager42">x</a>', /<a at/],
  ];
  for (const [platform, text, mark] of cases) {
    const safe = withoutMentions(text, platform);
    assert.doesNotMatch(safe, mark, text);
    assert.equal(seen(safe), text);
  }
});

Deno.test("what mentions nobody stays as it is, so that code and addresses can be copied", () => {
  const same: ["feishu" | "dingtalk" | "wecom", string][] = [
    ["feishu", "#include <atomic>\n<atlas> a < at b"],
    ["wecom", "a@example.com <b> @allow"],
    ["dingtalk", "write to a.b@example.com @ noon"],
    ["dingtalk", "```java\n@Override\n```\nand `@app.route` too"],
  ];
  for (const [platform, text] of same) assert.equal(withoutMentions(text, platform), text);
});

Deno.test("a megabyte of marks is gone through once", () => {
  for (const part of ["@", "<at ", "`@a", "@a.", "<@", "@all"]) {
    const text = part.repeat(1_000_000 / part.length);
    for (const platform of ["feishu", "dingtalk", "wecom"] as const) {
      const began = performance.now();
      withoutMentions(text, platform);
      assert.ok(performance.now() - began < 3000, `${platform}: ${part}`);
    }
  }
});
