/**
 * Cookies, read and written by Hono.
 */
import { parse, serialize } from "hono/utils/cookie";
import { DEVICE_DAYS } from "../../core/people/sign_in_limits.ts";

/** The browser's session. */
export const SESSION_COOKIE = "nexus_session";

/**
 * What a browser shows that has signed in before: its tries are counted apart. Only the sign-in
 * sees it.
 */
export const DEVICE_COOKIE = "nexus_device";

/** Browsers keep no cookie for longer than 400 days, and Hono refuses to write one. */
const MAX_SECONDS = 400 * 86_400;

/** A cookie of a request; `undefined` where it is absent or empty. */
export function cookieOf(request: Request, name: string): string | undefined {
  const header = request.headers.get("cookie");
  return header ? parse(header, name)[name] || undefined : undefined;
}

/**
 * `Set-Cookie` for a session that begins, or for one that ends (no token). `seconds`: how long the
 * browser keeps it.
 */
export function sessionCookie(
  token: string | undefined,
  seconds: number,
  secure: boolean,
): [string, string] {
  return setCookie(SESSION_COOKIE, token, { seconds, secure });
}

/** `Set-Cookie` for a browser that has signed in. */
export function deviceCookie(device: string, secure: boolean): [string, string] {
  const seconds = DEVICE_DAYS * 86_400;
  return setCookie(DEVICE_COOKIE, device, {
    seconds,
    secure,
    path: "/api/login",
    sameSite: "Strict",
  });
}

/** `Set-Cookie` for a cookie that scripts cannot read. No value: it is removed. */
export function setCookie(
  name: string,
  value: string | undefined,
  options: {
    readonly seconds: number;
    readonly secure: boolean;
    /** Default: all paths. */
    readonly path?: string;
    /**
     * `Lax`, the default: requests of other sites do not carry it, except for a link that a person
     * follows.
     */
    readonly sameSite?: "Lax" | "Strict";
  },
): [string, string] {
  const { seconds, secure, path = "/", sameSite = "Lax" } = options;
  const maxAge = value === undefined ? 0 : Math.min(seconds, MAX_SECONDS);
  return [
    "set-cookie",
    serialize(name, value ?? "", { path, httpOnly: true, sameSite, maxAge, secure }),
  ];
}
