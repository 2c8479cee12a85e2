/**
 * Feishu's open platform as far as a bot sees it: tokens, messages, CardKit, events with their
 * signature, encryption and repeats, and the documented limits with the documented errors. For
 * tests, benchmarks and for trying things out without an account.
 *
 * Sources: Feishu 频控策略 (2024-10), 流式更新卡片 (2026-02), 发送消息/回复消息 (2026-04), 事件概述 (2025-04), 更新已发送的消息卡片
 * (2025-07).
 */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { Buffer } from "node:buffer";
import type { Clock } from "../../core/clock.ts";
import type { Json } from "../../core/store.ts";
import { ChatLog, page } from "../chat_log.ts";
import { Limits } from "../limits.ts";

export interface FeishuParts {
  readonly clock: Clock;
  readonly appId: string;
  readonly appSecret: string;
  readonly encryptKey?: string;
  readonly verificationToken?: string;
  /** Takes a callback to the bot's address. Absent: events go over the long connection only. */
  readonly deliver?: (request: Request) => Promise<Response>;
  readonly callbackUrl?: string;
}

/** When an event that was not acknowledged comes again: milliseconds after the try before. */
const REPEATS = [15_000, 5 * 60_000, 3_600_000, 6 * 3_600_000];
const EVENT_DEADLINE = 3000;
const STREAM_LIFE = 10 * 60_000;
const CARD_LIFE = 14 * 24 * 3_600_000;
const UUID_LIFE = 3_600_000;
const TOKEN_LIFE = 7200_000;

interface Card {
  readonly id: string;
  json: Json;
  sequence: number;
  streamingSince: number | undefined;
  readonly at: number;
  message: string | undefined;
  readonly uuids: Set<string>;
}

interface Sent {
  readonly id: string;
  readonly chat: string;
  readonly type: string;
  content: string;
  card: Card | undefined;
}

export interface FeishuMessage {
  readonly chat: string;
  readonly text?: string;
  readonly sender?: string;
  /**
   * The sender's id for all apps of the company; made of {@linkcode FeishuMessage.sender} unless set.
   */
  readonly union?: string;
  /** The sender's company; the app's own unless set. */
  readonly tenant?: string;
  readonly type?: "p2p" | "group";
  /** In a group: whether the bot is mentioned. */
  readonly mention?: boolean;
  readonly messageId?: string;
  /** Another message type with its content, in place of text. */
  readonly message?: { readonly type: string; readonly content: Json };
  /** The id of the message that this one replies to. */
  readonly replyTo?: string;
  /**
   * People who are mentioned beside the bot, by their names; the first is `@_user_2` where the bot
   * is `@_user_1`.
   */
  readonly others?: readonly string[];
}

export class FeishuEmulator {
  readonly log: ChatLog;
  readonly counts = {
    calls: 0,
    cards: 0,
    throttled: 0,
    refused: 0,
    pushes: 0,
    unacknowledged: 0,
    repeatedUuids: 0,
  };
  /** What was answered to pressed buttons. */
  readonly toasts: Json[] = [];
  /** Files and images of messages, by key. */
  readonly resources = new Map<
    string,
    { type: string; name?: string; bytes: Uint8Array<ArrayBuffer> }
  >();
  readonly departments = new Map<string, string[]>();
  /** What people are called, as the contact API tells; without any the app lacks its permission. */
  readonly names = new Map<string, string>();
  /** No card is taken as a whole any more, as where its content is refused. */
  refuseReplacements = false;
  /** No file is taken, as where the app lacks the permission. */
  refuseFiles = false;
  /** Permissions that the app was not granted. */
  readonly missingScopes = new Set<string>();
  /** How the app is set up in the console; an app made for the long connection. */
  readonly console = {
    hasBot: true,
    isPublished: true,
    subscription: "websocket" as "websocket" | "webhook",
    callbackSubscription: "websocket" as "websocket" | "webhook",
    callbackUrl: "",
    events: ["im.message.receive_v1", "im.message.recalled_v1"],
    callbacks: ["card.action.trigger"],
  };
  /** A card that streams ends by itself after this long. */
  streamLife = STREAM_LIFE;
  /**
   * Given by whoever carries the long connection: resolves to whether the event was acknowledged.
   */
  push: ((event: Json, id: string) => Promise<boolean>) | undefined;
  readonly #p: FeishuParts;
  readonly #limits: Limits;
  readonly #tokens = new Map<string, number>();
  readonly #cards = new Map<string, Card>();
  readonly #sent = new Map<string, Sent>();
  readonly #uuids = new Map<string, { answer: Json; until: number }>();
  readonly #timers = new Set<() => void>();
  #ids = 0;

  constructor(parts: FeishuParts) {
    this.#p = parts;
    this.log = new ChatLog(parts.clock);
    this.#limits = new Limits(parts.clock);
  }

  /** Whether the card of a message still has a button. */
  hasButton(message: string): boolean {
    const elements = this.#sent.get(message)?.card?.json.body?.elements ?? [];
    return elements.some((part: Json) => part.tag === "button");
  }

  get botId(): string {
    return "ou_emulated_bot";
  }

  stop(): void {
    for (const stop of this.#timers) stop();
    this.#timers.clear();
  }

  /*
   * ── events
   * ────────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  /**
   * A person writes; the event is on its way, and comes again until it is acknowledged. Returns the
   * message's id.
   */
  say(said: FeishuMessage): string {
    const { clock } = this.#p;
    const id = said.messageId ?? `om_${(++this.#ids).toString(36).padStart(8, "0")}`;
    const group = said.type === "group";
    const mentioned = group && said.mention !== false;
    const text = (mentioned ? "@_user_1 " : "") + (said.text ?? "");
    const sender = said.sender ?? `ou_of_${said.chat}`;
    this.log.add({
      id,
      chat: said.chat,
      from: "person",
      kind: said.message?.type ?? "text",
      text: said.text ?? "",
      final: true,
    });
    const kind = said.message?.type ?? "text";
    const content = JSON.stringify(said.message?.content ?? { text });
    this.#sent.set(id, { id, chat: said.chat, type: kind, content, card: undefined });
    const others = (said.others ?? []).map((name, n) => ({
      key: `@_user_${n + (mentioned ? 2 : 1)}`,
      id: { open_id: `ou_${name}`, union_id: `on_${name}`, user_id: "" },
      name,
      tenant_key: "tenant",
    }));
    this.event("im.message.receive_v1", {
      sender: {
        sender_id: { open_id: sender, union_id: said.union ?? `on_${sender}`, user_id: "" },
        sender_type: "user",
        tenant_key: said.tenant ?? "tenant",
      },
      message: {
        message_id: id,
        parent_id: said.replyTo,
        root_id: said.replyTo,
        create_time: String(clock.now()),
        update_time: String(clock.now()),
        chat_id: said.chat,
        chat_type: group ? "group" : "p2p",
        message_type: kind,
        content,
        mentions: mentioned
          ? [{
            key: "@_user_1",
            id: { open_id: this.botId, union_id: "on_bot", user_id: "" },
            name: "Bot",
            tenant_key: "tenant",
          }, ...others]
          : others.length > 0
          ? others
          : undefined,
      },
    });
    return id;
  }

  recall(messageId: string): void {
    const chat = this.#sent.get(messageId)?.chat;
    this.event("im.message.recalled_v1", {
      message_id: messageId,
      chat_id: chat,
      recall_time: String(this.#p.clock.now()),
    });
  }

  /** Somebody presses a button; by default whoever wrote in the chat of that name. */
  press(messageId: string, value: Json, by = "ou_somebody"): void {
    this.event("card.action.trigger", {
      operator: { open_id: by },
      token: "c-1",
      action: { tag: "button", value },
      context: { open_message_id: messageId, open_chat_id: this.#sent.get(messageId)?.chat },
    }, false);
  }

  /** Sends any event. Card callbacks are not sent again. */
  event(type: string, event: Json, repeats = true): void {
    const { appId, verificationToken, clock } = this.#p;
    const id = createHash("md5").update(`${type}:${++this.#ids}`).digest("hex");
    const body = {
      schema: "2.0",
      header: {
        event_id: id,
        event_type: type,
        create_time: String(clock.now()),
        token: verificationToken ?? "",
        app_id: appId,
        tenant_key: "tenant",
      },
      event,
    };
    void this.#deliver(body, id, repeats ? REPEATS : []);
  }

  /** An event as the callback that carries it. */
  callback(body: Json): Request {
    const { encryptKey, callbackUrl, clock } = this.#p;
    const plain = JSON.stringify(body);
    const text = encryptKey === undefined
      ? plain
      : JSON.stringify({ encrypt: encrypt(encryptKey, plain) });
    const headers = new Headers({ "content-type": "application/json; charset=utf-8" });
    if (encryptKey !== undefined) {
      const timestamp = String(Math.floor(clock.now() / 1000)),
        nonce = randomBytes(8).toString("hex");
      headers.set("x-lark-request-timestamp", timestamp);
      headers.set("x-lark-request-nonce", nonce);
      headers.set(
        "x-lark-signature",
        createHash("sha256").update(timestamp + nonce + encryptKey + text).digest("hex"),
      );
    }
    return new Request(callbackUrl ?? "http://bot.invalid/", {
      method: "POST",
      headers,
      body: text,
    });
  }

  async #deliver(body: Json, id: string, repeats: readonly number[]): Promise<void> {
    this.counts.pushes++;
    if (await this.#acknowledged(body, id)) return;
    this.counts.unacknowledged++;
    const [wait, ...rest] = repeats;
    if (wait === undefined) return;
    const stop = this.#p.clock.after(wait, () => {
      this.#timers.delete(stop);
      void this.#deliver(body, id, rest);
    });
    this.#timers.add(stop);
  }

  #acknowledged(body: Json, id: string): Promise<boolean> {
    const { deliver, clock } = this.#p;
    return new Promise((resolve) => {
      const stop = clock.after(EVENT_DEADLINE, () => {
        this.#timers.delete(stop);
        resolve(false);
      });
      this.#timers.add(stop);
      const settle = (yes: boolean) => {
        stop();
        this.#timers.delete(stop);
        resolve(yes);
      };
      if (this.push) this.push(body, id).then(settle, () => settle(false));
      else if (deliver) {
        deliver(this.callback(body)).then(async (response) => {
          const answered = response.status === 200 ? await response.json() : undefined;
          if (answered?.toast) this.toasts.push(answered.toast);
          if (response.status !== 200) await response.body?.cancel();
          settle(response.status === 200);
        }, () => settle(false));
      } else settle(false);
    });
  }

  /*
   * ── the API
   * ───────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const shown = await page(request, {
      title: "Feishu, emulated",
      log: this.log,
      say: (chat, text) => void this.say({ chat, text }),
      figures: () => ({ ...this.counts }),
    });
    if (shown) return shown;
    this.counts.calls++;
    if (url.pathname === "/open-apis/auth/v3/tenant_access_token/internal") {
      return await this.#token(request);
    }
    const bearer = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    if ((this.#tokens.get(bearer) ?? 0) <= this.#p.clock.now()) {
      return fail(400, 99991663, "Invalid access token for authorization");
    }
    for (const [method, pattern, name, answer] of this.#routes) {
      const found = method === request.method ? pattern.exec(url.pathname) : null;
      if (!found) continue;
      const over = this.#over(`api:${name}`, [[50, 1000], [1000, 60_000]]);
      if (over !== undefined) return this.throttle(over);
      return await answer(found[1] ?? "", request, url, found[2]);
    }
    return fail(404, 404, `no such API here: ${request.method} ${url.pathname}`);
  }

  /** Takes every token away, as the platform may. */
  spoilTokens(): void {
    this.#tokens.clear();
  }

  /** The answer to too many calls of one API. */
  throttle(ms = 1000): Response {
    this.counts.throttled++;
    return fail(429, 99991400, "request trigger frequency limit", {
      "x-ogw-ratelimit-limit": "50",
      "x-ogw-ratelimit-reset": String(Math.max(1, Math.ceil(ms / 1000))),
    });
  }

  #over(key: string, windows: readonly (readonly [number, number])[]): number | undefined {
    return this.#limits.hitAll(windows.map(([limit, per]) => [key, limit, per] as const))?.wait;
  }

  readonly #routes: readonly (readonly [
    string,
    RegExp,
    string,
    (id: string, request: Request, url: URL, second?: string) => Promise<Response> | Response,
  ])[] = [
    [
      "POST",
      /^\/open-apis\/im\/v1\/messages$/,
      "im.send",
      (_id, request) => this.#send(request, undefined),
    ],
    [
      "POST",
      /^\/open-apis\/im\/v1\/messages\/([^/]+)\/reply$/,
      "im.reply",
      (id, request) => this.#send(request, id),
    ],
    [
      "PATCH",
      /^\/open-apis\/im\/v1\/messages\/([^/]+)$/,
      "im.patch",
      (id, request) => this.#patch(id, request),
    ],
    ["GET", /^\/open-apis\/im\/v1\/messages\/([^/]+)$/, "im.get", (id) => this.#message(id)],
    ["POST", /^\/open-apis\/im\/v1\/images$/, "im.image", (_id, request) => this.#image(request)],
    ["POST", /^\/open-apis\/im\/v1\/files$/, "im.file", (_id, request) => this.#file(request)],
    [
      "GET",
      /^\/open-apis\/im\/v1\/messages\/([^/]+)\/resources\/([^/]+)$/,
      "im.resource",
      (_id, _r, _u, key) => this.#resource(key!),
    ],
    [
      "POST",
      /^\/open-apis\/cardkit\/v1\/cards$/,
      "card.create",
      (_id, request) => this.#create(request),
    ],
    [
      "PUT",
      /^\/open-apis\/cardkit\/v1\/cards\/([^/]+)$/,
      "card.update",
      (id, request) => this.#update(id, request),
    ],
    [
      "PATCH",
      /^\/open-apis\/cardkit\/v1\/cards\/([^/]+)\/settings$/,
      "card.settings",
      (id, request) => this.#setting(id, request),
    ],
    [
      "DELETE",
      /^\/open-apis\/cardkit\/v1\/cards\/([^/]+)\/elements\/([^/]+)$/,
      "card.element",
      (id, request, _url, element) => this.#remove(id, element!, request),
    ],
    [
      "PUT",
      /^\/open-apis\/cardkit\/v1\/cards\/([^/]+)\/elements\/([^/]+)\/content$/,
      "card.content",
      (id, request, _url, element) => this.#content(id, element!, request),
    ],
    ["GET", /^\/open-apis\/bot\/v3\/info$/, "bot.info", () => this.#bot()],
    ["GET", /^\/open-apis\/application\/v6\/scopes$/, "app.scopes", () => this.#scopes()],
    ["GET", /^\/open-apis\/application\/v6\/applications\/([^/]+)$/, "app.get", () => this.#app()],
    [
      "GET",
      /^\/open-apis\/application\/v6\/applications\/([^/]+)\/app_versions\/([^/]+)$/,
      "app.version",
      () =>
        ok({
          app_version: { event_infos: this.console.events.map((event_type) => ({ event_type })) },
        }),
    ],
    [
      "GET",
      /^\/open-apis\/contact\/v3\/users\/([^/]+)$/,
      "contact.user",
      (id) =>
        this.names.size + this.departments.size === 0
          ? fail(
            400,
            99991672,
            "Access denied. One of the following scopes is required: [contact:contact.base:readonly]",
          )
          : ok({
            user: {
              open_id: id,
              name: this.names.get(id),
              department_ids: this.departments.get(id) ?? [],
            },
          }),
    ],
  ];

  #bot(): Response {
    if (!this.console.hasBot) return fail(400, 11205, "app do not have bot");
    const activate_status = this.console.isPublished ? 2 : 0;
    return ok(undefined, { bot: { open_id: this.botId, app_name: "Bot", activate_status } });
  }

  #scopes(): Response {
    const scopes = SCOPES.filter((name) => !this.missingScopes.has(name))
      .map((scope_name) => ({ scope_name, scope_type: "tenant", grant_status: 1 }));
    return ok({ scopes });
  }

  #app(): Response {
    if (this.missingScopes.has("application:application:self_manage")) {
      return fail(400, 99991672, "Access denied. One of the following scopes is required");
    }
    const { isPublished, callbacks, callbackSubscription, callbackUrl, subscription } =
      this.console;
    const app = {
      app_id: this.#p.appId,
      online_version_id: isPublished ? "oav_1" : "",
      event: { subscription_type: subscription },
      callback_info: {
        callback_type: callbackSubscription,
        request_url: callbackUrl,
        subscribed_callbacks: callbacks,
      },
    };
    return ok({ app });
  }

  async #token(request: Request): Promise<Response> {
    const { app_id, app_secret } = await request.json();
    if (app_id !== this.#p.appId) return fail(400, 10003, "invalid param");
    if (app_secret !== this.#p.appSecret) return fail(400, 10014, "app secret invalid");
    const now = this.#p.clock.now();
    for (const [token, until] of this.#tokens) {
      if (until - now > 30 * 60_000) {
        return Response.json({
          code: 0,
          msg: "ok",
          tenant_access_token: token,
          expire: Math.floor((until - now) / 1000),
        });
      }
    }
    const token = `t-${++this.#ids}-${randomBytes(6).toString("hex")}`;
    this.#tokens.set(token, now + TOKEN_LIFE);
    return Response.json({
      code: 0,
      msg: "ok",
      tenant_access_token: token,
      expire: TOKEN_LIFE / 1000,
    });
  }

  async #send(request: Request, replyTo: string | undefined): Promise<Response> {
    const { receive_id, msg_type, content, uuid } = await request.json();
    const chat = replyTo === undefined ? receive_id : this.#sent.get(replyTo)?.chat;
    if (typeof chat !== "string") return fail(400, 230011, "The message was withdrawn");
    if (
      typeof content !== "string" ||
      Buffer.byteLength(content) > (msg_type === "text" ? 150 : 30) * 1024
    ) {
      return fail(400, 230025, "The length of the message content reaches its limit");
    }
    const now = this.#p.clock.now();
    const known = uuid === undefined ? undefined : this.#uuids.get(uuid);
    if (known && known.until > now) {
      this.counts.repeatedUuids++;
      return ok(known.answer);
    }
    // Five a second into one chat; of a group's five some belong to other bots, which nobody
    // emulates.
    if (this.#over(`chat:${chat}`, [[5, 1000]]) !== undefined) return this.#slow();
    const body = JSON.parse(content);
    const key = msg_type === "image"
      ? body.image_key
      : msg_type === "file"
      ? body.file_key
      : undefined;
    if ((msg_type === "image" || msg_type === "file") && !this.resources.has(key)) {
      // No page with this code was found; what the gateway does is the same for any refusal.
      return fail(
        400,
        230055,
        "The type of file upload does not match the type of message being sent",
      );
    }
    let card: Card | undefined;
    if (msg_type === "interactive" && body.type === "card") {
      card = this.#cards.get(body.data?.card_id);
      if (!card) return fail(400, 230099, "card not found");
      if (card.message !== undefined) return fail(400, 200620, "the card has been sent");
    }
    if (msg_type === "interactive" && !card && tablesOf(body) > CARD_TABLES) return tooManyTables();
    const id = `om_${(++this.#ids).toString(36).padStart(8, "0")}b`;
    this.log.recordMentions(
      chat,
      card ? cardText(card.json) : msg_type === "interactive" ? cardText(body) : content,
      PINGS,
    );
    const sent: Sent = { id, chat, type: msg_type, content, card };
    this.#sent.set(id, sent);
    if (card) card.message = id;
    this.log.add({
      id,
      chat,
      from: "bot",
      kind: card ? "streaming card" : msg_type,
      text: card
        ? cardText(card.json)
        : msg_type === "interactive"
        ? cardText(body)
        : String(body.text ?? this.resources.get(key)?.name ?? content),
      // A patched card has no end of its own: its last text is the final one.
      final: card ? card.streamingSince === undefined : true,
    });
    const answer = { message_id: id, chat_id: chat, msg_type };
    if (uuid !== undefined) this.#uuids.set(uuid, { answer, until: now + UUID_LIFE });
    return ok(answer);
  }

  async #patch(id: string, request: Request): Promise<Response> {
    const sent = this.#sent.get(id);
    if (!sent || sent.type !== "interactive") return fail(400, 230001, "not a card message");
    if (this.#over(`message:${id}`, [[5, 1000]]) !== undefined) return this.#slow();
    const { content } = await request.json();
    if (Buffer.byteLength(content) > 30 * 1024) {
      return fail(400, 230025, "The length of the message content reaches its limit");
    }
    const json = JSON.parse(content);
    if (json.config?.update_multi !== true) return fail(400, 230099, "update_multi must be true");
    if (tablesOf(json) > CARD_TABLES) return tooManyTables();
    sent.content = content;
    this.log.recordMentions(sent.chat, cardText(json), PINGS);
    this.log.edit(id, { text: cardText(json) });
    return ok({});
  }

  async #image(request: Request): Promise<Response> {
    const form = await request.formData();
    const image = form.get("image");
    if (!(image instanceof Blob) || form.get("image_type") !== "message") {
      return fail(400, 234001, "Invalid request param");
    }
    if (image.size > 10 << 20) return fail(400, 234006, "The file size exceed the max value");
    const key = `img_${++this.#ids}`;
    this.resources.set(key, { type: image.type, bytes: new Uint8Array(await image.arrayBuffer()) });
    return ok({ image_key: key });
  }

  async #file(request: Request): Promise<Response> {
    if (this.refuseFiles) return fail(400, 234007, "App does not enable bot feature.");
    const form = await request.formData();
    const file = form.get("file"), name = form.get("file_name");
    const types = ["opus", "mp4", "pdf", "doc", "xls", "ppt", "stream"];
    if (
      !(file instanceof Blob) || typeof name !== "string" ||
      !types.includes(String(form.get("file_type")))
    ) {
      return fail(400, 234001, "Invalid request param");
    }
    if (file.size > 30 << 20) return fail(400, 234006, "The file size exceed the max value");
    if (file.size === 0) return fail(400, 234010, "File's size can't be 0");
    const key = `file_${++this.#ids}`;
    this.resources.set(key, {
      type: file.type,
      name,
      bytes: new Uint8Array(await file.arrayBuffer()),
    });
    return ok({ file_key: key });
  }

  #resource(key: string): Response {
    const found = this.resources.get(decodeURIComponent(key));
    if (!found) return fail(400, 234003, "File not in msg");
    return new Response(found.bytes, { headers: { "content-type": found.type } });
  }

  async #create(request: Request): Promise<Response> {
    const { type, data } = await request.json();
    if (type !== "card_json") return fail(400, 200220, "type must be card_json");
    if (Buffer.byteLength(data) > 30 * 1024) return fail(400, 200860, "card over max size");
    const json = JSON.parse(data);
    if (json.schema !== "2.0") return fail(400, 200220, "schema must be 2.0");
    if (tablesOf(json) > CARD_TABLES) return tooManyTables();
    this.counts.cards++;
    const now = this.#p.clock.now();
    const id = `card_${++this.#ids}`;
    this.#cards.set(id, {
      id,
      json,
      sequence: 0,
      streamingSince: json.config?.streaming_mode === true ? now : undefined,
      at: now,
      message: undefined,
      uuids: new Set(),
    });
    return ok({ card_id: id });
  }

  async #content(id: string, element: string, request: Request): Promise<Response> {
    const { content, sequence, uuid } = await request.json();
    return this.#change(id, sequence, uuid, (card) => {
      if (card.streamingSince === undefined) return fail(400, 300309, "Streaming mode is closed");
      const found = card.json.body.elements.find((part: Json) => part.element_id === element);
      if (!found) return fail(400, 300313, "element not found");
      if (typeof content !== "string" || content.length > 100_000) {
        return fail(400, 300314, "content too long");
      }
      if (tablesOf({ body: { elements: [{ tag: "markdown", content }] } }) > CARD_TABLES) {
        return tooManyTables();
      }
      found.content = content;
      if (Buffer.byteLength(JSON.stringify(card.json)) > 30 * 1024) {
        return fail(400, 200860, "card over max size");
      }
      return ok({});
    });
  }

  async #update(id: string, request: Request): Promise<Response> {
    const { card: replacement, sequence, uuid } = await request.json();
    return this.#change(id, sequence, uuid, (card) => {
      if (Buffer.byteLength(replacement.data) > 30 * 1024) {
        return fail(400, 200860, "card over max size");
      }
      const json = JSON.parse(replacement.data);
      if (this.refuseReplacements || tablesOf(json) > CARD_TABLES) return tooManyTables();
      card.json = json;
      card.streamingSince = card.json.config?.streaming_mode === true
        ? this.#p.clock.now()
        : undefined;
      return ok({});
    });
  }

  async #remove(id: string, element: string, request: Request): Promise<Response> {
    const { sequence, uuid } = await request.json();
    return this.#change(id, sequence, uuid, (card) => {
      const { elements } = card.json.body;
      const at = elements.findIndex((part: Json) => part.element_id === element);
      if (at < 0) return fail(400, 300313, "element not found");
      elements.splice(at, 1);
      return ok({});
    });
  }

  /** A message by its id; of a card that streams only a hint, as the platform gives out. */
  #message(id: string): Response {
    const sent = this.#sent.get(decodeURIComponent(id));
    if (!sent) return fail(400, 230110, "The message has been deleted");
    const content = sent.card
      ? JSON.stringify({
        title: null,
        elements: [[{ tag: "text", text: "请升级至最新版本客户端，以查看内容" }]],
      })
      : sent.content;
    const isBots = /b$/.test(sent.id);
    const sender = isBots
      ? { id: this.#p.appId, id_type: "app_id", sender_type: "app" }
      : { id: `ou_of_${sent.chat}`, id_type: "open_id", sender_type: "user" };
    const item = {
      message_id: sent.id,
      msg_type: sent.type,
      chat_id: sent.chat,
      deleted: false,
      sender,
      body: { content },
    };
    return ok({ items: [item] });
  }

  async #setting(id: string, request: Request): Promise<Response> {
    const { settings, sequence, uuid } = await request.json();
    return this.#change(id, sequence, uuid, (card) => {
      const on = JSON.parse(settings).config?.streaming_mode;
      if (on === true) card.streamingSince = this.#p.clock.now();
      if (on === false) card.streamingSince = undefined;
      return ok({});
    });
  }

  #change(
    id: string,
    sequence: unknown,
    uuid: unknown,
    change: (card: Card) => Response,
  ): Response {
    const card = this.#cards.get(id);
    if (!card || this.#p.clock.now() - card.at > CARD_LIFE) {
      return fail(400, 200740, "card is not exist");
    }
    if (this.#over(`card:${id}`, [[10, 1000]]) !== undefined) return this.throttle(1000);
    if (typeof uuid === "string" && card.uuids.has(uuid)) {
      this.counts.repeatedUuids++;
      return ok({});
    }
    if (typeof sequence !== "number" || sequence <= card.sequence) {
      return fail(400, 300317, "sequence number compare failed");
    }
    const since = card.streamingSince;
    if (since !== undefined && this.#p.clock.now() - since > this.streamLife) {
      card.streamingSince = undefined;
      if (card.message) this.log.edit(card.message, { final: true });
    }
    const answer = change(card);
    if (answer.status === 200) {
      card.sequence = sequence;
      if (typeof uuid === "string") card.uuids.add(uuid);
      if (card.message) {
        this.log.recordMentions(this.#sent.get(card.message)!.chat, cardText(card.json), PINGS);
        this.log.edit(card.message, {
          text: cardText(card.json),
          final: card.streamingSince === undefined,
        });
      }
    }
    return answer;
  }

  #slow(): Response {
    this.counts.throttled++;
    return fail(400, 230020, "This operation triggers the frequency limit");
  }
}

/** What an app of a right set-up may do. */
const SCOPES = [
  "application:application:self_manage",
  "cardkit:card:write",
  "contact:contact.base:readonly",
  "contact:user.department:readonly",
  "im:message",
  "im:message.group_at_msg:readonly",
  "im:message.p2p_msg:readonly",
  "im:message:send_as_bot",
  "im:resource",
];

function ok(data: Json, more: Json = {}): Response {
  return Response.json({ code: 0, msg: "success", data, ...more });
}

function fail(
  status: number,
  code: number,
  msg: string,
  headers?: Record<string, string>,
): Response {
  return Response.json({ code, msg }, { status, headers });
}

/** Tables that a card takes: with more it is refused. */
const CARD_TABLES = 5;

function tooManyTables(): Response {
  return fail(400, 11310, "card table number over limit");
}

function tablesOf(json: Json): number {
  return cardText(json).split("\n").filter((line) =>
    line.includes("|") && /^[\s|:-]*-[\s|:-]*$/.test(line)
  ).length;
}

/**
 * `<at id=all></at>`, `<at user_id="ou_1">Tom</at>`, `<person id='ou_1'>`: whoever is named is
 * notified, everybody for `all`.
 */
const PINGS = [/<(?:at|person)\s+(?:user_)?(?:id|email|ids)\s*=\s*\\?["']?([\w@.-]+)/gi];

function cardText(json: Json): string {
  return (json.body?.elements ?? []).filter((part: Json) => part.tag === "markdown").map((
    part: Json,
  ) => part.content)
    .join("\n");
}

function encrypt(key: string, plain: string): string {
  const iv = randomBytes(16);
  const cipher = createCipheriv("aes-256-cbc", createHash("sha256").update(key).digest(), iv);
  return Buffer.concat([iv, cipher.update(plain, "utf8"), cipher.final()]).toString("base64");
}
