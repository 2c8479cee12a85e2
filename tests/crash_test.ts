import assert from "node:assert/strict";
import { crash } from "./crash.ts";

Deno.test("after kill -9 under load nobody is signed out and nothing that was told is lost (6 moments; test:crash tries 200)", async () => {
  const report = await crash(6, 7);
  assert.equal(report.rounds, 6);
  assert.ok(
    report.finished > 0 && report.cut > 0 && report.receipted > 0 && report.sessions > 0,
    JSON.stringify(report),
  );
});
