import assert from "node:assert/strict";
import { connect } from "../../src/bots/client.ts";
import { crooked } from "./crooked.ts";
import { until } from "../world.ts";
import { ours, PERSON } from "./own_gateway.ts";

Deno.test("an answer over a line that is cut six times reaches the person whole, and says every word once", async () => {
  await using gateway = await ours();
  await using line = crooked(gateway.host, {});
  let registrations = 0, cuts = 0;
  const bot = connect({
    ...{
      url: `ws://${line.host}`,
      botId: "parrot",
      token: PERSON.token,
      reconnectInterval: 10,
      onProblem() {},
    },
    onState: ({ phase }) => phase === "ready" && registrations++,
    async *answer() {
      for (let n = 1; n <= 120; n++) {
        yield `w${n} `;
        // A turn that nobody has begun may be asked anew, so the first word arrives before the
        // first cut.
        if (n === 1) {
          await until(
            () => gateway.app.gateway.running().some(({ reply }) => reply.length > 0),
            "a word",
          );
        } else await new Promise((resolve) => setTimeout(resolve, 4));
        if (n % 20 === 0) {
          cuts++;
          line.cut();
        }
      }
    },
  });
  try {
    await bot.ready();
    const signedIn = await fetch(`http://${gateway.host}/api/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username: PERSON.user, password: PERSON.password }),
    });
    const { token } = await signedIn.json();
    const answer = await fetch(`http://${gateway.host}/api/chat`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ message: "Count.", target: "parrot" }),
    });
    const { content } = await answer.json();
    assert.equal(content, Array.from({ length: 120 }, (_, n) => `w${n + 1} `).join(""));
    assert.equal(cuts, 6);
    assert.ok(registrations >= 3, `the line was up ${registrations} times`);
  } finally {
    await bot.close();
  }
});
