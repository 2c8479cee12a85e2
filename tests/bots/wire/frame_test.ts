import assert from "node:assert/strict";
import fc from "fast-check";
import { InvalidFrame } from "../../../src/bots/wire/fields.ts";
import { CLOSE, shouldReconnect } from "../../../src/bots/wire/frame.ts";
import { readBotFrame } from "../../../src/bots/wire/read_bot_frame.ts";
import { readGatewayFrame } from "../../../src/bots/wire/read_gateway_frame.ts";

const readBot = (value: unknown) => readBotFrame(JSON.stringify(value));
const readGateway = (value: unknown) => readGatewayFrame(JSON.stringify(value));
/** What JSON keeps of a frame: fields that are `undefined` are not on the wire. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

Deno.test("a version-1 bot's frames are read as Nexus 1.x wrote them", () => {
  assert.deepEqual(plain(readBot({ type: "register", botId: "b", botName: "B", token: "t" })), {
    ...{ type: "register", botId: "b", botName: "B", token: "t" },
  });
  assert.deepEqual(
    plain(
      readBot({ type: "reply", id: "r1", replyTo: "t1", content: "hi", done: false, timestamp: 5 }),
    ),
    { type: "reply", replyTo: "t1", content: "hi", done: false },
  );
  assert.deepEqual(readBot({ type: "pong" }), { type: "pong" });
});

Deno.test("a reply may lack its content, and a missing done is not done", () => {
  assert.deepEqual(plain(readBot({ type: "reply", replyTo: "t", image: "AAAA" })), {
    ...{ type: "reply", replyTo: "t", content: "", done: false, image: "AAAA" },
  });
  assert.equal(
    plain(readBot({ type: "reply", replyTo: "t", content: null, done: "yes" })).done,
    false,
  );
});

Deno.test("what a bot sends wrongly is named with what would be right and what came", () => {
  const cases: [value: unknown, reason: RegExp][] = [
    [[], /not a JSON object/],
    [null, /not a JSON object/],
    ["reply", /not a JSON object/],
    [{}, /unknown frame type nothing/],
    [{ type: "dance" }, /unknown frame type "dance"/],
    [{ type: "toString" }, /unknown frame type/],
    [{ type: ["reply"] }, /unknown frame type a list/],
    [{ type: "reply", content: "x" }, /replyTo must be a string, got nothing/],
    [{ type: "reply", replyTo: "", content: "x" }, /replyTo/],
    [{ type: "reply", replyTo: "x".repeat(201) }, /replyTo/],
    [
      { type: "reply", replyTo: "t", content: 5 },
      /content must be a string or a list of strings, got 5/,
    ],
    [{ type: "reply", replyTo: "t", content: ["a", 5] }, /content .* got a list/],
    [
      { type: "reply", replyTo: "t", content: "a", seq: 0 },
      /seq must be a whole number from 1, got 0/,
    ],
    [{ type: "reply", replyTo: "t", content: "a", seq: 1.5 }, /seq/],
    [{ type: "reply", replyTo: "t", content: "a", seq: "1" }, /seq/],
    [{ type: "reply", replyTo: "t", content: "a", kind: "song" }, /kind must be/],
    [{ type: "reply", replyTo: "t", content: "a", image: 5 }, /image must be a string/],
    [{ type: "reply", replyTo: "t", content: "a", images: "x" }, /images must be a list/],
    [{ type: "register" }, /botId must be/],
    [{ type: "register", botId: "two words" }, /botId/],
    [{ type: "register", botId: "@bot" }, /botId/],
    [{ type: "register", botId: "a\u202eb" }, /botId/],
    [{ type: "register", botId: "x".repeat(129) }, /botId/],
    [{ type: "register", botId: "b", token: 5 }, /token must be a string/],
    [{ type: "register", botId: "b", protocol: 0 }, /protocol/],
    [{ type: "register", botId: "b", weight: 0 }, /weight/],
    [{ type: "register", botId: "b", weight: 1001 }, /weight/],
    [{ type: "register", botId: "b", maxConcurrent: 0 }, /maxConcurrent/],
    [{ type: "register", botId: "b", pool: "a b" }, /pool/],
    [{ type: "register", botId: "b", restart: "always" }, /restart/],
    [{ type: "fail" }, /fail: replyTo/],
    [{ type: "push", to: "ann", content: "x" }, /push: to must be/],
    [{ type: "push", to: "user:", content: "x" }, /push: to must be/],
    [{ type: "push", to: "user:ann" }, /must say something/],
    [{ type: "push", to: "user:ann", content: 5 }, /push: content/],
    [{ type: "push", to: "user:ann", images: [5] }, /push: images/],
    [{ type: "push", to: "user:ann", content: "x", id: 5 }, /push: id/],
    [{ type: "status", busy: -1 }, /busy must be a number ≥ 0, got -1/],
    [{ type: "cancelled" }, /cancelled: id/],
  ];
  for (const [value, reason] of cases) {
    const frame = readBot(value);
    assert.ok(frame instanceof InvalidFrame, `${JSON.stringify(value)} was read`);
    assert.match(frame.reason, reason);
  }
  assert.equal((readBotFrame("{") as InvalidFrame).reason, "not JSON");
});

Deno.test("a reason for a stranger's frame never repeats a long text, nor the token", () => {
  const frame = readBot({ type: "reply", replyTo: "t", kind: "x".repeat(10_000) });
  assert.ok(frame instanceof InvalidFrame && frame.reason.length < 200);
  const token = readBot({ type: "register", botId: "b", token: { secret: "hunter2" } });
  assert.ok(token instanceof InvalidFrame && !token.reason.includes("hunter2"));
});

Deno.test("long words of a registration are cut to what a page can show", () => {
  const frame = plain(readBot({
    ...{
      type: "register",
      botId: "b",
      botName: ` ${"n".repeat(500)} `,
      description: "d".repeat(5000),
    },
    capabilities: [...Array(80).keys()].map(() => "c".repeat(200)),
  }));
  assert.equal(frame.botName.length, 199);
  assert.equal(frame.description.length, 500);
  assert.equal(frame.capabilities.length, 50);
  assert.equal(frame.capabilities[0].length, 100);
});

Deno.test("entries of a resume that make no sense are left out", () => {
  const resume = [{ replyTo: "a", seq: 3, more: 1 }, { replyTo: "b" }, null, 5, {
    replyTo: "",
    seq: 1,
  }, {
    replyTo: "c",
    seq: -1,
  }];
  assert.deepEqual(plain(readBot({ type: "register", botId: "b", resume })).resume, [{
    replyTo: "a",
    seq: 3,
  }]);
  assert.deepEqual(plain(readGateway({ type: "registered", success: true, resume })).resume, [{
    replyTo: "a",
    seq: 3,
  }]);
  assert.equal(plain(readBot({ type: "register", botId: "b", resume: "all" })).resume, undefined);
});

Deno.test("what a gateway sends wrongly is not a frame", () => {
  for (
    const value of [
      [],
      {},
      { type: "dance" },
      { type: "chat", content: "x" },
      { type: "ack", replyTo: "t" },
      { type: "ack", seq: 1 },
      { type: "cancel" },
      { type: "pushed" },
    ]
  ) {
    assert.ok(readGateway(value) instanceof InvalidFrame, `${JSON.stringify(value)} was read`);
  }
});

Deno.test("success is only what says so", () => {
  for (const success of ["true", 1, {}, undefined]) {
    assert.equal(plain(readGateway({ type: "registered", success })).success, false);
  }
});

Deno.test("close codes tell whether to come back", () => {
  assert.deepEqual(
    [1000, 1001, 1006, CLOSE.restart, CLOSE.replaced, CLOSE.silent, CLOSE.stuck, 4099].map(
      shouldReconnect,
    ),
    Array(8).fill(true),
  );
  assert.deepEqual(
    [CLOSE.badToken, CLOSE.badFrame, CLOSE.tooLarge, CLOSE.badId, 4199].map(shouldReconnect),
    Array(5).fill(false),
  );
  assert.equal(shouldReconnect(4200), true);
});

Deno.test("the parser never throws, whatever text comes", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
    readBotFrame(text);
    readGatewayFrame(text);
  }));
});

const TYPES = [
  ..."register reply fail push status cancelled pong ping chat registered ack cancel pushed error"
    .split(" "),
  ...["__proto__", "constructor", ""],
];
const FIELDS = [
  ..."botId botName token protocol capabilities description maxConcurrent weight pool restart resume replyTo"
    .split(
      " ",
    ),
  ..."content done image images seq kind id code message retryable to busy draining success error expected"
    .split(" "),
  "__proto__",
];

Deno.test("the parser never throws, whatever JSON comes, and what it takes it takes again unchanged", () => {
  const frame = fc.tuple(
    fc.constantFrom(...TYPES),
    fc.dictionary(fc.constantFrom(...FIELDS), fc.jsonValue()),
  )
    .map(([type, fields]) => ({ ...fields, type }));
  fc.assert(
    fc.property(fc.oneof(frame, fc.jsonValue()), (value) => {
      for (const read of [readBotFrame, readGatewayFrame]) {
        const once = read(JSON.stringify(value));
        if (once instanceof InvalidFrame) {
          assert.ok(once.reason.length < 300);
          continue;
        }
        assert.equal(Object.getPrototypeOf(once), Object.prototype);
        assert.deepEqual(plain(read(JSON.stringify(once))), plain(once));
      }
    }),
    { numRuns: 1000 },
  );
});

const id = fc.string({ minLength: 1, maxLength: 50 });
const seq = fc.integer({ min: 1, max: 1e9 });
const texts = fc.array(fc.string(), { maxLength: 4 });
const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const progress = fc.array(fc.record({ replyTo: id, seq }), { maxLength: 3 });
const botId = fc.stringMatching(/^[a-z0-9._-]{1,128}$/);

Deno.test("what is read of a bot's frame equals what was written", () => {
  const written = fc.oneof(
    fc.record({
      ...{
        type: fc.constant("reply"),
        replyTo: id,
        content: fc.oneof(fc.string(), texts),
        done: fc.boolean(),
      },
      ...{
        seq: some(seq),
        kind: some(fc.constantFrom("text", "reasoning", "tool")),
        images: some(texts),
      },
    }),
    fc.record({
      ...{
        type: fc.constant("register"),
        botId,
        botName: botId,
        token: some(fc.string()),
        protocol: some(fc.constantFrom(1, 2)),
      },
      ...{
        weight: some(fc.integer({ min: 1, max: 1000 })),
        maxConcurrent: some(fc.integer({ min: 1 })),
        pool: some(botId),
      },
      ...{
        restart: some(fc.constantFrom("never", "safe")),
        resume: some(progress),
        capabilities: some(texts),
      },
    }),
    fc.record({
      ...{
        type: fc.constant("fail"),
        replyTo: id,
        code: some(fc.string()),
        message: some(fc.string()),
      },
      retryable: fc.boolean(),
    }),
    fc.record({
      type: fc.constant("push"),
      to: id.map((name) => `user:${name}x`),
      content: id,
      id: some(id),
    }),
    fc.record({ type: fc.constant("status"), busy: some(fc.nat()), draining: some(fc.boolean()) }),
    fc.record({ type: fc.constant("cancelled"), id }),
    fc.record({ type: fc.constantFrom("ping", "pong") }),
  );
  // `.` of the `to` pattern does not match a line break, and no id has one.
  fc.assert(
    fc.property(
      written.filter((frame) => !/[\r\n\u2028\u2029]/.test((frame as { to?: string }).to ?? "")),
      (frame) => {
        assert.deepEqual(plain(readBot(frame)), plain(frame));
      },
    ),
  );
});

Deno.test("what is read of a gateway's frame equals what was written", () => {
  const written = fc.oneof(
    fc.record({
      ...{
        type: fc.constant("chat"),
        id,
        content: fc.string(),
        from: fc.string(),
        timestamp: fc.nat(),
      },
      ...{
        image: some(fc.string()),
        images: some(texts),
        conversationId: some(id),
        userId: some(id),
        senderName: some(id),
      },
      ...{ channel: some(id), chatType: some(fc.constantFrom("direct", "group")) },
    }),
    fc.record({
      ...{
        type: fc.constant("registered"),
        success: fc.boolean(),
        error: some(fc.string()),
        protocol: some(fc.nat()),
      },
      ...{
        maxFrame: some(fc.nat()),
        pingInterval: some(fc.nat()),
        botTimeout: some(fc.nat()),
        grace: some(fc.nat()),
      },
      ...{ features: some(texts), resume: some(progress) },
    }),
    fc.record({ type: fc.constant("ack"), replyTo: id, seq }),
    fc.record({ type: fc.constant("cancel"), id }),
    fc.record({ type: fc.constant("pushed"), id, success: fc.boolean(), error: some(fc.string()) }),
    fc.record({
      ...{
        type: fc.constant("error"),
        message: fc.string(),
        code: some(fc.string()),
        replyTo: some(id),
        expected: some(seq),
      },
    }),
    fc.record({ type: fc.constantFrom("ping", "pong") }),
  );
  fc.assert(
    fc.property(written, (frame) => assert.deepEqual(plain(readGateway(frame)), plain(frame))),
  );
});
