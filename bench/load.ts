/**
 * This is the load as a program: people and bots over real sockets, in a process of their own, so
 * that what is read of the server's process is the server's. `bench.ts` starts it; by hand:
 *
 * ```sh
 * deno run -A bench/load.ts bots    '{"port":17392,"token":"…","protocol":1}'
 * deno run -A bench/load.ts chat \
 *   '{"port":17392,"bearers":["…"],"connections":64,"turns":6400,"ask":"say"}'
 * deno run -A bench/load.ts streams \
 *   '{"port":17392,"bearers":["…"],"connections":64,"turns":640,"ask":"burst 200"}'
 * deno run -A bench/load.ts silent \
 *   '{"port":17392,"bearers":["…"],"connections":1000}'
 * deno run -A bench/load.ts mixed \
 *   '{"port":17392,"bearers":["…"],"connections":400,"seconds":60,"rate":200}'
 * ```
 *
 * The answer is one line of JSON. `bots` and `silent` then stay until their input is closed.
 */
import { startBots } from "./load_bots.ts";
import { askMixed } from "./load_mixed.ts";
import { askAll, openSilent } from "./load_people.ts";

const [part, text = "{}"] = Deno.args;
const order = JSON.parse(text);
switch (part) {
  case "bots":
    await startBots(order);
    await stay({ ready: order.bots ?? 1 });
    break;
  case "silent":
    await stay({ open: await openSilent(order) });
    break;
  case "chat":
    console.log(JSON.stringify(await askAll(order, "/api/chat")));
    break;
  case "streams":
    console.log(JSON.stringify(await askAll(order, "/api/chat/stream")));
    break;
  case "mixed":
    console.log(JSON.stringify(await askMixed(order)));
    break;
  default:
    console.error(
      `what to load must be bots, chat, streams, silent or mixed, got ${JSON.stringify(part)}`,
    );
    Deno.exit(2);
}

async function stay(answer: unknown): Promise<never> {
  console.log(JSON.stringify(answer));
  for await (const _ of Deno.stdin.readable);
  Deno.exit(0);
}
