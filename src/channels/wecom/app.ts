/**
 * A WeCom self-built app, running. It has no edits and no streams: one final, split where it must
 * be, and never more than a member may get, because WeCom drops the rest and says ok.
 *
 * Sources: WeCom 接收消息与事件 (2024-07), 发送应用消息, 频率限制.
 */
import { Buffer } from "node:buffer";
import type { BudgetScope } from "../im/send_budget.ts";
import type { Json } from "../../core/store.ts";
import { type AcceptedAttachments, type Attachment, blobOf } from "../im/attachment.ts";
import { readBody } from "../im/body.ts";
import { type HttpCaller, httpCaller, type HttpResponse, parse, request } from "../im/http_call.ts";
import type { Channel, ChannelParts } from "../im/channel.ts";
import { Inbox } from "../im/inbox.ts";
import { Envelope } from "../im/envelope.ts";
import { fileNameOf } from "../im/file_name.ts";
import { type AppHealth, Health } from "../im/health.ts";
import { downgrade } from "../im/markdown.ts";
import { withoutMentions } from "../im/mention_guard.ts";
import { rates } from "../im/rates.ts";
import { NAME_TIMEOUT_MS, standaloneSend } from "../im/send.ts";
import {
  type DeliveryMethod,
  type FetchedFile,
  type Incoming,
  type Platform,
  PlatformError,
  type SendOptions,
} from "../im/platform.ts";
import { AccessToken } from "../im/token.ts";
import { callerParts } from "../im/caller_parts.ts";
import { languageOf, wordsIn } from "../im/words.ts";
import { readAppMessage } from "./app_event.ts";
import { explain } from "./explain.ts";
import { judge } from "./judge.ts";
import type { WecomAppSettings } from "./settings.ts";
import { readXml } from "./xml.ts";

/** 2048 are allowed and what is beyond is cut off silently. */
const BYTES = 2000;

/** Stopped answers that are remembered until they have ended. */
const MANY = 1000;

/**
 * Milliseconds after which a sign of life is sent, so that it is there within three seconds; it
 * costs one of the member's messages.
 */
const PLACEHOLDER = 2500;

/**
 * Seconds in which WeCom drops a message that says the same to the same member: long enough for a
 * repeat after a timeout and several blocked minutes, and after a restart.
 */
const SAME = 1800;

/**
 * An image 10 MB and JPG or PNG, a file 20 MB, each of more than 5 bytes:
 * developer.work.weixin.qq.com, path/96484.
 */
const TAKES: AcceptedAttachments = {
  image: { types: /^image\/(?:png|jpe?g)$/, bytes: 10 << 20 },
  file: { bytes: 20 << 20, above: 5 },
};

export class WecomApp implements Channel, Platform {
  readonly accepts = TAKES;
  readonly inbox: Inbox;
  readonly #parts: ChannelParts;
  readonly #s: WecomAppSettings;
  readonly #health: Health;
  readonly #name: string;
  readonly #envelope: Envelope;
  readonly #caller: HttpCaller;
  /** Questions whose answer is ending because of their button. */
  readonly #stoppedByPress = new Set<string>();
  /**
   * What was said to whom lately, and by which send: so that saying the same to the next question
   * is not taken for a repeat.
   */
  readonly #said = new Map<string, { id: string; at: number }>();

  constructor(name: string, settings: WecomAppSettings, parts: ChannelParts) {
    this.#health = new Health({ ...parts, channel: "wecom", app: name, explain });
    this.#name = name;
    this.#s = settings;
    this.#parts = parts;
    this.#envelope = new Envelope({
      token: settings.token,
      aesKey: settings.encodingAesKey,
      receiver: settings.corpId,
    });
    const wire = callerParts(parts, settings, this.#health);
    const token = new AccessToken(parts.clock, async (patience) => {
      const query = new URLSearchParams({ corpid: settings.corpId, corpsecret: settings.secret });
      const answer = await request(
        wire,
        "token",
        "GET",
        `${settings.baseUrl}/cgi-bin/gettoken?${query}`,
        {},
        patience,
      );
      const body = typeof answer === "string" ? undefined : parse(answer.text);
      if (body?.errcode === 0) {
        return { token: body.access_token, lifetime: body.expires_in * 1000 };
      }
      const code = String(body?.errcode ?? answer);
      throw new PlatformError(
        /^40/.test(code) ? "refused" : "unavailable",
        code,
        "no access_token",
      );
    });
    this.#caller = httpCaller({ ...wire, token });
    this.inbox = new Inbox({
      ...parts,
      channel: "wecom",
      app: name,
      platform: this,
      settings,
      reportFailure: (code, said) => this.#health.recordFailure(code, said),
    });
  }

  async start(): Promise<void> {
    await this.inbox.resume();
  }

  /** It is called and has no connection of its own. */
  get health(): AppHealth {
    return this.#health.view(true);
  }

  stop(): Promise<void> {
    this.inbox.close();
    return Promise.resolve();
  }

  /** `GET /channels/wecom/NAME` proves the address, `POST` brings a message. */
  async fetch(request: Request, address?: string): Promise<Response> {
    const query = new URL(request.url).searchParams;
    const read = (name: string) => query.get(name) ?? "";
    const refuse = (why: string) => {
      this.#health.recordRefusal(why, address);
      return new Response(null, { status: 401 });
    };
    const open = (encrypted: string) =>
      this.#envelope.open(read("msg_signature"), read("timestamp"), read("nonce"), encrypted);
    if (request.method === "GET") {
      const opened = open(read("echostr"));
      return "forged" in opened ? refuse(opened.forged) : new Response(opened.message);
    }
    if (request.method !== "POST") {
      return new Response(null, { status: 405, headers: { allow: "GET, POST" } });
    }
    const body = await readBody(request);
    if (!body) return new Response(null, { status: 413 });
    const outer = readXml(new TextDecoder().decode(body));
    if (outer?.Encrypt === undefined) return new Response(null, { status: 400 });
    const opened = open(outer.Encrypt);
    if ("forged" in opened) return refuse(opened.forged);
    this.#parts.onStep?.("received");
    this.#health.received();
    const fields = readXml(opened.message) ?? {};
    const incoming = readAppMessage(fields, { corpId: this.#s.corpId, name: this.#name });
    if (incoming) await this.inbox.receive(incoming);
    else if (fields.Event === "template_card_event") await this.#pressed(fields);
    return new Response("");
  }

  /** The stop button. What it did stands on it from then on. */
  async #pressed(fields: Record<string, string>): Promise<void> {
    const { FromUserName = "", CreateTime, TaskId = "", EventKey, ResponseCode } = fields;
    if (EventKey !== STOP || await this.inbox.seen(`${FromUserName}:${CreateTime}:${TaskId}`)) {
      return;
    }
    const question = TaskId.slice(STOP.length + 1);
    const stopped = await this.inbox.stop(question, FromUserName);
    if (this.#stoppedByPress.size > MANY) this.#stoppedByPress.clear();
    if (stopped === "stopped") this.#stoppedByPress.add(question);
    if (!ResponseCode) return;
    const label = wordsIn(this.#s.language).stopLabels[stopped];
    this.#relabel(FromUserName, ResponseCode, label, standaloneSend(`${TaskId}:label`)).catch((
      error,
    ) => this.#parts.observer.tell({ type: "fault", where: "wecom: stop", error }));
  }

  /**
   * Puts words in place of a card's button, which then does nothing. A code is good for one such
   * call (path/94888).
   */
  async #relabel(user: string, code: string, label: string, send: SendOptions): Promise<void> {
    const api = this.#api("message.update_card");
    await this.#caller.call({
      ...send,
      reservation: undefined,
      method: "POST",
      url: (token) =>
        `${this.#s.baseUrl}/cgi-bin/message/update_template_card?access_token=${
          encodeURIComponent(token)
        }`,
      body: () => ({
        userids: [user],
        agentid: this.#s.agentId,
        response_code: code,
        button: { replace_name: label },
      }),
      path: [api],
      repeatable: true,
      judge: (answer) => judge(answer, api),
    });
  }

  methods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    const user = incoming.sender.id;
    const after = this.#s.placeholderAfter;
    const relabel = this.#relabel.bind(this), pressed = this.#stoppedByPress;
    const way: DeliveryMethod = {
      name: "message",
      maxBytes: BYTES,
      live: false,
      repeatable: true,
      maxMessages: Infinity,
      placeholderAfter: after === undefined ? PLACEHOLDER : after * 1000,
      finalPath: [this.#person(user), ...this.#day()],
      render: (markdown) =>
        withoutMentions(
          this.#s.format === "text"
            ? downgrade(markdown, { plain: true })
            : downgrade(markdown, { tables: true, fences: true, images: true }),
          "wecom",
        ),
      open: async (text, send) => {
        await this.#send(
          user,
          this.#s.format,
          () => ({ content: this.#told(user, text(), send.id) }),
          send,
        );
        return {};
      },
      // The WeChat plugin shows no cards.
      showWorking: this.#s.format === "text" ? undefined : async (text, send) => {
        const { stopButton } = wordsIn(languageOf(incoming.text, this.#s.language));
        const sent = await this.#send(
          user,
          "template_card",
          () => stopCard(text, stopButton, incoming.id),
          send,
        );
        return { code: sent.response_code ?? "" };
      },
      async endWorking(place, label, send) {
        // What a press did stands there already.
        if (place.code && !pressed.delete(incoming.id)) {
          await relabel(user, place.code, label, send);
        }
      },
    };
    return Promise.resolve([way]);
  }

  pushMethods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    return this.methods(incoming);
  }

  async fetchImage(_incoming: Incoming, ref: Json): Promise<string> {
    const answer = await this.#media(ref);
    const type = answer.headers.get("content-type")?.split(";")[0] ?? "image/jpeg";
    return `data:${type};base64,${Buffer.from(answer.bytes).toString("base64")}`;
  }

  async fetchFile(_incoming: Incoming, ref: Json, max: number): Promise<FetchedFile> {
    const { bytes, headers } = await this.#media(ref, max);
    return { bytes, name: fileNameOf(headers) };
  }

  async attach(
    incoming: Incoming,
    attachment: Attachment,
    form: "image" | "file",
    send: SendOptions,
  ): Promise<void> {
    // The duplicate check knows a repeat by its content, so the media id must be the same.
    const media_id: string = send.checkpoint?.media ?? await this.#upload(attachment, form, send);
    await send.saveCheckpoint({ media: media_id });
    await this.#send(incoming.sender.id, form, () => ({ media_id }), send);
  }

  async #upload(attachment: Attachment, type: string, send: SendOptions): Promise<string> {
    const api = this.#api("media.upload");
    const uploaded = await this.#caller.call({
      ...send,
      reservation: undefined,
      method: "POST",
      url: (token) =>
        `${this.#s.baseUrl}/cgi-bin/media/upload?access_token=${
          encodeURIComponent(token)
        }&type=${type}`,
      body: () => {
        const form = new FormData();
        form.set("media", blobOf(attachment), attachment.name);
        return form;
      },
      path: [api],
      repeatable: true,
      judge: (answer) => judge(answer, api),
    });
    return uploaded.media_id;
  }

  async departments(incoming: Incoming): Promise<readonly string[]> {
    const { department = [] } = await this.#user(
      incoming.sender.id,
      standaloneSend(`${incoming.id}:dept`),
    );
    return department.map(String);
  }

  async nameOf({ id, sender }: Incoming): Promise<string | undefined> {
    return (await this.#user(sender.id, standaloneSend(`${id}:name`, NAME_TIMEOUT_MS))).name;
  }

  /** A member, as far as the app may see them. */
  async #user(
    userId: string,
    send: SendOptions,
  ): Promise<{ readonly name?: string; readonly department?: number[] }> {
    const api = this.#api("user.get");
    const user = encodeURIComponent(userId);
    return await this.#caller.call({
      ...send,
      method: "GET",
      url: (token) =>
        `${this.#s.baseUrl}/cgi-bin/user/get?access_token=${
          encodeURIComponent(token)
        }&userid=${user}`,
      path: [api],
      repeatable: true,
      judge: (answer) => judge(answer, api),
    });
  }

  async #send(user: string, type: string, content: () => Json, send: SendOptions): Promise<Json> {
    const api = this.#api("message.send");
    return await this.#caller.call({
      ...send,
      method: "POST",
      url: (token) =>
        `${this.#s.baseUrl}/cgi-bin/message/send?access_token=${encodeURIComponent(token)}`,
      body: () => ({
        touser: user,
        msgtype: type,
        agentid: this.#s.agentId,
        [type]: content(),
        enable_duplicate_check: 1,
        duplicate_check_interval: SAME,
      }),
      path: [api, this.#person(user), ...this.#day()],
      repeatable: true,
      judge: (answer) => judge(answer, api),
    });
  }

  async #media(ref: Json, maxBytes?: number): Promise<HttpResponse> {
    const api = this.#api("media.get");
    return await this.#caller.call({
      ...standaloneSend(`media:${ref}`),
      kind: "download",
      maxBytes,
      method: "GET",
      url: (token) =>
        `${this.#s.baseUrl}/cgi-bin/media/get?access_token=${encodeURIComponent(token)}&media_id=${
          encodeURIComponent(ref)
        }`,
      path: [api],
      repeatable: true,
      judge: (answer) =>
        answer.text === "" && answer.status === 200
          ? { kind: "ok", body: answer }
          : judge(answer, api),
    });
  }

  /**
   * The text, told apart from the same words of another answer a moment ago by a mark that nobody
   * sees.
   */
  #told(user: string, text: string, id: string): string {
    const now = this.#parts.clock.now();
    for (let words = text;; words += "\u200b") {
      const key = `${user}\n${words}`;
      const known = this.#said.get(key);
      if (known && known.id !== id && now - known.at < SAME * 1000) continue;
      this.#said.delete(key);
      this.#said.set(key, { id, at: now });
      for (const [old, { at }] of this.#said) {
        if (now - at < SAME * 1000 && this.#said.size < 10_000) break;
        this.#said.delete(old);
      }
      return words;
    }
  }

  #api(name: string): BudgetScope {
    const { corpId, limits } = this.#s;
    return { key: `wecom:${corpId}:${name}`, rates: rates(limits.api, { minute: 9500 }) };
  }

  #person(user: string): BudgetScope {
    const { corpId, agentId, limits } = this.#s;
    return {
      key: `wecom:${corpId}:${agentId}:person:${user}`,
      rates: rates(limits.person, { minute: 28, hour: 950 }),
    };
  }

  #day(): BudgetScope[] {
    const { corpId, agentId, limits } = this.#s;
    return limits.day
      ? [{
        key: `wecom:${corpId}:${agentId}:day`,
        rates: [],
        quota: { limit: limits.day, period: "day" },
      }]
      : [];
  }
}

/** The key of the stop button, and what its card's task id begins with. */
const STOP = "stop";

/**
 * A `button_interaction` card: 1 to 6 buttons, a title of some 36 characters, and a task id of
 * digits, letters and `_-@`, at most 128 bytes, that this app has not used before (path/90372). Its
 * button is replaced by words when it was pressed and when the answer is there.
 */
function stopCard(text: string, button: string, messageId: string): Json {
  return {
    card_type: "button_interaction",
    main_title: { title: text },
    task_id: `${STOP}-${messageId}`,
    button_list: [{ text: button, style: 2, key: STOP }],
  };
}
