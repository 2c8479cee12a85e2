/**
 * How a bot's socket comes in: what is asked of the request before it becomes a WebSocket.
 * Everything is refused here that can be, with a status and in words, because closing a socket that
 * is still opening does not work on this runtime.
 */
import { NexusError } from "../../core/error.ts";
import type { Observer } from "../../core/observer.ts";
import type { Auth } from "./auth.ts";
import { type ConnectionInfo, errorResponse, languageOfRequest } from "./response.ts";
import { defineRoute } from "./route.ts";

/** What is needed of the bots' side; `S` is its socket. */
export interface BotUpgradeParts<S> {
  readonly auth: Pick<Auth, "allowsOrigin">;
  readonly observer: Observer;
  readonly sockets: {
    /** Whether a bot holds turns, and so may have to come back to end them. */
    readonly hasOpenTurns: boolean;
    hasRoomFor(address: string): boolean;
    accept(socket: S, address: string, proven?: string): void;
  };
  readonly draining: () => boolean;
  /** Whether a socket that shows this token, or none, is refused before a byte is read. */
  readonly refuses: (token: string | undefined) => boolean;
  /** Takes a WebSocket out of a request; throws where the request is no handshake. */
  readonly upgrade: (request: Request) => { socket: S; response: Response };
}

export const botSocketRoute = defineRoute({
  method: "get",
  path: "/bot-ws",
  who: "bot",
  summary: "A bot's WebSocket; docs/protocol.md says what goes over it.",
  tag: "bots",
  ok: "text/plain",
  status: 101,
  errors: ["invalid", "forbidden", "limited", "shutting_down"],
});

/**
 * Answers `GET /bot-ws`. The token may be shown here already, which lets a proxy or a firewall see
 * who asks.
 */
export function botUpgradeHandler<S>(
  parts: BotUpgradeParts<S>,
): (request: Request, connection: ConnectionInfo) => Response {
  const { auth, observer, sockets } = parts;

  return (request, { address }) => {
    const refuse = (error: NexusError) => errorResponse(error, languageOfRequest(request));
    const origin = request.headers.get("origin");
    if (origin !== null && !auth.allowsOrigin(request, origin)) {
      observer.tell({ type: "bot_refused", address, why: `origin ${origin.slice(0, 200)}` });
      return refuse(new NexusError("forbidden", "this origin may not open a bot's socket"));
    }
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return refuse(new NexusError("invalid", "GET /bot-ws is a WebSocket"));
    }
    // A bot that was cut off comes back to end its turns, which is what is waited for.
    if (parts.draining() && !sockets.hasOpenTurns) {
      return refuse(new NexusError("shutting_down", undefined, { retryAfter: 5 }));
    }
    if (!sockets.hasRoomFor(address)) {
      const why = "too many sockets of this address wait to register";
      return refuse(new NexusError("limited", why, { retryAfter: 10 }));
    }
    const { token, answer } = shownAtUpgrade(request);
    if (parts.refuses(token)) {
      observer.tell({ type: "bot_refused", address, why: "no valid token at the upgrade" });
      return refuse(new NexusError("unauthenticated"));
    }
    let upgraded: { socket: S; response: Response };
    try {
      upgraded = parts.upgrade(request);
    } catch (cause) {
      // No version, no key, not a GET: what a browser or a library never sends.
      return refuse(new NexusError("invalid", "this is no WebSocket handshake", { cause }));
    }
    const { socket, response } = upgraded;
    // The runtime's own option for it throws on lists without spaces, which npm's ws sends.
    if (answer) response.headers.set("sec-websocket-protocol", answer);
    sockets.accept(socket, address, token);
    return response;
  };
}

/**
 * A token shown with the upgrade: in the Authorization header, or, from a browser, which can set no
 * header there, as the subprotocol `nexus.token.<token>`. A client that offers subprotocols wants
 * to be told one of them.
 */
function shownAtUpgrade(request: Request): { token?: string; answer?: string } {
  const bearer = request.headers.get("authorization");
  const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((one) =>
    one.trim()
  ).filter(
    Boolean,
  );
  const proof = offered.find((one) => one.startsWith("nexus.token."));
  const token = bearer?.startsWith("Bearer ")
    ? bearer.slice(7).trim()
    : proof?.slice("nexus.token.".length);
  return { token, answer: offered.includes("nexus") ? "nexus" : proof ?? offered[0] };
}
