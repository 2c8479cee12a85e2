/**
 * Signing in by name and password, and a person's sessions.
 */
import { z } from "zod";
import type { UserJson } from "../../wire/account.ts";
import type { Accounts } from "../../core/people/accounts.ts";
import { NexusError } from "../../core/error.ts";
import type { Person } from "../../core/message.ts";
import type { Session, Sessions } from "../../core/people/session.ts";
import { cookieOf, DEVICE_COOKIE, deviceCookie, sessionCookie } from "../http/cookie.ts";
import type { Auth } from "../http/auth.ts";
import { anyone, defineRoute, member, signedIn } from "../http/route.ts";
import type { Router } from "../http/router.ts";

export interface SessionParts {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly auth: Auth;
}

const word = (max: number) =>
  z.string({ error: "must be a text" }).max(max, `must have at most ${max} characters`);

const login = z.object({
  username: word(200).nullish(),
  password: word(10_000).nullish(),
  code: word(100).nullish().meta({
    description: "The one-time code, or a recovery code, where there is a second factor.",
  }),
}, { error: "must be an object" }).meta({ id: "Login" });

const user = z.object({
  id: z.string(),
  username: z.string(),
  displayName: z.string(),
  role: z.enum(["admin", "member"]),
  language: z.enum(["zh", "en"]).optional().meta({
    description: "What they are spoken to in, where it is known",
  }),
}) satisfies z.ZodType<UserJson>;

export const sessionRoutes = {
  login: defineRoute({
    method: "post",
    path: "/api/login",
    ...anyone,
    summary: "Sign in. The token is also set as a cookie for browsers.",
    tag: "session",
    body: login,
    ok: z.object({
      token: z.string(),
      user,
      expiresAt: z.number().meta({ description: "Milliseconds since the epoch" }),
    }),
    errors: ["invalid", "wrong_credentials", "second_factor", "limited"],
  }),
  logout: defineRoute({
    method: "post",
    path: "/api/logout",
    ...signedIn,
    summary: "Sign out.",
    tag: "session",
    ok: z.object({ success: z.boolean() }),
  }),
  me: defineRoute({
    method: "get",
    path: "/api/me",
    ...member(["chat", "read", "admin"], "free"),
    summary:
      "Who is signed in, or whose key this is. An admin's key without the scope `admin` is a member's.",
    tag: "session",
    ok: z.object({ user, expiresAt: z.number() }),
  }),
  list: defineRoute({
    method: "get",
    path: "/api/sessions",
    ...signedIn,
    summary: "Your sessions.",
    tag: "session",
    ok: z.object({
      sessions: z.array(z.object({
        id: z.string(),
        current: z.boolean(),
        createdAt: z.number(),
        lastSeenAt: z.number(),
        expiresAt: z.number(),
        agent: z.string().optional(),
        address: z.string().optional(),
      })),
    }),
  }),
  end: defineRoute({
    method: "delete",
    path: "/api/sessions/{id}",
    ...signedIn,
    summary: "End one of your sessions; `others` ends all but this one.",
    tag: "session",
    ok: z.object({ ended: z.number() }),
    errors: ["not_found"],
  }),
} as const;

export function mountSession(routes: Router, { accounts, sessions, auth }: SessionParts): void {
  routes.on(sessionRoutes.login, async (call) => {
    const { address, connection } = call;
    auth.refuseCrossSite(call.request);
    const { username, password, code } = await call.body();
    if (!username || !password) throw new NexusError("invalid", "username, password");
    const known = cookieOf(call.request, DEVICE_COOKIE);
    const person = await accounts.passwords.signIn(
      username,
      password,
      address,
      code ?? undefined,
      known,
    );
    const device = await accounts.passwords.remember(person.id, { address, device: known });
    const { token, session } = await sessions.begin(person.id, {
      address,
      agent: call.header("user-agent"),
    });
    const secure = connection.secure === true;
    return call.answer({
      token,
      user: await userOf(person, accounts),
      expiresAt: session.expiresAt,
    }, [
      sessionCookie(token, sessions.cookieSeconds, secure),
      deviceCookie(device, secure),
    ]);
  });

  routes.on(sessionRoutes.logout, async (call) => {
    await sessions.end(call.caller.token);
    return call.answer({ success: true }, [
      sessionCookie(undefined, 0, call.connection.secure === true),
    ]);
  });

  routes.on(sessionRoutes.me, async ({ caller: { person, session } }) => ({
    user: await userOf(person, accounts),
    expiresAt: session.expiresAt,
  }));

  routes.on(sessionRoutes.list, async ({ caller: { person, session } }) => {
    const all = await sessions.of(person.id);
    return { sessions: all.map((one) => viewOf(one, one.id === session.id)) };
  });

  routes.on(sessionRoutes.end, async (call) => {
    const { person, session } = call.caller;
    const id = call.param("id");
    const ended = await sessions.endOf(
      person.id,
      id === "others" ? { allBut: session.id } : { id },
    );
    if (ended === 0 && id !== "others") throw new NexusError("not_found");
    return { ended };
  });
}

async function userOf({ id, username = id, name, role }: Person, { languages }: Accounts) {
  return { id, username, displayName: name, role, language: await languages.of(id) };
}

function viewOf(
  { id, createdAt, lastSeenAt, expiresAt, agent, address }: Session,
  current: boolean,
) {
  return { id, current, createdAt, lastSeenAt, expiresAt, agent, address };
}
