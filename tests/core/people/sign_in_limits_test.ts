import assert from "node:assert/strict";
import { MemoryStore } from "../../../src/backends/memory.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import { ServerSecret } from "../../../src/core/people/server_secret.ts";
import {
  DEVICE_DAYS,
  KNOWN_NETWORKS,
  KNOWN_SIGN_IN_RATE,
  NAME_SIGN_IN_RATE,
  NETWORK_SIGN_IN_RATE,
  SignInLimits,
} from "../../../src/core/people/sign_in_limits.ts";

function rig() {
  const clock = new ManualClock();
  const store = new MemoryStore({ now: () => clock.now() });
  const secret = new ServerSecret();
  return {
    clock,
    store,
    open: () => new SignInLimits({ store, clock, secret }),
    limits: new SignInLimits({ store, clock, secret }),
  };
}

/** How many wrong tries are let through before one is refused. */
async function tries(
  limits: SignInLimits,
  name: string,
  id: string | undefined,
  from: (n: number) => string,
  device?: string,
) {
  for (let n = 0; n < 1000; n++) {
    if (typeof await limits.take(name, id, { address: from(n), device }) === "number") return n;
  }
  return Infinity;
}

/** A new network for each try. */
const anywhere = (start: number) => (n: number) => `10.${start}.${n >> 8}.${n & 255}`;
const office = () => "192.0.2.1";
const HOME = "198.51.100.7";

Deno.test("many networks together guess no faster than one, and the name's bound is the same whether it exists or not", async () => {
  const { clock, limits } = rig();
  assert.equal(await tries(limits, "alice", "alice", anywhere(1)), NAME_SIGN_IN_RATE.burst);
  assert.equal(await tries(limits, "nobody", undefined, anywhere(2)), NAME_SIGN_IN_RATE.burst);
  clock.pass(NAME_SIGN_IN_RATE.every);
  assert.equal(await tries(limits, "alice", "alice", anywhere(3)), 1);
  assert.equal(await tries(limits, "nobody", undefined, anywhere(4)), 1);
});

Deno.test("whoever uses up a name's tries locks out neither the browser nor the network that signed in before", async () => {
  const { limits } = rig();
  const device = await limits.remember("alice", { address: HOME });
  assert.equal(await tries(limits, "alice", "alice", anywhere(1)), NAME_SIGN_IN_RATE.burst);
  assert.equal(typeof await limits.take("alice", "alice", { address: HOME }), "function");
  assert.equal(
    typeof await limits.take("alice", "alice", { address: "203.0.113.9", device }),
    "function",
  );
  // Somebody in the same network can use up that network's tries, but not the browser's.
  assert.ok(await tries(limits, "alice", "alice", () => HOME) <= KNOWN_SIGN_IN_RATE.burst);
  assert.equal(
    typeof await limits.take("alice", "alice", { address: "203.0.113.9", device }),
    "function",
  );
});

Deno.test("a browser and a network are bounded too, and are known for one account only, for so long", async () => {
  const { clock, limits, open } = rig();
  const device = await limits.remember("alice", { address: HOME });
  assert.equal(
    await tries(limits, "alice", "alice", anywhere(1), device),
    KNOWN_SIGN_IN_RATE.burst,
  );
  // What was made for alice is of no use for bob, nor is a made-up one.
  assert.equal(await tries(limits, "bob", "bob", anywhere(2), device), NAME_SIGN_IN_RATE.burst);
  assert.equal(
    typeof await limits.take("bob", "bob", { address: HOME, device: `${device}x` }),
    "number",
  );
  // A restart forgets neither.
  const again = open();
  await tries(again, "alice", "alice", anywhere(3));
  assert.equal(typeof await again.take("alice", "alice", { address: HOME }), "function");
  clock.pass((KNOWN_NETWORKS.days + 1) * 86_400_000);
  await tries(again, "alice", "alice", anywhere(4));
  assert.equal(typeof await again.take("alice", "alice", { address: HOME }), "number");
  assert.equal(
    typeof await again.take("alice", "alice", { address: "203.0.113.9", device }),
    "function",
  );
  clock.pass((DEVICE_DAYS - KNOWN_NETWORKS.days) * 86_400_000);
  await tries(again, "alice", "alice", anywhere(5));
  assert.equal(
    typeof await again.take("alice", "alice", { address: "203.0.113.9", device }),
    "number",
  );
});

Deno.test("a name's bound is reset neither by a flood of other names nor by a sign-in elsewhere", async () => {
  const { limits } = rig();
  await tries(limits, "alice", "alice", anywhere(1));
  for (let n = 0; n < 250_000; n++) {
    await limits.take(`made up ${n}`, undefined, {
      address: `10.${2 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`,
    });
  }
  const mallory = await limits.take("mallory", "mallory", { address: office() });
  assert.ok(typeof mallory === "function");
  mallory();
  assert.equal(await tries(limits, "alice", "alice", anywhere(9)), 0);
});

Deno.test("a network that may try no more uses up nobody's tries", async () => {
  const { limits } = rig();
  for (let n = 0; n < NETWORK_SIGN_IN_RATE.burst; n++) {
    await limits.take(`name ${n}`, undefined, { address: office() });
  }
  assert.equal(await tries(limits, "alice", "alice", office), 0);
  assert.equal(await tries(limits, "alice", "alice", anywhere(1)), NAME_SIGN_IN_RATE.burst);
});

Deno.test("a try that was right is given back, and so is a confirmation; those of others do not count for it", async () => {
  const { limits } = rig();
  for (let n = 0; n < 3 * NETWORK_SIGN_IN_RATE.burst; n++) {
    const taken = await limits.take("alice", "alice", { address: office() });
    assert.ok(typeof taken === "function", `try ${n}`);
    taken();
  }
  await tries(limits, "alice", "alice", anywhere(1));
  let confirmed = 0;
  while (typeof limits.confirm("alice") === "function") confirmed++;
  assert.equal(confirmed, KNOWN_SIGN_IN_RATE.burst);
});

Deno.test("networks of one account are bounded, the latest stay", async () => {
  const { clock, store, limits } = rig();
  for (let n = 0; n < 3 * KNOWN_NETWORKS.most; n++) {
    await limits.remember("alice", { address: `10.0.0.${n}` });
    clock.pass(1000);
  }
  const networks = Object.keys(await store.get("networks:alice"));
  assert.equal(networks.length, KNOWN_NETWORKS.most);
  assert.ok(networks.includes(`10.0.0.${3 * KNOWN_NETWORKS.most - 1}`));
  await limits.forget("alice");
  assert.deepEqual(await store.list("networks:"), []);
});
