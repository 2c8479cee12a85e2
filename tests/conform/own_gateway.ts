/**
 * This is our own gateway, served for a test.
 */
import { createApp } from "../../src/app.ts";
import { readConfig } from "../../src/config/config.ts";

/** Our gateway on a free port, with times so short that everything can be tried. */
export async function ours() {
  const read = readConfig(
    JSON.stringify({
      ...{
        botToken: "t0ken-for-bots",
        demo: false,
        pingInterval: 1000,
        botTimeout: 2000,
        resumeGrace: 1000,
      },
      users: { ann: { password: "correct horse", displayName: "Ann" } },
    }),
    {},
  );
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const app = await createApp(read.config);
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request, { remoteAddr }) => app.fetch(request, { address: remoteAddr.hostname }),
  );
  return {
    app,
    host: `127.0.0.1:${server.addr.port}`,
    async [Symbol.asyncDispose]() {
      await app.close();
      await server.shutdown();
    },
  };
}

/** Who may come in there. */
export const PERSON = { token: "t0ken-for-bots", user: "ann", password: "correct horse" };
