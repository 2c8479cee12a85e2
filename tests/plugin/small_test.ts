/** The small things: targets, sessions, images, steps, lanes. */
import assert from "node:assert/strict";
import { LANE_BOUND, Lanes } from "../../plugin/src/lanes.ts";
import { imageType, readImage, writeImage, writeMedia } from "../../plugin/src/media.ts";
import { mayApprove, owners } from "../../plugin/src/owner.ts";
import { peerKey, sessionKey, sharesMain, withOwnScope } from "../../plugin/src/session.ts";
import { toolStep } from "../../plugin/src/tool_step.ts";
import { normalizeTarget, readTarget } from "../../plugin/src/target.ts";

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

Deno.test("a target is a person or a conversation, however it is written", () => {
  assert.deepEqual(readTarget("user:bob"), { kind: "user", id: "bob" });
  assert.deepEqual(readTarget("nexus:user:bob"), { kind: "user", id: "bob" });
  assert.deepEqual(readTarget("bob"), { kind: "user", id: "bob" });
  assert.deepEqual(readTarget("conv:c-1"), { kind: "conversation", id: "c-1" });
  assert.equal(normalizeTarget("nexus:conversation:c-1"), "conversation:c-1");
  assert.equal(normalizeTarget("user: "), undefined);
  assert.equal(normalizeTarget("x".repeat(201)), undefined);
});

Deno.test("people whose ids differ in case or punctuation only have sessions of their own", () => {
  const ids = [
    "alice",
    "Alice",
    "ALICE",
    "lark:ou_1",
    "lark_ou_1",
    "lark/ou_1",
    "管理员",
    "a b",
    "a_b",
  ];
  const keys = ids.map(peerKey);
  assert.equal(new Set(keys).size, ids.length);
  assert.equal(peerKey("alice"), "alice");
  assert.equal(peerKey("管理员"), "管理员");
  for (const key of keys) {
    assert.equal(key, key.toLowerCase());
    assert.equal(/[:\s/]/.test(key), false, key);
  }
});

Deno.test("each further conversation is a session of its own", () => {
  assert.equal(
    sessionKey("agent:main:nexus:default:direct:alice", undefined),
    "agent:main:nexus:default:direct:alice",
  );
  assert.equal(sessionKey("base", "c-1"), "base:thread:c-1");
  assert.notEqual(sessionKey("base", "C-1"), sessionKey("base", "c-1"));
});

Deno.test("the default scope, which would put everyone into one session, is not used", () => {
  const scopes = [undefined, "main", "per-channel-peer", "per-account-channel-peer", "per-peer"];
  assert.deepEqual(
    scopes.map((dmScope) => withOwnScope({ session: { dmScope } }).session?.dmScope),
    [
      "per-account-channel-peer",
      "per-account-channel-peer",
      "per-account-channel-peer",
      "per-account-channel-peer",
      "per-peer",
    ],
  );
  assert.deepEqual(scopes.map((dmScope) => sharesMain({ session: { dmScope } })), [
    true,
    true,
    false,
    false,
    false,
  ]);
});

Deno.test("an image is read from a data URL and from bare base64, and its bytes say what it is", () => {
  const image = readImage(`data:image/jpeg;base64,${PNG}`, 1000);
  assert.equal(image?.type, "image/png");
  assert.deepEqual(readImage(PNG, 1000)?.bytes, image?.bytes);
  assert.equal(writeImage(image!.bytes, image!.type), `data:image/png;base64,${PNG}`);
});

Deno.test("what is no image, or too large, is refused before it is decoded", () => {
  for (
    const text of [
      "",
      "data:",
      "data:image/png,hello",
      "%%%",
      "aGVsbG8gd29ybGQ=",
      "data:text/html;base64,PGI+",
    ]
  ) {
    assert.equal(readImage(text, 1000), undefined, text);
  }
  assert.equal(readImage(PNG, 20), undefined);
  assert.equal(imageType(new Uint8Array([0x52, 0x49, 0x46, 0x46])), undefined);
});

Deno.test("a file is a data URL with its name; what it says it is counts only where it can be true", () => {
  const bytes = new TextEncoder().encode("hi");
  const url = (type?: string, fileName?: string) => writeMedia({ bytes, type, fileName }, 2).url;
  assert.equal(
    url("text/plain; charset=utf-8", "报告;1,.txt"),
    "data:text/plain;name=%E6%8A%A5%E5%91%8A%3B1%2C.txt;base64,aGk=",
  );
  assert.equal(url("image/png", "a.png"), "data:application/octet-stream;name=a.png;base64,aGk=");
  assert.equal(
    url("a/b,c", "..\\x/y/a.bin"),
    "data:application/octet-stream;name=a.bin;base64,aGk=",
  );
  assert.equal(url(), "data:application/octet-stream;base64,aGk=");
  assert.equal(url("a/b", `${"x".repeat(300)}\ud800.pdf`)!.length < 200, true);
  assert.equal(
    writeMedia({ bytes: readImage(PNG, 1000)!.bytes, type: "a/b" }, 1).url,
    `data:image/png;base64,${PNG}`,
  );
  assert.equal(writeMedia({ bytes }, 1).words, "(A file that cannot be shown here: unnamed)");
});

Deno.test("a tool's step is small, whatever the tool was given", () => {
  const step = toolStep({
    toolCallId: "1",
    name: "write",
    phase: "start",
    args: { content: "x".repeat(10_000) },
  });
  assert.equal(step.status, "start");
  assert.ok(JSON.stringify(step).length < 500);
  assert.equal(toolStep({ name: "exec", phase: "end", status: "failed" }).status, "error");
  assert.equal(toolStep({ name: "exec", phase: "end", status: "completed" }).status, "end");
});

Deno.test("where owners are named they alone approve, and owners of other channels are nobody here", () => {
  const commands = { ownerAllowFrom: ["nexus:alice", "telegram:bob", "nexus:user:lark:ou_1", 7] };
  assert.deepEqual(owners({ commands }), ["alice", "lark:ou_1", "7"]);
  const may = (id: string | undefined) => mayApprove({ commands }, "default", id).authorized;
  assert.deepEqual(["alice", "lark:ou_1", "7", "bob", "Alice", "", undefined].map(may), [
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
  assert.equal(
    mayApprove({ commands: { ownerAllowFrom: ["*"] } }, "default", "bob").authorized,
    true,
  );
});

Deno.test("where no owner is named, who was let in approves; where everyone is let in, nobody does", () => {
  const nexus = {
    serverUrl: "ws://g",
    botId: "b",
    accounts: { open: { botId: "o", dmPolicy: "open" } },
  };
  assert.equal(mayApprove({ channels: { nexus } }, "default", "bob").authorized, true);
  const refused = mayApprove({ channels: { nexus } }, "open", "bob");
  assert.equal(refused.authorized, false);
  assert.match(refused.reason ?? "", /ownerAllowFrom/);
});

Deno.test("a lane lets one through at a time, in the order they came", async () => {
  const lanes = new Lanes();
  const { signal } = new AbortController();
  const order: string[] = [];
  const first = await lanes.enter("a", signal);
  const second = lanes.enter("a", signal).then((leave) => (order.push("second"), leave));
  const third = lanes.enter("a", signal).then((leave) => (order.push("third"), leave));
  const other = await lanes.enter("b", signal);
  assert.equal(typeof other, "function", "another session does not wait");
  assert.deepEqual(order, []);
  for (
    const leave of [
      first,
      await (leaveNow(first), second),
      await (leaveNow(await second), third),
      other,
    ]
  ) {
    leaveNow(leave);
  }
  assert.deepEqual(order, ["second", "third"]);
  assert.equal(lanes.size, 0);
});

Deno.test("who gives up leaves the lane to the others", async () => {
  const lanes = new Lanes();
  const { signal } = new AbortController();
  const impatient = new AbortController();
  const first = await lanes.enter("a", signal);
  const second = lanes.enter("a", impatient.signal);
  const third = lanes.enter("a", signal);
  impatient.abort();
  assert.equal(await second, "gone");
  leaveNow(first);
  leaveNow(await third);
  assert.equal(lanes.size, 0);
});

Deno.test("a lane has a bound", async () => {
  const lanes = new Lanes();
  const { signal } = new AbortController();
  const first = await lanes.enter("a", signal);
  const waiting = Array.from({ length: LANE_BOUND }, () => lanes.enter("a", signal));
  assert.equal(await lanes.enter("a", signal), "full");
  leaveNow(first);
  for (const one of waiting) leaveNow(await one);
  assert.equal(lanes.size, 0);
});

function leaveNow(leave: (() => void) | "full" | "gone"): void {
  assert.equal(typeof leave, "function");
  (leave as () => void)();
}
