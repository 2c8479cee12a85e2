import assert from "node:assert/strict";
import { offers, openToAll } from "../../src/core/offer.ts";

const BOTS = [{ id: "a" }, { id: "b", pool: "p" }, { id: "c", pool: "p" }, { id: "d", pool: "q" }];

/** The bots that are open to all beside these people. */
function open(...people: (readonly string[] | undefined)[]): string {
  const within = openToAll(people.map((bots) => ({ bots })));
  return BOTS.filter((bot) => offers({ within }, bot)).map(({ id }) => id).join("");
}

Deno.test("open to all is what every restricted person may use, by id or by pool", () => {
  assert.equal(open(), "abcd", "nobody is restricted");
  assert.equal(open(undefined, undefined), "abcd");
  assert.equal(open(undefined, ["a", "p"]), "abc");
  assert.equal(open(["a", "p"], ["b", "a"]), "ab", "the one by its pool, the other by its id");
  assert.equal(open(["p"], ["b"], ["q"]), "");
  assert.equal(open([], undefined), "", "who may use nothing bars all");
});

Deno.test("the bounds of many people with the same rights are one, and a wider list adds none", () => {
  const people = Array.from(
    { length: 1000 },
    (_, n) => ({ bots: n % 2 ? ["a", "b"] : ["b", "a", "c"] }),
  );
  assert.deepEqual(openToAll(people), [["a", "b"]]);
});

Deno.test("a bot is offered where every list names it and no exception does", () => {
  const offered = (except?: string[]) =>
    BOTS.filter((bot) => offers({ within: [["a", "p"]], except }, bot)).map(({ id }) => id).join(
      "",
    );
  assert.equal(offered(), "abc");
  assert.equal(offered(["b"]), "ac");
  assert.equal(offered(["p"]), "a");
});
