/**
 * WeCom as far as a self-built app and an AI bot see it: sealed callbacks with their repeats,
 * messages that are dropped silently past the member's limit, streams that are polled or refreshed
 * for six minutes, and the documented errors.
 *
 * Sources: WeCom 接收消息与事件 (2024-07), 访问频率限制 (2023-08), 发送应用消息, 智能机器人 (2025-07…2026-04), 消息推送配置说明.
 */
import { randomBytes } from "node:crypto";
import { Buffer } from "node:buffer";
import type { Clock } from "../../core/clock.ts";
import type { Json } from "../../core/store.ts";
import { ChatLog, page } from "../chat_log.ts";
import { Limits } from "../limits.ts";
import { type EnvelopeKeys, seal, sealFile, sign, unseal } from "./envelope.ts";

export interface WecomParts {
  readonly clock: Clock;
  readonly corpId: string;
  readonly agentId: number;
  readonly secret: string;
  readonly botId: string;
  readonly token: string;
  readonly encodingAesKey: string;
  /** Takes a callback of the app or of the bot. */
  readonly deliver?: (request: Request) => Promise<Response>;
  readonly callbackUrl?: string;
  /** Whether the page's messages go to the AI bot, where there is no long connection. */
  readonly aiBot?: boolean;
  /** Where files and `response_url`s are. */
  readonly origin?: string;
}

/** Callbacks come three times in all; how far apart is not documented. */
const REPEATS = [5000, 5000];
const DEADLINE = 5000;
const STREAM_LIFE = 6 * 60_000;
/** How often the AI bot's webhook is asked for news of a stream. */
const POLL = 1000;
const URL_LIFE = 3_600_000;
const TOKEN_LIFE = 7200_000;

export interface WecomMessage {
  readonly from: string;
  readonly text?: string;
  readonly group?: string;
  readonly messageId?: string;
  /** A picture, in place of text. */
  readonly image?: Uint8Array;
  /** A file, in place of text. Its name is in the download only, as WeCom does. */
  readonly file?: { readonly name: string; readonly bytes: Uint8Array };
  /** Another kind with its fields: `{"video":{…}}` for the bot, `<MediaId>…` for the app. */
  readonly message?: { readonly type: string; readonly fields: Json };
  /**
   * What this message quotes, as it stands in `quote`; a picture is made a file that can be
   * fetched.
   */
  readonly quote?: { readonly text?: string; readonly image?: Uint8Array };
  /** How the bot is called in the group; `Bot` unless set. */
  readonly botName?: string;
}

export class WecomEmulator {
  readonly log: ChatLog;
  /** `dropped`: messages that WeCom took, said ok to, and showed nobody. */
  readonly counts = {
    calls: 0,
    throttled: 0,
    dropped: 0,
    repeats: 0,
    pushes: 0,
    unacknowledged: 0,
    polls: 0,
    expired: 0,
  };
  readonly media = new Map<
    string,
    { type: string; name?: string; bytes: Uint8Array<ArrayBuffer> }
  >();
  readonly departments = new Map<string, number[]>();
  /** Whether calls come from an address that the app trusts. */
  isTrustedAddress = true;
  /** Whether an admin has disabled the app. */
  isDisabled = false;
  /** What members are called, where the app may see it. */
  readonly names = new Map<string, string>();
  /** What stands in place of a card's button, by its task id. */
  readonly buttons = new Map<string, string>();
  /** The keys of group robots that are there; all unless set. */
  webhookKeys: ReadonlySet<string> | undefined;
  readonly #codes = new Map<string, string>();
  /**
   * Given by whoever carries the long connection: a frame to the bot, and whether somebody was
   * there.
   */
  push: ((frame: Json) => boolean) | undefined;
  readonly #p: WecomParts;
  readonly #limits: Limits;
  readonly #tokens = new Map<string, number>();
  readonly #said = new Map<string, number>();
  /** Cards with buttons, by task id: whose they are. */
  readonly #tasks = new Map<string, string>();
  readonly #urls = new Map<string, { chat: string; until: number }>();
  readonly #requests = new Map<
    string,
    { chat: string; at: number; streams: Map<string, string> }
  >();
  readonly #known = new Set<string>();
  readonly #uploads = new Map<
    string,
    { total: number; chunks: Map<number, string>; type: string; name: string }
  >();
  readonly #timers = new Set<() => void>();
  #ids = 0;

  constructor(parts: WecomParts) {
    this.#p = parts;
    this.log = new ChatLog(parts.clock);
    this.#limits = new Limits(parts.clock);
  }

  stop(): void {
    for (const stop of this.#timers) stop();
    this.#timers.clear();
  }

  get #appKeys(): EnvelopeKeys {
    return { token: this.#p.token, aesKey: this.#p.encodingAesKey, receiver: this.#p.corpId };
  }

  get #botKeys(): EnvelopeKeys {
    return { token: this.#p.token, aesKey: this.#p.encodingAesKey, receiver: "" };
  }

  /*
   * ── the app
   * ───────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  /** A member writes to the app. */
  sayToApp(said: WecomMessage): string {
    const { clock, corpId, agentId } = this.#p;
    const id = said.messageId ?? String(7_300_000_000_000_000_000n + BigInt(++this.#ids));
    this.log.add({
      id,
      chat: said.from,
      from: "person",
      kind: "text",
      text: said.text ?? "",
      final: true,
    });
    const xml =
      `<xml><ToUserName><![CDATA[${corpId}]]></ToUserName><FromUserName><![CDATA[${said.from}]]></FromUserName>` +
      `<CreateTime>${Math.floor(clock.now() / 1000)}</CreateTime>` +
      (said.image
        ? `<MsgType><![CDATA[image]]></MsgType><PicUrl><![CDATA[http://x/]]></PicUrl><MediaId><![CDATA[${
          this.#upload(said.image)
        }]]></MediaId>`
        : said.message
        ? `<MsgType><![CDATA[${said.message.type}]]></MsgType>${said.message.fields}`
        : `<MsgType><![CDATA[text]]></MsgType><Content><![CDATA[${said.text}]]></Content>`) +
      `<MsgId>${id}</MsgId><AgentID>${agentId}</AgentID></xml>`;
    // What a passive reply would say is not shown here.
    void this.#deliver(() => this.appCallback(xml), REPEATS).then((response) =>
      response?.body?.cancel()
    );
    return id;
  }

  /**
   * A member presses a button of a card. The event comes once more where nobody acknowledges it.
   */
  press(taskId: string, key: string): void {
    const { clock, corpId, agentId } = this.#p;
    const from = this.#tasks.get(taskId);
    if (from === undefined) throw new Error(`no such card: ${taskId}`);
    const code = `press${++this.#ids}`;
    this.#codes.set(code, taskId);
    const xml =
      `<xml><ToUserName><![CDATA[${corpId}]]></ToUserName><FromUserName><![CDATA[${from}]]></FromUserName>` +
      `<CreateTime>${
        Math.floor(clock.now() / 1000)
      }</CreateTime><MsgType><![CDATA[event]]></MsgType>` +
      `<Event><![CDATA[template_card_event]]></Event><EventKey><![CDATA[${key}]]></EventKey>` +
      `<TaskId><![CDATA[${taskId}]]></TaskId><CardType><![CDATA[button_interaction]]></CardType>` +
      `<ResponseCode><![CDATA[${code}]]></ResponseCode><AgentID>${agentId}</AgentID></xml>`;
    void this.#deliver(() => this.appCallback(xml), REPEATS).then((response) =>
      response?.body?.cancel()
    );
  }

  /** Any XML as the callback that carries it. */
  appCallback(xml: string): Request {
    const encrypt = seal(this.#appKeys, xml);
    const body =
      `<xml><ToUserName><![CDATA[${this.#p.corpId}]]></ToUserName><AgentID><![CDATA[${this.#p.agentId}]]></AgentID>` +
      `<Encrypt><![CDATA[${encrypt}]]></Encrypt></xml>`;
    return new Request(this.#signed(this.#appKeys, encrypt), {
      method: "POST",
      body,
      headers: { "content-type": "text/xml" },
    });
  }

  /** The request by which an address is proven. */
  proof(words: string, bot = false): Request {
    const keys = bot ? this.#botKeys : this.#appKeys;
    const echostr = seal(keys, words);
    const url = new URL(this.#signed(keys, echostr));
    url.searchParams.set("echostr", echostr);
    return new Request(url);
  }

  #signed(keys: EnvelopeKeys, encrypt: string): string {
    const timestamp = String(Math.floor(this.#p.clock.now() / 1000)),
      nonce = randomBytes(6).toString("hex");
    const url = new URL(this.#p.callbackUrl ?? "http://bot.invalid/");
    url.searchParams.set("msg_signature", sign(keys, timestamp, nonce, encrypt));
    url.searchParams.set("timestamp", timestamp);
    url.searchParams.set("nonce", nonce);
    return url.href;
  }

  #upload(bytes: Uint8Array, name?: string): string {
    const id = `media${++this.#ids}`;
    this.media.set(id, { type: "image/png", name, bytes: new Uint8Array(bytes) });
    return id;
  }

  async #deliver(
    request: () => Request,
    repeats: readonly number[],
  ): Promise<Response | undefined> {
    this.counts.pushes++;
    const response = await this.#answered(request());
    if (response?.status === 200) return response;
    await response?.body?.cancel();
    this.counts.unacknowledged++;
    const [wait, ...rest] = repeats;
    if (wait === undefined) return undefined;
    return await new Promise((resolve) => {
      const stop = this.#p.clock.after(wait, () => {
        this.#timers.delete(stop);
        resolve(this.#deliver(request, rest));
      });
      this.#timers.add(stop);
    });
  }

  #answered(request: Request): Promise<Response | undefined> {
    return new Promise((resolve) => {
      let late = false;
      const stop = this.#p.clock.after(DEADLINE, () => {
        this.#timers.delete(stop);
        late = true;
        resolve(undefined);
      });
      this.#timers.add(stop);
      const settle = (response: Response | undefined) => {
        if (late) return void response?.body?.cancel();
        stop();
        this.#timers.delete(stop);
        resolve(response);
      };
      if (this.#p.deliver) this.#p.deliver(request).then(settle, () => settle(undefined));
      else settle(undefined);
    });
  }

  /*
   * ── the AI bot
   * ────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  /** A member writes to the AI bot, by whichever mode is there. */
  sayToBot(said: WecomMessage): string {
    const { clock, botId, origin = "https://qyapi.weixin.qq.com" } = this.#p;
    const id = said.messageId ?? `msg${(++this.#ids).toString(36).padStart(8, "0")}`;
    const chat = said.group ?? said.from;
    this.#known.add(chat);
    const code = randomBytes(6).toString("hex");
    this.#urls.set(code, { chat, until: clock.now() + URL_LIFE });
    this.log.add({ id, chat, from: "person", kind: "text", text: said.text ?? "", final: true });
    const content: Json = said.message
      ? { msgtype: said.message.type, ...said.message.fields }
      : said.file
      ? { msgtype: "file", file: this.#sealed(said.file.bytes, said.file.name) }
      : said.image
      ? { msgtype: "image", image: this.#sealed(said.image) }
      : {
        msgtype: "text",
        text: { content: said.group ? `@${said.botName ?? "Bot"} ${said.text}` : said.text },
      };
    const quote: Json = said.quote?.image
      ? { msgtype: "image", image: this.#sealed(said.quote.image) }
      : said.quote && { msgtype: "text", text: { content: said.quote.text } };
    const body = {
      msgid: id,
      aibotid: botId,
      chatid: said.group,
      chattype: said.group ? "group" : "single",
      from: { userid: said.from },
      create_time: Math.floor(clock.now() / 1000),
      response_url: `${origin}/cgi-bin/aibot/response?response_code=${code}`,
      ...content,
      quote,
    };
    if (this.push) {
      const req_id = `req${++this.#ids}`;
      this.#requests.set(req_id, { chat, at: clock.now(), streams: new Map() });
      this.push({ cmd: "aibot_msg_callback", headers: { req_id }, body });
    } else void this.#converse(body, chat);
    return id;
  }

  #sealed(bytes: Uint8Array, name?: string): { url: string; aeskey?: string } {
    const { origin = "https://ww-aibot.cos.ap-guangzhou.myqcloud.com", encodingAesKey } = this.#p;
    // By webhook the callback's key opens the file; over the long connection each has its own.
    const aeskey = this.push ? randomBytes(32).toString("base64") : undefined;
    const id = `file${++this.#ids}`;
    this.media.set(id, {
      type: "application/octet-stream",
      name,
      bytes: sealFile(bytes, aeskey ?? encodingAesKey + "="),
    });
    return { url: `${origin}/files/${id}`, aeskey };
  }

  /** Any JSON as the callback that carries it. */
  botCallback(body: Json): Request {
    const encrypt = seal(this.#botKeys, JSON.stringify(body));
    return new Request(this.#signed(this.#botKeys, encrypt), {
      method: "POST",
      body: JSON.stringify({ encrypt }),
      headers: { "content-type": "application/json" },
    });
  }

  /**
   * Hands the message over and asks for the stream until it is finished, or the six minutes are
   * over.
   */
  async #converse(body: Json, chat: string): Promise<void> {
    const begun = this.#p.clock.now();
    let response = await this.#deliver(() => this.botCallback(body), REPEATS);
    let shown: string | undefined;
    for (;;) {
      const answer = response === undefined ? undefined : await this.#opened(response);
      const stream = answer?.stream;
      if (shown === undefined && stream === undefined) return;
      if (stream !== undefined) {
        if (Buffer.byteLength(stream.content) > 20_480) this.counts.throttled++;
        if (shown === undefined) {
          this.log.add({
            id: `${chat}:${stream.id}`,
            chat,
            from: "bot",
            kind: "stream",
            text: stream.content,
            final: false,
          });
        }
        shown = stream.id;
        this.log.recordMentions(chat, stream.content, PINGS);
        this.log.edit(`${chat}:${shown}`, { text: stream.content, final: stream.finish });
        if (stream.msg_item) this.#items(chat, stream.msg_item);
        if (stream.finish) return;
      }
      if (this.#p.clock.now() - begun > STREAM_LIFE) {
        this.counts.expired++;
        return this.log.edit(`${chat}:${shown}`, { final: true });
      }
      await new Promise<void>((resolve) => {
        const stop = this.#p.clock.after(POLL, () => {
          this.#timers.delete(stop);
          resolve();
        });
        this.#timers.add(stop);
      });
      this.counts.polls++;
      const poll = {
        ...body,
        msgid: `poll${++this.#ids}`,
        msgtype: "stream",
        text: undefined,
        image: undefined,
        stream: { id: shown },
      };
      // A refresh that fails is asked for again; only the first message has a schedule.
      response = await this.#answered(this.botCallback(poll));
      if (response?.status !== 200) response = undefined;
    }
  }

  async #opened(response: Response): Promise<Json> {
    const text = await response.text();
    if (text === "") return undefined;
    const { encrypt, msgsignature, timestamp, nonce } = JSON.parse(text);
    if (sign(this.#botKeys, String(timestamp), nonce, encrypt) !== msgsignature) {
      throw new Error("a reply with a wrong signature");
    }
    return JSON.parse(unseal(this.#botKeys, encrypt));
  }

  #items(chat: string, items: Json[]) {
    for (const _item of items) {
      this.log.add({
        id: `item${++this.#ids}`,
        chat,
        from: "bot",
        kind: "image",
        text: "",
        final: true,
      });
    }
  }

  /** A frame of the bot over the long connection; what comes back is its acknowledgement. */
  frame(frame: Json): Json {
    this.counts.calls++;
    const headers = { req_id: frame?.headers?.req_id };
    const fail = (errcode: number, errmsg: string) => ({ headers, errcode, errmsg });
    const ok = (body?: Json) => ({ headers, errcode: 0, errmsg: "ok", body });
    const body = frame?.body ?? {};
    switch (frame?.cmd) {
      case "ping":
        return ok();
      case "aibot_subscribe":
        return body.bot_id === this.#p.botId && body.secret === this.#p.secret
          ? ok()
          : fail(40001, "invalid credential");
      case "aibot_respond_msg":
        return this.#refresh(headers.req_id, body, fail, ok);
      case "aibot_send_msg": {
        if (!this.#known.has(body.chatid)) {
          return fail(40003, "the member has not written to the bot");
        }
        if (this.#overChat(body.chatid)) return fail(45009, "api freq out of limit");
        const media = body[body.msgtype]?.media_id;
        if (media !== undefined && !this.media.has(media)) return fail(40007, "invalid media_id");
        const text = body.markdown?.content ?? body.text?.content ?? this.media.get(media)?.name ??
          "";
        if (Buffer.byteLength(text) > 20_480) return fail(45002, "content too long");
        this.log.recordMentions(body.chatid, text, PINGS);
        this.log.add({
          id: `send${++this.#ids}`,
          chat: body.chatid,
          from: "bot",
          kind: body.msgtype,
          text,
          final: true,
        });
        return ok();
      }
      case "aibot_upload_media_init": {
        const upload_id = `up${++this.#ids}`;
        this.#uploads.set(upload_id, {
          total: body.total_chunks,
          chunks: new Map(),
          type: body.type,
          name: body.filename,
        });
        return ok({ upload_id });
      }
      case "aibot_upload_media_chunk":
        this.#uploads.get(body.upload_id)?.chunks.set(body.chunk_index, body.base64_data);
        return ok();
      case "aibot_upload_media_finish": {
        const upload = this.#uploads.get(body.upload_id);
        if (!upload || upload.chunks.size !== upload.total) {
          return fail(40058, "chunks are missing");
        }
        const pieces = [...upload.chunks].sort(([a], [b]) => a - b).map(([, piece]) =>
          Buffer.from(piece, "base64")
        );
        const media_id = this.#upload(Buffer.concat(pieces), upload.name);
        return ok({ type: upload.type, media_id, created_at: 0 });
      }
      default:
        return fail(40008, "invalid cmd");
    }
  }

  #refresh(
    req: string,
    body: Json,
    fail: (code: number, text: string) => Json,
    ok: (body?: Json) => Json,
  ): Json {
    const asked = this.#requests.get(req);
    if (!asked) return fail(846605, "invalid req_id");
    if (this.#p.clock.now() - asked.at > STREAM_LIFE) {
      this.counts.expired++;
      return fail(846608, "stream message update expired");
    }
    if (this.#overChat(asked.chat)) return fail(45009, "api freq out of limit");
    const { id, finish, content, msg_item } = body.stream ?? {};
    if (
      typeof id !== "string" || typeof content !== "string" || Buffer.byteLength(content) > 20_480
    ) {
      return fail(45002, "content too long");
    }
    this.log.recordMentions(asked.chat, content, PINGS);
    const known = asked.streams.get(id);
    if (known === undefined) {
      const shown = this.log.add({
        id: `${req}:${id}`,
        chat: asked.chat,
        from: "bot",
        kind: "stream",
        text: content,
        final: finish === true,
      });
      asked.streams.set(id, shown.id);
    } else this.log.edit(known, { text: content, final: finish === true });
    if (msg_item && finish) this.#items(asked.chat, msg_item);
    return ok();
  }

  /** Thirty a minute and a thousand an hour, replies and pushes together. */
  #overChat(chat: string): boolean {
    const over =
      this.#limits.hitAll([[`chat:${chat}`, 30, 60_000], [`chat:${chat}`, 1000, 3_600_000]]) !==
        undefined;
    if (over) this.counts.throttled++;
    return over;
  }

  /*
   * ── the API
   * ───────────────────────────────────────────────────────────────────────────────────────────────────────
   */

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const shown = await page(request, {
      title: "WeCom, emulated",
      log: this.log,
      say: (chat, text) =>
        void (this.push || this.#p.aiBot
          ? this.sayToBot({ from: chat, text })
          : this.sayToApp({ from: chat, text })),
      figures: () => ({ ...this.counts }),
    });
    if (shown) return shown;
    if (url.pathname.startsWith("/files/")) return this.#file(url.pathname.slice("/files/".length));
    this.counts.calls++;
    if (url.pathname === "/cgi-bin/gettoken") return this.#token(url);
    if (url.pathname === "/cgi-bin/aibot/response") return await this.#response(request, url);
    if (url.pathname === "/cgi-bin/webhook/send") return await this.#webhook(request, url);
    const token = url.searchParams.get("access_token") ?? "";
    if ((this.#tokens.get(token) ?? 0) <= this.#p.clock.now()) {
      return answer(40014, "invalid access_token");
    }
    if (!this.isTrustedAddress) {
      return answer(60020, "not allow to access from your ip, hint: [1], from ip: 203.0.113.9");
    }
    if (this.#limits.hitAll([[url.pathname, 10_000, 60_000], [url.pathname, 150_000, 3_600_000]])) {
      return this.throttle();
    }
    switch (url.pathname) {
      case "/cgi-bin/message/send":
        return this.#message(await request.json());
      case "/cgi-bin/media/upload": {
        const media = (await request.formData()).get("media");
        if (!(media instanceof Blob)) return answer(41005, "media data missing");
        if (
          media.size > (url.searchParams.get("type") === "image" ? 10 : 20) << 20 || media.size <= 5
        ) {
          return answer(40006, "invalid media size");
        }
        const name = media instanceof File ? media.name : undefined;
        return answer(0, "ok", {
          media_id: this.#upload(new Uint8Array(await media.arrayBuffer()), name),
        });
      }
      case "/cgi-bin/message/update_template_card":
        return this.#relabel(await request.json());
      case "/cgi-bin/media/get":
        return this.#file(url.searchParams.get("media_id") ?? "");
      case "/cgi-bin/agent/get":
        return this.#agent(Number(url.searchParams.get("agentid")));
      case "/cgi-bin/user/get": {
        const userid = url.searchParams.get("userid") ?? "";
        return answer(0, "ok", {
          userid,
          name: this.names.get(userid),
          department: this.departments.get(userid) ?? [],
        });
      }
      default:
        return answer(40066, "invalid url");
    }
  }

  #agent(agentid: number): Response {
    if (agentid !== this.#p.agentId) {
      return answer(301002, "not allow operate another agent with this accesstoken");
    }
    return answer(0, "ok", { agentid, name: "Bot", close: this.isDisabled ? 1 : 0 });
  }

  throttle(): Response {
    this.counts.throttled++;
    return answer(45009, "api freq out of limit");
  }

  /** Takes every token away, as the platform may. */
  spoilTokens(): void {
    this.#tokens.clear();
  }

  #token(url: URL): Response {
    const { corpId, secret, clock } = this.#p;
    if (url.searchParams.get("corpid") !== corpId) return answer(40013, "invalid corpid");
    if (url.searchParams.get("corpsecret") !== secret) {
      return answer(40001, "invalid credential");
    }
    const token = [...this.#tokens].find(([, until]) => until > clock.now())?.[0] ??
      randomBytes(16).toString("hex");
    if (!this.#tokens.has(token)) this.#tokens.set(token, clock.now() + TOKEN_LIFE);
    return answer(0, "ok", {
      access_token: token,
      expires_in: Math.floor((this.#tokens.get(token)! - clock.now()) / 1000),
    });
  }

  #message(body: Json): Response {
    if (body.agentid !== this.#p.agentId) return answer(40056, "invalid agentid");
    const user = String(body.touser);
    const now = this.#p.clock.now();
    const media = body[body.msgtype]?.media_id;
    if (media !== undefined && !this.media.has(media)) return answer(40007, "invalid media_id");
    if (body.msgtype === "template_card") {
      const { card_type, main_title, task_id, button_list } = body.template_card ?? {};
      const buttons = Array.isArray(button_list) && button_list.length >= 1 &&
        button_list.length <= 6;
      if (card_type !== "button_interaction" || !main_title?.title || !buttons) {
        return answer(40058, "invalid card");
      }
      if (!/^[\w@-]{1,128}$/.test(task_id) || this.#tasks.has(task_id)) {
        return answer(42014, "taskid has existed or empty or exceed max len");
      }
      this.#tasks.set(task_id, user);
    }
    let text = String(
      body[body.msgtype]?.content ?? body.template_card?.main_title.title ??
        this.media.get(media)?.name ?? "",
    );
    if (body.enable_duplicate_check === 1) {
      const key = `${user}\n${JSON.stringify(body[body.msgtype])}`;
      const last = this.#said.get(key);
      if (
        last !== undefined &&
        now - last < Math.min(body.duplicate_check_interval ?? 1800, 14_400) * 1000
      ) {
        this.counts.repeats++;
        return answer(0, "ok", { msgid: "repeat" });
      }
      this.#said.set(key, now);
    }
    // Past the member's limit WeCom drops the message and says ok.
    if (
      this.#limits.hitAll([[`member:${user}`, 30, 60_000], [`member:${user}`, 1000, 3_600_000]])
    ) {
      this.counts.dropped++;
      return answer(0, "ok", { msgid: "dropped" });
    }
    // What is too long is cut off without a word.
    const bytes = Buffer.from(text);
    if (bytes.length > 2048) {
      text = bytes.subarray(0, 2048).toString();
      this.counts.dropped++;
    }
    this.log.recordMentions(user, text, PINGS);
    this.log.add({
      id: `app${++this.#ids}`,
      chat: user,
      from: "bot",
      kind: body.msgtype,
      text,
      final: true,
    });
    // The code is good for one change of the card, within 72 hours: path/94945.
    const response_code = body.msgtype === "template_card" ? `rc${this.#ids}` : undefined;
    if (response_code) this.#codes.set(response_code, body.template_card.task_id);
    return answer(0, "ok", { msgid: `m${this.#ids}`, response_code });
  }

  /** Words in place of a card's button; a code is good once. */
  #relabel(body: Json): Response {
    const task = this.#codes.get(body.response_code);
    if (body.agentid !== this.#p.agentId) return answer(40056, "invalid agentid");
    if (task === undefined || !Array.isArray(body.userids)) {
      return answer(42045, "response_code is invalid or used");
    }
    if (typeof body.button?.replace_name !== "string") return answer(40058, "invalid button");
    this.#codes.delete(body.response_code);
    this.buttons.set(task, body.button.replace_name);
    return answer(0, "ok");
  }

  async #response(request: Request, url: URL): Promise<Response> {
    const code = url.searchParams.get("response_code") ?? "";
    const found = this.#urls.get(code);
    if (!found || found.until < this.#p.clock.now()) {
      return answer(60140, "response_url used or expired");
    }
    const body = await request.json();
    const text = String(body.markdown?.content ?? "");
    if (Buffer.byteLength(text) > 20_480) return answer(45002, "content too long");
    // One call.
    this.#urls.delete(code);
    this.log.recordMentions(found.chat, text, PINGS);
    this.log.add({
      id: `url${++this.#ids}`,
      chat: found.chat,
      from: "bot",
      kind: body.msgtype,
      text,
      final: true,
    });
    return answer(0, "ok");
  }

  async #webhook(request: Request, url: URL): Promise<Response> {
    const key = url.searchParams.get("key") ?? "";
    if (this.#limits.hit(`webhook:${key}`, 20, 60_000) > 0) return this.throttle();
    if (this.webhookKeys?.has(key) === false) return answer(93000, "invalid webhook url");
    const body = await request.json();
    const text = String(body.markdown?.content ?? body.text?.content ?? "");
    if (text === "") return answer(44004, "empty content");
    if (Buffer.byteLength(text) > 4096) return answer(40058, "content exceeds the limit");
    this.log.recordMentions(`webhook ${key}`, text, PINGS);
    for (const who of body.text?.mentioned_list ?? []) {
      this.log.mentions.push({ chat: `webhook ${key}`, who });
    }
    this.log.add({
      id: `hook${++this.#ids}`,
      chat: `webhook ${key}`,
      from: "bot",
      kind: body.msgtype,
      text,
      final: true,
    });
    return answer(0, "ok");
  }

  #file(id: string): Response {
    const found = this.media.get(id);
    return found
      ? new Response(found.bytes, {
        headers: {
          "content-type": found.type,
          ...(found.name
            ? { "content-disposition": `attachment; filename="${encodeURIComponent(found.name)}"` }
            : {}),
        },
      })
      : answer(40007, "invalid media_id");
  }
}

/** `<@userid>` in Markdown, `@all` in a text. */
const PINGS = [/<@([\w.@-]+)>/g, /@(all|所有人)/gi];

function answer(errcode: number, errmsg: string, more: Json = {}): Response {
  return Response.json({ errcode, errmsg, ...more });
}
