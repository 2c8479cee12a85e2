/** The word to somebody who was let in. */
import assert from "node:assert/strict";
import { Welcome } from "../../plugin/src/welcome.ts";

function welcoming() {
  const told: string[] = [];
  const problems: string[] = [];
  const state = {
    now: 0,
    paired: [] as string[],
    run: undefined as (() => void) | undefined,
    looks: 0,
    broken: false,
  };
  const welcome = new Welcome({
    paired: () => {
      state.looks++;
      return state.broken ? Promise.reject(new Error("locked")) : Promise.resolve(state.paired);
    },
    tell: (personId) => Promise.resolve(void told.push(personId)),
    onProblem: (text) => problems.push(text),
    every: (_ms, run) => {
      state.run = run;
      return () => state.run = undefined;
    },
    now: () => state.now,
  });
  const look = async () => {
    state.run?.();
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { welcome, told, problems, state, look };
}

Deno.test("somebody who was let in is told once, and then nobody looks any more", async () => {
  const { welcome, told, state, look } = welcoming();
  assert.equal(state.run, undefined);
  welcome.wait("bob");
  welcome.wait("eve");
  await look();
  assert.deepEqual(told, []);
  state.paired = ["alice", "bob"];
  await look();
  await look();
  assert.deepEqual(told, ["bob"]);
  state.paired = ["eve", "bob"];
  await look();
  assert.deepEqual([told, state.run], [["bob", "eve"], undefined]);
});

Deno.test("who is not let in while the code is valid is forgotten, and a store that cannot be read is tried again", async () => {
  const { welcome, told, problems, state, look } = welcoming();
  welcome.wait("bob");
  state.broken = true;
  await look();
  assert.deepEqual([problems.length, state.run !== undefined], [1, true]);
  state.broken = false;
  state.now = 60 * 60_000;
  await look();
  assert.deepEqual([told, state.run], [[], undefined]);
});

Deno.test("a crowd of strangers is bounded, and a line that is closed looks no more", async () => {
  const { welcome, told, state, look } = welcoming();
  for (let i = 0; i < 150; i++) welcome.wait(`p${i}`);
  state.paired = ["p0", "p149"];
  await look();
  assert.deepEqual(told, ["p149"]);
  assert.notEqual(state.run, undefined);
  welcome.close();
  assert.equal(state.run, undefined);
});
