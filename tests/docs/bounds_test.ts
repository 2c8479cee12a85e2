/** The bounds and times that the pages in docs/ give are those of the code. */
import assert from "node:assert/strict";
import { MAX_BUFFERED_BYTES } from "../../src/backends/sqlite_options.ts";
import { RETRY_DELAY_MS } from "../../src/backends/sqlite_health.ts";
import { MAX_FRAME, MAX_REGISTER } from "../../src/bots/wire/frame.ts";
import {
  ACK_DELAY_MS,
  CANCEL_TIMEOUT_MS,
  DEFAULT_BOT_SERVER,
  MAX_BUFFERED_UNITS,
  PUSH_RATE,
} from "../../src/bots/server/settings.ts";
import {
  CONCURRENT_LOADS,
  REQUEST_IMAGE_LIMITS,
  WAITING_LOADS,
} from "../../src/channels/http/image_loader.ts";
import { MAX_REDIRECTS } from "../../src/channels/http/image_fetch.ts";
import { STALLED_READER_MS } from "../../src/channels/http/stream_registry.ts";
import { DEFAULT_MAX_BODY_BYTES } from "../../src/channels/http/router.ts";
import { readConfig } from "../../src/config/config.ts";
import { DEFAULT_MAX_STREAMS } from "../../src/core/people/allowance.ts";
import { MAX_KEYS_PER_PERSON } from "../../src/core/people/api_key.ts";
import { DRAFT_INTERVAL_MS } from "../../src/core/draft.ts";
import { DEFAULT_SETTINGS } from "../../src/core/gateway_settings.ts";
import { SESSION_CACHE_TTL_MS } from "../../src/core/people/session.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));
/** A page as one line, so that a figure may stand at the end of one. */
const pages = new Map<string, string>();
for (const name of ["security", "protocol", "openai"]) {
  pages.set(name, (await read(`docs/${name}.md`)).replace(/\s+/g, " "));
}

const MiB = 1 << 20, KiB = 1 << 10, MINUTE = 60_000;
const number = (value: number) => value.toLocaleString("en");
const { replyTimeout, queue, queueTimeout, replyCap, keepEnded, keepEndedBytes } = DEFAULT_SETTINGS;

/** What each page says, with its figures from the code. */
const SAID: Readonly<Record<string, readonly string[]>> = {
  security: [
    `| ${defaults().maxBody / MiB} MiB (\`maxBody\`); ${
      DEFAULT_MAX_BODY_BYTES / KiB
    } KiB on account and admin routes |`,
    `| ${MAX_BUFFERED_UNITS / MiB} MiB, then it gets nothing new, then it is closed |`,
    `| ${replyCap.text / MiB} MiB of text, ${replyCap.total / MiB} MiB with images |`,
    `| ended replies in memory | ${keepEnded / MINUTE} minutes, ${keepEndedBytes / MiB} MiB |`,
    `| ${number(queue.total)}, ${queue.perPerson} per person, ${queueTimeout / MINUTE} minutes |`,
    `| ${number(DEFAULT_MAX_STREAMS)} (\`limits.streamsAtOnce\`) |`,
    `| API keys per person | ${MAX_KEYS_PER_PERSON} |`,
    `| ${MAX_BUFFERED_BYTES / MiB} MiB; then the oldest history goes, never sessions or people |`,
    `every ${RETRY_DELAY_MS[0] / 1000} to ${RETRY_DELAY_MS[1] / 1000} seconds`,
    `at least every ${DRAFT_INTERVAL_MS} ms`,
    `at most ${REQUEST_IMAGE_LIMITS.bytes / MiB} MiB each, ${
      REQUEST_IMAGE_LIMITS.together / MiB
    } MiB and ` +
    `${REQUEST_IMAGE_LIMITS.time / 1000} s for all of a request`,
    `at each of at most ${MAX_REDIRECTS} redirects`,
    `stops within ${SESSION_CACHE_TTL_MS / 1000} s`,
  ],
  protocol: [
    `| first frame | ${MAX_REGISTER / KiB} KiB |`,
    `| time to register | ${DEFAULT_BOT_SERVER.registerTimeout / 1000} s |`,
    `| announced; ${MAX_FRAME / MiB} Mi units by default |`,
    `| about ${ACK_DELAY_MS} ms late; at \`done\` as soon as the end is stored |`,
    `| receipt of a \`cancel\` | within ${CANCEL_TIMEOUT_MS / 1000} s |`,
    `| a burst of ${PUSH_RATE.burst}, then one a second; past it`,
    `| ${replyTimeout / MINUTE} minutes by default, then it ends as failed |`,
    `| ${replyCap.text / MiB} Mi units of text, ${
      replyCap.total / MiB
    } Mi with images, by default;`,
    `keeps them for \`grace\` (${DEFAULT_BOT_SERVER.grace / 1000} s by default)`,
  ],
  openai: [
    `at most ${REQUEST_IMAGE_LIMITS.together / MiB} MiB together, ${
      REQUEST_IMAGE_LIMITS.bytes / MiB
    } MiB each`,
    `comes within ${REQUEST_IMAGE_LIMITS.time / 1000} seconds`,
    `${words(CONCURRENT_LOADS.ofOne)} requests of a person and ${
      words(CONCURRENT_LOADS.ofAll).toLowerCase()
    } of all people fetch at once`,
    `wait for up to ${words(WAITING_LOADS.time / 1000).toLowerCase()} seconds`,
    `takes nothing of its stream for ${words(STALLED_READER_MS / MINUTE).toLowerCase()} minutes`,
  ],
};

function defaults() {
  const config = readConfig("{}");
  assert.ok(config.ok);
  return config.config;
}

function words(count: number): string {
  const word = { 2: "Two", 6: "Six", 10: "Ten" }[count];
  assert.ok(word, `no word for ${count}`);
  return word;
}

for (const [page, figures] of Object.entries(SAID)) {
  Deno.test(`docs/${page}.md has its bounds and times as they are in the code`, () => {
    // Cells of tables are padded with more than one space.
    const text = pages.get(page)!;
    assert.deepEqual(figures.filter((figure) => !text.includes(figure)), []);
  });
}

Deno.test("every file that a page names as its proof is there", async () => {
  const missing: string[] = [];
  for (
    const page of [
      "docs/security.md",
      "docs/protocol.md",
      "docs/openai.md",
      "ARCHITECTURE.md",
      "CONTRIBUTING.md",
    ]
  ) {
    for (
      const [, path] of (await read(page)).matchAll(
        /`((?:tests|src|bench|deploy|examples)\/[\w./-]+)`/g,
      )
    ) {
      if (!await exists(path!)) missing.push(`${page}: ${path}`);
    }
  }
  assert.deepEqual(missing, []);
});

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(new URL(path, ROOT));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
