import assert from "node:assert/strict";
import { conformGateway, runConform, scoreOf } from "../../src/conform/conform.ts";
import { crooked, type Fault } from "./crooked.ts";
import { ours, PERSON } from "./own_gateway.ts";

Deno.test("our gateway passes every case for a gateway", async () => {
  await using gateway = await ours();
  const results = await conformGateway({ url: `ws://${gateway.host}/bot-ws`, ...PERSON });
  assert.deepEqual(results.filter(({ result }) => result !== "pass"), []);
  assert.ok(results.length >= 50);
});

Deno.test("without a person, what needs a question is skipped with the reason", async () => {
  await using gateway = await ours();
  const target = { url: `ws://${gateway.host}/bot-ws`, token: PERSON.token };
  const results = await conformGateway(target, { only: ["registers", "answer-", "unknown-turn"] });
  assert.deepEqual(scoreOf(results), { passed: 4, failed: 0, warned: 0, skipped: 8 });
  assert.match(results.find(({ name }) => name === "answer-live")!.seen, /--user/);
});

const FAULTS: [what: string, fault: Fault, only: string[], failed: string[]][] = [
  ["no fault", {}, ["answer-version", "receipts", "wrong-token", "replaced"], []],
  [
    "no receipts",
    { toBot: (frame) => frame.type === "ack" ? undefined : frame },
    ["receipts", "repeats", "answer-version-2"],
    ["receipts", "repeats"],
  ],
  [
    "no memory for numbers",
    { toGateway: ({ seq: _, ...frame }) => frame },
    ["receipts", "repeats", "gap", "resume-replaced", "answer-version-2"],
    ["receipts", "repeats", "gap", "resume-replaced"],
  ],
  [
    "trust in everybody",
    { toGateway: (frame) => frame.type === "register" ? { ...frame, token: PERSON.token } : frame },
    ["wrong-token", "no-token", "replaced"],
    ["wrong-token", "no-token", "replaced-only-with-token"],
  ],
  [
    "pools of any name",
    { toGateway: (frame) => frame.type === "register" ? { ...frame, pool: undefined } : frame },
    ["pool-and-id", "registers-version-2"],
    ["pool-and-id"],
  ],
  ["codes that call everybody back", { closeCode: () => 4000 }, ["wrong-token", "replaced"], [
    ...["wrong-token", "replaced", "replaced-only-with-token"],
  ]],
  [
    "no word of a cancel",
    { toBot: (frame) => frame.type === "cancel" ? undefined : frame },
    ["cancel"],
    ["cancel"],
  ],
  [
    "version-2 fields for everybody",
    { toBot: (frame) => frame.type === "chat" ? { ...frame, conversationId: "c" } : frame },
    ["question-version"],
    ["question-version-1"],
  ],
  [
    "a cut answer called complete",
    { toPerson: (text) => text.replaceAll('"incomplete"', '"done"') },
    ["drop-version-1", "resume-not-offered", "answer-version-1"],
    ["resume-not-offered", "drop-version-1"],
  ],
  [
    "letters that are lost",
    { toPerson: (text) => text.replaceAll("日", "?") },
    ["answer-exact", "answer-version-1"],
    ["answer-exact"],
  ],
];

for (const [what, fault, only, failed] of FAULTS) {
  Deno.test(`a gateway with ${what} fails ${failed.join(", ") || "nothing"}`, async () => {
    await using gateway = await ours();
    await using spoilt = crooked(gateway.host, fault);
    const target = { url: `ws://${spoilt.host}/bot-ws`, ...PERSON, patience: 800 };
    const results = await conformGateway(target, { only });
    const names = results.filter(({ result }) => result === "fail").map(({ name }) => name);
    assert.deepEqual(names.sort(), [...failed].sort());
  });
}

Deno.test("the command prints a table for people, or JSON for programs, and its exit code tells", async () => {
  await using gateway = await ours();
  const run = async (...args: string[]) => {
    const lines: string[] = [];
    const code = await runConform(args, (line) => lines.push(line), { NEXUS_TOKEN: PERSON.token });
    return { code, text: lines.join("\n") };
  };
  const url = `ws://${gateway.host}/bot-ws`;

  const good = await run("--gateway", url, "--only", "registers-", "--only=wrong-token");
  assert.equal(good.code, 0);
  assert.match(
    good.text,
    /✓ registers-version-1 .*\n.*\n.*\n.*wrong-token[^]*4 cases: 4 passed, 0 failed, 0 skipped/,
  );

  const json = await run("--gateway", url, "--only", "wrong-token", "--json");
  const { score, results } = JSON.parse(json.text);
  assert.deepEqual(score, { passed: 1, failed: 0, warned: 0, skipped: 0 });
  assert.equal(results[0].link, "docs/protocol.md#refusal");

  await using spoilt = crooked(gateway.host, { closeCode: () => 4000 });
  const bad = await run("--gateway", `ws://${spoilt.host}/bot-ws`, "--only", "wrong-token");
  assert.equal(bad.code, 1);
  assert.match(
    bad.text,
    /✗ wrong-token .*FAILED: the close code was 4000.*\n {4}expected: .*\n {4}rule: docs\/protocol\.md#refusal/,
  );

  const refused = await run("--gateway", url, "--token", "wrong");
  assert.equal(refused.code, 1);
  assert.match(refused.text, /refused the kit's bot: Invalid token/);
});

Deno.test("a command that makes no sense is told what would, with exit code 2", async () => {
  for (
    const [args, told] of [
      [["--gatway", "ws://x"], /unknown option --gatway/],
      [
        ["--gateway", "http://x"],
        /--gateway must be a ws:\/\/ or wss:\/\/ address, got "http:\/\/x"/,
      ],
      [["--gateway"], /--gateway needs a value/],
      [["--gateway", "ws://x", "ws://y"], /takes no address/],
      [["nonsense"], /must begin with ws:\/\//],
      [["ws://a", "ws://b"], /one address is enough/],
      [["--"], /a command must follow --/],
      [["--patience", "soon"], /--patience must be a number of milliseconds, got "soon"/],
    ] as const
  ) {
    const lines: string[] = [];
    assert.equal(await runConform(args, (line) => lines.push(line)), 2);
    assert.match(lines.join("\n"), told);
  }
  const help: string[] = [];
  assert.equal(await runConform(["--help"], (line) => help.push(line)), 0);
  assert.match(help.join(), /Exit code/);
});
