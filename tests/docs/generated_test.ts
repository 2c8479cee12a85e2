/** The generated pages are current, and every setting is described in both languages. */
import assert from "node:assert/strict";
import { settings } from "../../deploy/configuration_page.ts";
import { CHAPTERS, WORDS } from "../../deploy/configuration_words.ts";
import { generated } from "../../deploy/docs.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("generated pages and the JSON Schema are those that the code gives", async () => {
  for (const [path, text] of await generated()) {
    const file = await Deno.readTextFile(new URL(path, ROOT));
    assert.equal(file, text, `${path} is not current: run deno task docs`);
  }
});

Deno.test("every setting has a chapter and a meaning in both languages", () => {
  const list = settings();
  const keys = list.map(({ path }) => path).filter((path) => !path.includes("."));
  assert.deepEqual(CHAPTERS.flatMap((chapter) => chapter.keys).toSorted(), keys.toSorted());
  const isUndescribed = ({ path, description }: typeof list[number]) =>
    !WORDS[path]?.zh || !(description ?? WORDS[path]?.en);
  assert.deepEqual(list.filter(isUndescribed).map(({ path }) => path), []);
  const paths = new Set(list.map(({ path }) => path));
  assert.deepEqual(Object.keys(WORDS).filter((path) => !paths.has(path)), []);
});
