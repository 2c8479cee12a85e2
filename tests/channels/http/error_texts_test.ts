import assert from "node:assert/strict";
import { type Language, languageOf } from "../../../src/channels/http/error_texts.ts";

/** What a client asks for, and what it gets where Chinese and where English is the default. */
const cases: [header: string | null, zh: Language, en: Language][] = [
  [null, "zh", "en"],
  ["", "zh", "en"],
  ["*", "zh", "en"],
  ["*;q=0.5", "zh", "en"],
  ["zh-CN,zh;q=0.9,en;q=0.8", "zh", "zh"],
  ["en-US,en;q=0.9,zh;q=0.8", "en", "en"],
  ["en;q=0.2, zh;q=0.7", "zh", "zh"],
  ["zh, en", "zh", "zh"],
  ["en, zh", "en", "en"],
  ["EN-gb", "en", "en"],
  ["zh;q=0, *", "en", "en"],
  ["en;q=0, *", "zh", "zh"],
  ["de-DE, de;q=0.9", "en", "en"],
  ["de, *;q=0.1", "en", "en"],
  ["zhx", "en", "en"],
  ["en;q=nonsense, zh;q=0.9", "en", "en"],
];

Deno.test("languages are weighed as clients ask, and a client that takes any gets the default", () => {
  for (const [header, zh, en] of cases) {
    assert.equal(languageOf(header), zh, `${header}, Chinese by default`);
    assert.equal(languageOf(header, "en"), en, `${header}, English by default`);
  }
});
