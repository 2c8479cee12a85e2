import { MemoryStore } from "../../src/backends/memory.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { storeContract } from "./contract.ts";

storeContract({
  name: "memory",
  noIndex: true,
  open() {
    const clock = new ManualClock();
    const store = new MemoryStore({ now: () => clock.now() });
    return { store, pass: (ms) => clock.pass(ms), close: () => store.close() };
  },
});
