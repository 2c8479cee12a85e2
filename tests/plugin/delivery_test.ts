/**
 * The way out through OpenClaw's queue: what may be tried again, and what became of what was
 * interrupted.
 */
import assert from "node:assert/strict";
import { NotSent, type Push } from "../../src/bots/client.ts";
import type { AccountLink, AccountLinks } from "../../plugin/src/account_link.ts";
import { NotDelivered, sendMessage } from "../../plugin/src/outbound.ts";
import { OpenTurns } from "../../plugin/src/open_turns.ts";
import { withoutRepeats } from "../../plugin/src/presentation.ts";
import { AnswerStream } from "../../plugin/src/answer.ts";
import { reconcile } from "../../plugin/src/reconcile.ts";
import { account } from "./fake_host.ts";

const cfg = { channels: { nexus: { serverUrl: "ws://g/bot-ws", botId: "claw" } } };
const MINUTE = 60_000;

/** Lines with one line, whose gateway answers a push with what is given. */
function linesWith(receipt: (push: Push) => { success: boolean; error?: string } | Error) {
  const pushes: Push[] = [];
  const present = new OpenTurns();
  const bot = {
    state: { phase: "ready", gateway: { protocol: 2 } },
    push(push: Push) {
      pushes.push(push);
      const answer = receipt(push);
      return answer instanceof Error
        ? Promise.reject(answer)
        : Promise.resolve({ type: "pushed" as const, id: push.id!, ...answer });
    },
  };
  const line = { account: account(), bot, present, protocol: 2 } as unknown as AccountLink;
  return { lines: { get: () => line } as unknown as AccountLinks, pushes, present };
}

const nobodysLine = { get: () => undefined } as unknown as AccountLinks;

function unknown(more: object = {}) {
  return {
    cfg,
    queueId: "q-1",
    to: "user:bob",
    enqueuedAt: 0,
    payloads: [{ text: "good morning" }],
    ...more,
  };
}

Deno.test("what surely was not sent may be tried again, unless the gateway knows better", async () => {
  const outgoing = { accountId: "default", to: "user:bob", text: "hi" };
  const again = async (lines: AccountLinks, more: object = {}) => {
    const cause = await sendMessage(lines, { ...outgoing, ...more }).then(
      () => assert.fail("it was sent"),
      (thrown) => thrown,
    );
    return cause instanceof NotDelivered ? cause.again : "unknown";
  };
  assert.equal(await again(nobodysLine), true, "the account is not running yet");
  assert.equal(await again(linesWith(() => new NotSent("the gateway was not there")).lines), true);
  assert.equal(
    await again(linesWith(() => new Error("no receipt came within 30 s")).lines),
    "unknown",
  );
  assert.equal(
    await again(linesWith(() => ({ success: false, error: "limited: wait 3 s" })).lines),
    true,
  );
  assert.equal(
    await again(linesWith(() => ({ success: false, error: "not_found: nobody to tell" })).lines),
    false,
  );
  assert.equal(await again(linesWith(() => ({ success: true })).lines, { to: " " }), false);
  assert.equal(await again(linesWith(() => ({ success: true })).lines, { text: " " }), false);
});

Deno.test("an interrupted text is sent again under its id, and its receipt tells that it was sent", async () => {
  const { lines, pushes } = linesWith(() => ({ success: true }));
  const found = await reconcile(lines, unknown({ threadId: "c-1" }), () => MINUTE);
  assert.equal(found.status, "sent");
  assert.equal(found.status === "sent" && found.receipt.platformMessageIds[0], "q-1-0");
  assert.deepEqual(pushes, [{
    to: "conversation:c-1",
    content: "good morning",
    images: [],
    id: "q-1-0",
  }]);
});

Deno.test("an interrupted text is never told inside an open turn, where no id drops a repeat", async () => {
  const { lines, pushes, present } = linesWith(() => ({ success: true }));
  const written: string[] = [];
  const answer = new AnswerStream({
    write: (text) => written.push(text),
    reasoning() {},
    tool() {},
    image() {},
  });
  present.enter({ personId: "bob", conversationId: "c-1", answer, command: false });
  await reconcile(lines, unknown({ to: "conversation:c-1" }), () => MINUTE);
  assert.deepEqual([written, pushes.length], [[], 1]);
});

Deno.test("what has an image is left to the queue, which sends it again under its ids", async () => {
  const { lines, pushes } = linesWith(() => ({ success: true }));
  for (const payload of [{ text: "look", mediaUrl: "/a.png" }, { mediaUrls: ["/a.png"] }]) {
    assert.deepEqual(await reconcile(lines, unknown({ payloads: [payload] }), () => MINUTE), {
      status: "not_sent",
    });
  }
  assert.equal(pushes.length, 0);
});

Deno.test("while the line is down an interrupted message waits, and after ten minutes it is given up", async () => {
  const waiting = await reconcile(nobodysLine, unknown(), () => MINUTE);
  assert.equal(waiting.status === "unresolved" && waiting.retryable, true);
  const gone = await reconcile(
    linesWith(() => ({ success: false, error: "not_found" })).lines,
    unknown(),
    () => MINUTE,
  );
  assert.equal(gone.status === "unresolved" && gone.retryable, false);
  const { lines, pushes } = linesWith(() => ({ success: true }));
  const late = await reconcile(lines, unknown(), () => 10 * MINUTE);
  assert.equal(late.status === "unresolved" && late.retryable, false);
  assert.equal(pushes.length, 0, "the gateway has forgotten the id by then");
  const later = await reconcile(
    lines,
    unknown({ platformSendStartedAt: 9 * MINUTE }),
    () => 10 * MINUTE,
  );
  assert.equal(later.status, "sent", "what counts is when it was tried");
});

Deno.test("buttons that repeat the commands of a question for approval are left out, and no others", () => {
  const button = (approvalId: string) => ({
    label: "Allow Once",
    action: { type: "approval", approvalId },
  });
  const shown = { blocks: [{ type: "buttons", buttons: [button("a-1"), button("a-1")] }] };
  const payload = { text: "Reply with: /approve a-1 allow-once|deny" };
  assert.equal(withoutRepeats(payload, shown), payload);
  assert.equal(withoutRepeats({ text: "Reply with: /approve a-2 allow-once" }, shown), null);
  assert.equal(withoutRepeats(payload, { title: "Approval", ...shown }), null);
  assert.equal(withoutRepeats(payload, { blocks: [...shown.blocks, { type: "text" }] }), null);
  assert.equal(
    withoutRepeats(payload, {
      blocks: [{ type: "buttons", buttons: [{ action: { type: "url" } }] }],
    }),
    null,
  );
  assert.equal(withoutRepeats(payload, { blocks: [] }), null);
});
