import assert from "node:assert/strict";
import { createApp } from "../../../src/app.ts";
import {
  MIN_BODY_BYTES_PER_SECOND,
  withBodyTimeout,
} from "../../../src/channels/http/body_timeout.ts";
import { readConfig } from "../../../src/config/config.ts";
import type { GatewayEvent } from "../../../src/core/observer.ts";

Deno.test("a body that does not come in time is given up; a long one has time by its length", async () => {
  const never = new Promise<string>(() => {});
  await assert.rejects(withBodyTimeout(never, 0, 5), {
    code: "request_timeout",
    detail: "the body took longer than 1 s",
  });
  const later = new Promise<string>((resolve) => setTimeout(() => resolve("there"), 50));
  assert.equal(
    await withBodyTimeout(later, MIN_BODY_BYTES_PER_SECOND * 60, 5),
    "there",
    "a minute more for what may take a minute",
  );
  await assert.rejects(withBodyTimeout(Promise.reject(new Error("broken")), 0), /broken/);
});

Deno.test("a client that goes away in the middle of its own body is told so, and is no fault of ours", async () => {
  const read = readConfig(JSON.stringify({
    channels: {
      feishu: { main: { appId: "cli_a", appSecret: "s", verificationToken: "t", mode: "webhook" } },
    },
  }));
  assert.ok(read.ok);
  const told: GatewayEvent[] = [];
  const app = await createApp(read.config, { observer: { tell: (one) => told.push(one) } });
  try {
    for (
      const [path, length] of [["/api/login", "100"], ["/api/login"], ["/channels/feishu/main"]]
    ) {
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode('{"a')),
        pull: (controller) => controller.error(new Error("gone")),
      });
      const headers = {
        "content-type": "application/json",
        ...(length ? { "content-length": length } : {}),
      };
      const response = await app.fetch(
        new Request(`http://x${path}`, { method: "POST", headers, body }),
      );
      assert.equal(response.status, 400, `${path}: ${await response.text()}`);
    }
    assert.deepEqual(told.filter(({ type }) => type === "fault"), []);
  } finally {
    await app.close();
  }
});
