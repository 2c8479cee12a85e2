/**
 * This is `deno task docs`: it writes what is generated from the code, docs/api.md,
 * docs/configuration.md, docs/configuration.zh.md and docs/config.schema.json.
 */
import { configJsonSchema } from "../src/config/config.ts";
import { API_PAGE, apiPage } from "./api_page.ts";
import { LANGUAGES, page, pagePath } from "./configuration_page.ts";

/** Path → text of every generated file. */
export async function generated(): Promise<Map<string, string>> {
  const files = new Map([
    ["docs/config.schema.json", JSON.stringify(configJsonSchema(), null, 2) + "\n"],
    [API_PAGE, await apiPage()],
  ]);
  for (const language of LANGUAGES) files.set(pagePath(language), await page(language));
  return files;
}

if (import.meta.main) {
  for (const [path, text] of await generated()) {
    await Deno.writeTextFile(new URL(`../${path}`, import.meta.url), text);
  }
}
