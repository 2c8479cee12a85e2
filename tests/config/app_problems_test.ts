import assert from "node:assert/strict";
import { readConfig } from "../../src/config/config.ts";

const FEISHU = { appId: "cli_1", appSecret: "s" };
const MODELS = {
  cheap: {
    type: "openai",
    baseUrl: "http://127.0.0.1:1/v1",
    apiKey: "k",
    model: "m",
    pool: "small",
  },
  dear: {
    type: "openai",
    baseUrl: "http://127.0.0.1:1/v1",
    apiKey: "k",
    model: "m",
    pool: "large",
  },
};
const CARL = { carl: { password: "carl-password", bots: ["small"] } };

/** What is said of one Feishu app, without the place that it stands at. */
function judge(app: Record<string, unknown>, more: Record<string, unknown> = {}) {
  const read = readConfig(
    JSON.stringify({ channels: { feishu: { main: { ...FEISHU, ...app } } }, ...more }),
  );
  const said = (found: readonly { path: string; message: string }[]) =>
    found.map(({ path, message }) => `${path.replace("channels.feishu.main", "")} ${message}`);
  return read.ok
    ? { problems: [], warnings: said(read.warnings) }
    : { problems: said(read.problems), warnings: [] };
}

Deno.test("a rule behind one that fits whatever it fits is refused", () => {
  const { problems } = judge({
    rules: [
      { chat: "oc_1", bot: "a" },
      { chat: "oc_1", person: "ou_1", bot: "b" },
      { bot: "c" },
      { department: "od-1", bot: "d" },
    ],
  });
  assert.deepEqual(problems, [
    ".rules.1 never fits: whatever fits it fits rule 0 before",
    ".rules.3 never fits: whatever fits it fits rule 2 before",
  ]);
  const right = [{ chat: "oc_1", person: "ou_1", bot: "a" }, { chat: "oc_1", bot: "b" }, {
    bot: "c",
  }];
  assert.deepEqual(judge({ rules: right }), { problems: [], warnings: [] });
});

Deno.test("a rule for somebody who is denied, or to a bot that the app does not offer, is refused", () => {
  assert.deepEqual(judge({ rules: [{ person: "ou_1", bot: "a" }], deny: ["ou_1"] }).problems, [
    '.rules.0.person never fits: "ou_1" is in `deny`',
  ]);
  assert.deepEqual(
    judge({ rules: [{ chat: "oc_1", bot: "dear" }], bots: ["small"] }, { bots: MODELS }).problems,
    [
      '.rules.0.bot never answers: `bots` does not list "dear"',
    ],
  );
  assert.deepEqual(
    judge({ rules: [{ chat: "oc_1", bot: "cheap" }], bots: ["small"] }, { bots: MODELS }).problems,
    [],
  );
  const unknown = judge({ rules: [{ chat: "oc_1", bot: "own-bot" }], bots: ["pool"] });
  assert.match(
    unknown.warnings.join(),
    /answers only where a pool/,
    "a bot itself says in which pool it is",
  );
});

Deno.test("who is both allowed and denied is refused; lists that do nothing, or let nobody in, are named", () => {
  assert.deepEqual(
    judge({ access: "allowlist", allow: ["ou_1", "ou_2"], deny: ["ou_2"] }).problems,
    [
      '.deny "ou_2" must not be in `allow` as well',
    ],
  );
  assert.match(
    judge({ allow: ["ou_1"] }).warnings.join(),
    /changes nothing where access is "open"/,
  );
  assert.match(judge({ access: "allowlist" }).warnings.join(), /nobody may speak/);
  assert.match(judge({ bots: [] }).warnings.join(), /nobody gets an answer/);
});

Deno.test("an open app that offers more than some account may use is worth a look, a shared group too", () => {
  const more = { users: CARL, bots: MODELS };
  const { warnings } = judge({ bots: ["small", "large", "dear", "cheap", "some-bot"] }, more);
  assert.deepEqual(warnings.map((text) => /offers "([^"]+)"/.exec(text)?.[1]), [
    "large",
    "dear",
    "some-bot",
  ]);
  assert.deepEqual(judge({ bots: ["large"], access: "pairing" }, more).warnings, []);
  assert.deepEqual(
    judge({}, more).warnings,
    [],
    "without a list nobody gets what carl may not use",
  );
  assert.match(judge({ group: "shared" }, more).warnings.join(), /lets carl read/);
  assert.deepEqual(judge({ group: "shared" }, { bots: MODELS }).warnings, []);
});

Deno.test("a way to sign in that gives all bots where an account has fewer is worth a look", () => {
  const signIn = { lark: { appId: "cli_1", appSecret: "s" } };
  assert.match(
    judge({}, { users: CARL, signIn }).warnings.join(),
    /signIn\.lark gives everybody .* also carl/,
  );
  assert.deepEqual(judge({}, { signIn }).warnings, []);
});

Deno.test("a bot's name that looks like another one's is worth a look, one that may come in later is not", () => {
  assert.match(
    judge({ bot: "Dear" }, { bots: MODELS }).warnings.join(),
    /\.bot is no bot that is known; "dear" is/,
  );
  assert.deepEqual(judge({ bot: "openclaw" }, { bots: MODELS }).warnings, []);
});
