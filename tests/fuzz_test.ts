import assert from "node:assert/strict";
import fc from "fast-check";
import { matchExpression, tokenize } from "../src/backends/sqlite_search_index.ts";
import { TrustedProxies } from "../src/channels/http/trusted_proxies.ts";
import { readConfig } from "../src/config/config.ts";
import { isPasswordHash } from "../src/core/people/password_hash.ts";
import { keyPart } from "../src/core/store.ts";
import { totpStep } from "../src/core/people/totp.ts";
import { SqliteStore } from "../src/backends/sqlite.ts";
import { fuzz } from "./fuzz.ts";

Deno.test("mutated requests and frames make no fault and show nobody another's words (4,000; fuzz tries 200,000)", async () => {
  const { requests, frames, routes, statuses } = await fuzz(4_000, 11);
  assert.ok(requests > 2000 && frames > 800 && routes > 50);
  assert.equal(statuses["500"], undefined);
});

const anyText = fc.string({ unit: "binary", maxLength: 60 });

Deno.test("the parsers at the door never throw, whatever they are given", () => {
  const proxies = new TrustedProxies(["127.0.0.0/8", "::1"]);
  fc.assert(
    fc.property(anyText, anyText, (a, b) => {
      tokenize(a);
      matchExpression(a, b);
      isPasswordHash(a);
      keyPart(a);
      proxies.trusts(a);
      readConfig(a);
    }),
    { numRuns: 2000 },
  );
  fc.assert(fc.property(fc.json(), (text) => void readConfig(text)), { numRuns: 500 });
});

Deno.test("no two ids share a part of a key, nor reach out of it", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), fc.string({ maxLength: 20 }), (a, b) => {
      assert.ok(!keyPart(a).includes(":"));
      if (a.isWellFormed() && b.isWellFormed() && a !== b) assert.notEqual(keyPart(a), keyPart(b));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("no text is a one-time code by accident", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ maxLength: 12 }), async (text) => {
      if (!/^\d{6}$/.test(text)) {
        assert.equal(await totpStep("JBSWY3DPEHPK3PXP", text, 0), undefined);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("whatever people search for is a search, never an error, and finds what was put in", async () => {
  const dir = await Deno.makeTempDir();
  const store = new SqliteStore({ path: `${dir}/nexus.db` });
  try {
    await fc.assert(
      fc.asyncProperty(anyText, async (words) => void await store.find("alice", words, 5)),
      {
        numRuns: 500,
      },
    );
    const word = fc.array(fc.constantFrom(..."天气今日上海北京机器人abcdefg".split("")), {
      minLength: 1,
      maxLength: 6,
    });
    let n = 0;
    await fc.assert(
      fc.asyncProperty(word, word, async (before, letters) => {
        const text = `${before.join("")} ${letters.join("")}`, key = `t:${n++}`;
        await store.set(key, 1, { find: { owner: key, text } });
        assert.equal((await store.find(key, letters.join(""), 1)).length, 1, text);
      }),
      { numRuns: 150 },
    );
  } finally {
    await store.close();
    await Deno.remove(dir, { recursive: true });
  }
});
