import assert from "node:assert/strict";
import {
  decideRegistration,
  type RegistrationFacts,
} from "../../../src/bots/server/registration.ts";

const NOTHING: RegistrationFacts = { protocol: 2, hasResume: false, isDraining: false };

function known(
  socket: "this" | "another" | "none",
  { openTurns = 0, protocol = 2 } = {},
): RegistrationFacts["known"] {
  return { id: "b", protocol, openTurns, socket };
}

const CASES: readonly (readonly [string, Partial<RegistrationFacts>, string])[] = [
  ["an unknown bot gets a new link", {}, "new"],
  ["a bot that registers again on its own socket continues", { known: known("this") }, "continue"],
  [
    "a version-1 bot continues on its own socket, too",
    { protocol: 1, known: known("this", { protocol: 1 }) },
    "continue",
  ],
  ["a bot that comes back resumes", { known: known("none", { openTurns: 1 }) }, "resume"],
  ["a second socket of a bot takes over", { known: known("another") }, "resume"],
  ["a version-1 bot replaces its former link", { protocol: 1, known: known("none") }, "replace"],
  ["a bot replaces its version-1 link", { known: known("another", { protocol: 1 }) }, "replace"],
  [
    "a socket with open turns answers as one bot only",
    { other: { id: "a", protocol: 2, openTurns: 1 } },
    "decline",
  ],
  [
    "a socket without open turns may answer as another bot",
    { other: { id: "a", protocol: 2, openTurns: 0 } },
    "new",
  ],
  ["a draining gateway takes no new bot", { isDraining: true }, "restarting"],
  [
    "a draining gateway takes no bot that lists nothing to resume",
    { isDraining: true, known: known("none", { openTurns: 1 }) },
    "restarting",
  ],
  [
    "a draining gateway takes a bot that resumes its turns",
    { isDraining: true, hasResume: true, known: known("none", { openTurns: 1 }) },
    "resume",
  ],
  [
    "a draining gateway lets a bot with turns register again on its socket",
    { isDraining: true, known: known("this", { openTurns: 1 }) },
    "continue",
  ],
];

for (const [title, facts, expected] of CASES) {
  Deno.test(title, () => {
    const decision = decideRegistration({ ...NOTHING, ...facts });
    assert.equal(decision.action === "accept" ? decision.link : decision.action, expected);
  });
}
