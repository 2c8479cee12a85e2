/**
 * What an open page listens to: bots coming and going, messages that bots send by themselves, turns
 * begun elsewhere.
 */
import type { NoticeJson } from "../../wire/chat.ts";
import type { Gateway } from "../../core/gateway.ts";
import type { NumberedNotice } from "../../core/notice.ts";
import { botsFor } from "./chat.ts";
import type { Auth, Caller } from "../http/auth.ts";
import type { StreamRegistry } from "../http/stream_registry.ts";
import { defineRoute, member } from "../http/route.ts";
import type { Router } from "../http/router.ts";
import { eventStream, newsStream } from "../http/event_stream.ts";

export interface NewsParts {
  readonly gateway: Gateway;
  readonly auth: Auth;
  readonly streams: StreamRegistry;
}

export const newsRoutes = {
  events: defineRoute({
    method: "get",
    path: "/api/events",
    ...member(["chat", "read"], "bound"),
    summary: "What a page is told: bots coming and going, pushes, turns begun elsewhere.",
    tag: "chat",
    ok: "text/event-stream",
    errors: ["limited"],
  }),
} as const;

export function mountNews(routes: Router, parts: NewsParts): void {
  const { auth, streams } = parts;
  routes.on(newsRoutes.events, async (call) => {
    const last = Number(call.header("last-event-id") || undefined);
    const reader = auth.streamReader(call.caller);
    const after = Number.isFinite(last) ? last : undefined;
    return await streams.open(
      reader,
      () =>
        eventStream(newsStream(streams, reader, (send) => listen(parts, call.caller, after, send))),
    );
  });
}

/**
 * Sends what a caller is told from now on, and what they missed behind the notice `after`. Returns
 * the way to stop.
 */
function listen(
  { gateway, auth }: NewsParts,
  caller: Caller,
  after: number | undefined,
  send: (event: NoticeJson, id?: number) => void,
): () => void {
  let told = "";
  const tellBots = (number?: number) => {
    const person = auth.currentPerson(caller);
    const bots = person ? botsFor(person, gateway) : [];
    const text = JSON.stringify(bots);
    if (text === told) return;
    told = text;
    send({ type: "bots", bots }, number);
  };
  const { person } = caller;
  let missed: NumberedNotice[] | undefined = [];
  const hear = (one: NumberedNotice) => {
    if (!gateway.history.receives(person, one)) return;
    if (missed) missed.push(one);
    else send(one.notice, one.number);
  };
  // Who does not hear everything takes nothing away from those who do.
  const stopNotices = gateway.notices.subscribe(
    person.id,
    after,
    hear,
    person.keyScope === undefined,
  );
  // The bots come first, with a number by which even a page that was told nothing else can read on.
  tellBots(missed.length === 0 ? gateway.notices.last : undefined);
  for (const { number, notice } of missed) send(notice, number);
  missed = undefined;
  const stopBots = gateway.roster.watch(() => tellBots());
  return () => {
    stopBots();
    stopNotices();
  };
}
