/** A real OpenID provider on loopback, with the people that the tests know. */
import { createServer, type Server } from "node:http";
import OidcServer from "oidc-provider";

/** Listens on a free port; the address is known before the thing that answers there is made. */
export async function listen(
  make: (url: string) => (...args: never[]) => unknown,
): Promise<{ url: string; close(): Promise<void> }> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  server.on("request", make(url) as (...args: unknown[]) => void);
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

const PEOPLE: Record<string, Record<string, unknown>> = {
  dana: { name: "Dana", email: "dana@example.com", email_verified: true, groups: ["staff", "ops"] },
  eli: { name: "Eli", email: "eli@example.com", email_verified: true, groups: ["staff"] },
  mallory: {
    name: "Mallory",
    email: "mallory@example.com",
    email_verified: false,
    groups: ["staff"],
  },
  oscar: { name: "Oscar", email: "oscar@elsewhere.org", email_verified: true, groups: ["staff"] },
  nina: { name: "Nina", email: "nina@example.com", email_verified: true, groups: ["guests"] },
};

export function startProvider(callback: () => string) {
  return listen((url) => {
    const provider = new OidcServer(url, {
      clients: [{
        client_id: "nexus",
        client_secret: "client-secret",
        redirect_uris: [callback()],
        grant_types: ["authorization_code"],
      }],
      claims: {
        openid: ["sub"],
        profile: ["name"],
        email: ["email", "email_verified"],
        groups: ["groups"],
      },
      scopes: ["openid", "profile", "email", "groups"],
      findAccount: (_: unknown, sub: string) => ({
        accountId: sub,
        claims: () => ({ sub, ...PEOPLE[sub] }),
      }),
      features: { devInteractions: { enabled: true } },
      pkce: { required: () => true },
      cookies: { keys: ["test"] },
      // deno-lint-ignore no-explicit-any -- the package has no types of its own
    } as any);
    return provider.callback();
  });
}

export async function quiet<T>(work: () => Promise<T>): Promise<T> {
  // The provider warns on the console of its own development settings.
  const { warn, info, log } = console;
  console.warn = console.info = console.log = () => {};
  try {
    return await work();
  } finally {
    Object.assign(console, { warn, info, log });
  }
}
