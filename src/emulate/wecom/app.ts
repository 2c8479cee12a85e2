/**
 * A self-built app of WeCom: members' messages as sealed callbacks, messages to members, which are
 * dropped silently past a member's limit, and cards with buttons.
 *
 * Sources: WeCom 接收消息与事件 (2024-07), 访问频率限制 (2023-08), 发送应用消息.
 */
import { Buffer } from "node:buffer";
import type { Json } from "../../core/store.ts";
import { seal } from "./envelope.ts";
import { answer } from "./response.ts";
import { RETRIES_MS, type WecomMessage, type WecomState } from "./state.ts";

/** Bytes of a text; WeCom cuts off the rest without a word. */
const MAX_TEXT_BYTES = 2048;

/** Seconds of the duplicate check: the default, and the most. */
const DUPLICATE_SECONDS = 1800, MAX_DUPLICATE_SECONDS = 14_400;

export class WecomAppEmulator {
  readonly departments = new Map<string, number[]>();
  /** Members' names, where the app may see them. */
  readonly names = new Map<string, string>();
  /** The words that replaced a card's button, by task id. */
  readonly buttons = new Map<string, string>();
  /** When each member got each content, for the duplicate check. */
  readonly #sentAt = new Map<string, number>();
  /** The members of the cards with buttons, by task id. */
  readonly #tasks = new Map<string, string>();
  /** Task ids by `response_code`. */
  readonly #codes = new Map<string, string>();

  constructor(private readonly state: WecomState) {}

  /** A member writes. Returns the message's id. */
  say(said: WecomMessage): string {
    const { state } = this;
    const id = said.messageId ?? String(7_300_000_000_000_000_000n + BigInt(state.nextId()));
    const text = said.text ?? "";
    state.log.add({ id, chat: said.from, from: "person", kind: "text", text, final: true });
    this.#deliver(said.from, `${this.#contentOf(said)}<MsgId>${id}</MsgId>`);
    return id;
  }

  #contentOf({ text, image, message }: WecomMessage): string {
    if (image) {
      const media = element("MediaId", this.state.store(image));
      return `${element("MsgType", "image")}${element("PicUrl", "http://x/")}${media}`;
    }
    if (message) return `${element("MsgType", message.type)}${message.fields}`;
    return `${element("MsgType", "text")}${element("Content", String(text))}`;
  }

  /** A member presses a button of a card. */
  press(taskId: string, key: string): void {
    const from = this.#tasks.get(taskId);
    if (from === undefined) throw new Error(`no such card: ${taskId}`);
    const code = `press${this.state.nextId()}`;
    this.#codes.set(code, taskId);
    const fields = {
      MsgType: "event",
      Event: "template_card_event",
      EventKey: key,
      TaskId: taskId,
      CardType: "button_interaction",
      ResponseCode: code,
    };
    this.#deliver(
      from,
      Object.entries(fields).map(([name, value]) => element(name, value)).join(""),
    );
  }

  /** Sends a callback, again where it is not acknowledged. A passive reply is not shown. */
  #deliver(from: string, content: string): void {
    const { clock, parts, delivery } = this.state;
    const seconds = Math.floor(clock.now() / 1000);
    const xml = `<xml>${element("ToUserName", parts.corpId)}${element("FromUserName", from)}` +
      `<CreateTime>${seconds}</CreateTime>${content}<AgentID>${parts.agentId}</AgentID></xml>`;
    void delivery.deliver(() => this.state.post(this.callback(xml)), RETRIES_MS);
  }

  /** Any XML as the callback that carries it. */
  callback(xml: string): Request {
    const { corpId, agentId } = this.state.parts;
    const keys = this.state.envelopeKeys(corpId);
    const encrypted = seal(keys, xml);
    const body = `<xml>${element("ToUserName", corpId)}${element("AgentID", String(agentId))}` +
      `${element("Encrypt", encrypted)}</xml>`;
    const headers = { "content-type": "text/xml" };
    return new Request(this.state.signedUrl(keys, encrypted), { method: "POST", body, headers });
  }

  /** `message/send`. */
  send(body: Json): Response {
    const { state } = this;
    if (body.agentid !== state.parts.agentId) return answer(40056, "invalid agentid");
    const user = String(body.touser);
    const content = body[body.msgtype];
    const media = content?.media_id;
    if (media !== undefined && !state.media.has(media)) return answer(40007, "invalid media_id");
    const isCard = body.msgtype === "template_card";
    const refusal = isCard ? this.#addCard(user, content ?? {}) : undefined;
    if (refusal) return refusal;
    if (this.#isDuplicate(user, body)) {
      state.counts.repeats++;
      return answer(0, "ok", { msgid: "repeat" });
    }
    const key = `member:${user}`;
    if (state.limits.hitAll([[key, 30, 60_000], [key, 1000, 3_600_000]])) {
      state.counts.dropped++;
      return answer(0, "ok", { msgid: "dropped" });
    }
    const text = content?.content ?? content?.main_title?.title ?? state.media.get(media)?.name;
    state.show(user, body.msgtype, this.#cutOff(String(text ?? "")), "app");
    return answer(0, "ok", {
      msgid: `m${state.nextId()}`,
      response_code: isCard ? this.#responseCode(content.task_id) : undefined,
    });
  }

  #addCard(user: string, card: Json): Response | undefined {
    const { card_type, main_title, task_id, button_list } = card;
    const hasButtons = Array.isArray(button_list) && button_list.length >= 1 &&
      button_list.length <= 6;
    if (card_type !== "button_interaction" || !main_title?.title || !hasButtons) {
      return answer(40058, "invalid card");
    }
    if (!/^[\w@-]{1,128}$/.test(task_id) || this.#tasks.has(task_id)) {
      return answer(42014, "taskid has existed or empty or exceed max len");
    }
    this.#tasks.set(task_id, user);
    return undefined;
  }

  #isDuplicate(user: string, body: Json): boolean {
    if (body.enable_duplicate_check !== 1) return false;
    const key = `${user}\n${JSON.stringify(body[body.msgtype])}`;
    const now = this.state.clock.now();
    const last = this.#sentAt.get(key) ?? -Infinity;
    const { duplicate_check_interval = DUPLICATE_SECONDS } = body;
    if (now - last < Math.min(duplicate_check_interval, MAX_DUPLICATE_SECONDS) * 1000) return true;
    this.#sentAt.set(key, now);
    return false;
  }

  #cutOff(text: string): string {
    const bytes = Buffer.from(text);
    if (bytes.length <= MAX_TEXT_BYTES) return text;
    this.state.counts.dropped++;
    return bytes.subarray(0, MAX_TEXT_BYTES).toString();
  }

  /** A code is valid for one change of the card, within 72 hours: path/94945. */
  #responseCode(taskId: string): string {
    const code = `rc${this.state.nextId()}`;
    this.#codes.set(code, taskId);
    return code;
  }

  /** `message/update_template_card`: words in place of a card's button. */
  replaceButton(body: Json): Response {
    const task = this.#codes.get(body.response_code);
    if (body.agentid !== this.state.parts.agentId) return answer(40056, "invalid agentid");
    if (task === undefined || !Array.isArray(body.userids)) {
      return answer(42045, "response_code is invalid or used");
    }
    if (typeof body.button?.replace_name !== "string") return answer(40058, "invalid button");
    this.#codes.delete(body.response_code);
    this.buttons.set(task, body.button.replace_name);
    return answer(0, "ok");
  }

  /** `media/upload`. */
  async upload(request: Request): Promise<Response> {
    const media = (await request.formData()).get("media");
    if (!(media instanceof Blob)) return answer(41005, "media data missing");
    const isImage = new URL(request.url).searchParams.get("type") === "image";
    if (media.size > (isImage ? 10 : 20) << 20 || media.size <= 5) {
      return answer(40006, "invalid media size");
    }
    const name = media instanceof File ? media.name : undefined;
    const bytes = new Uint8Array(await media.arrayBuffer());
    return answer(0, "ok", { media_id: this.state.store(bytes, { name }) });
  }

  /** `agent/get`. */
  agent(id: number): Response {
    if (id !== this.state.parts.agentId) {
      return answer(301002, "not allow operate another agent with this accesstoken");
    }
    const close = this.state.faults.isDisabled ? 1 : 0;
    return answer(0, "ok", { agentid: id, name: "Bot", close });
  }

  /** `user/get`. */
  user(userid: string): Response {
    const department = this.departments.get(userid) ?? [];
    return answer(0, "ok", { userid, name: this.names.get(userid), department });
  }
}

function element(name: string, text: string): string {
  return `<${name}><![CDATA[${text}]]></${name}>`;
}
