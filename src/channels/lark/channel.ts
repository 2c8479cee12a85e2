/**
 * One Feishu or Lark app, running: its callbacks or its long connection, and its inbox.
 */
import { Buffer } from "node:buffer";
import type { Json } from "../../core/store.ts";
import type { AcceptedAttachments, Attachment } from "../im/attachment.ts";
import { readBody } from "../im/body.ts";
import { type HttpResponse, parse } from "../im/http_call.ts";
import type { Channel, ChannelParts } from "../im/channel.ts";
import { Inbox } from "../im/inbox.ts";
import { same } from "../im/envelope.ts";
import { type AppHealth, Health } from "../im/health.ts";
import { NAME_TIMEOUT_MS, standaloneSend } from "../im/send.ts";
import type {
  Content,
  DeliveryMethod,
  FetchedFile,
  Incoming,
  Platform,
  SendOptions,
} from "../im/platform.ts";
import { languageOf, type StopOutcome, wordsIn } from "../im/words.ts";
import { LarkApi } from "./api.ts";
import { patchWay, streamWay, targetOf, textWay } from "./card.ts";
import { decrypt, signed } from "./crypto.ts";
import { explain } from "./explain.ts";
import { headOf, readAsked, readEvent } from "./event.ts";
import type { LarkSettings } from "./settings.ts";

/**
 * Milliseconds after which a text-only answer gets a "thinking", so that it is there within three
 * seconds.
 */
const PLACEHOLDER = 2500;

/** `im/v1/images` and `im/v1/files` in the reference: 10 MB and 30 MB, nothing empty. */
const TAKES: AcceptedAttachments = {
  image: { types: /^image\/(?:png|jpe?g|gif|webp|bmp|tiff)$/, bytes: 10 << 20 },
  file: { bytes: 30 << 20 },
};

export class LarkChannel implements Channel, Platform {
  readonly accepts = TAKES;
  readonly inbox: Inbox;
  readonly #api: LarkApi;
  readonly #parts: ChannelParts;
  readonly #settings: LarkSettings;
  readonly #health: Health;
  readonly #name: string;
  #ownId: Promise<string> | undefined;
  #socket: { stop(): void; readonly connected: boolean } | undefined;

  constructor(name: string, settings: LarkSettings, parts: ChannelParts) {
    this.#name = name;
    this.#settings = settings;
    this.#parts = parts;
    this.#health = new Health({ ...parts, channel: "lark", app: name, explain });
    this.#api = new LarkApi(parts, settings, this.#health);
    this.inbox = new Inbox({
      ...parts,
      channel: "lark",
      app: name,
      platform: this,
      settings,
      reportFailure: (code, said) => this.#health.recordFailure(code, said),
    });
  }

  async start(): Promise<void> {
    await this.inbox.resume();
    if (this.#settings.mode !== "socket") return;
    // The vendor's SDK is large and only this mode needs it.
    const { openSocket } = await import("./socket.ts");
    this.#socket = await openSocket(
      this.#settings,
      this.#parts,
      this.#health,
      (event) => this.#take(event),
    );
  }

  get health(): AppHealth {
    return this.#health.view(
      this.#settings.mode === "webhook" || (this.#socket?.connected ?? false),
    );
  }

  stop(): Promise<void> {
    this.#socket?.stop();
    this.inbox.close();
    return Promise.resolve();
  }

  /**
   * `POST /channels/feishu/NAME`. Verified on the raw bytes, stored, and only then acknowledged.
   */
  async fetch(request: Request, address?: string): Promise<Response> {
    if (request.method !== "POST") {
      return new Response(null, { status: 405, headers: { allow: "POST" } });
    }
    const body = await readBody(request);
    if (!body) return new Response(null, { status: 413 });
    const { encryptKey, verificationToken } = this.#settings;
    const refuse = (why: string) => {
      this.#health.recordRefusal(why, address);
      return new Response(null, { status: 401 });
    };
    let json = parse(new TextDecoder().decode(body));
    if (typeof json !== "object" || json === null) return new Response(null, { status: 400 });
    if (encryptKey !== undefined) {
      if (typeof json.encrypt !== "string") return refuse("not encrypted");
      const plain = decrypt(encryptKey, json.encrypt);
      json = plain === undefined ? undefined : parse(plain);
      if (typeof json !== "object" || json === null) return refuse("ciphertext");
    }
    if (json.type === "url_verification") {
      // Not signed by the platform; the token is all there is.
      if (verificationToken !== undefined && !same(verificationToken, String(json.token))) {
        return refuse("verification token");
      }
      return Response.json({ challenge: String(json.challenge) });
    }
    if (encryptKey !== undefined && !signed(encryptKey, request.headers, body)) {
      return refuse("signature");
    }
    const head = headOf(json);
    if (!head) return Response.json({});
    if (encryptKey === undefined || verificationToken !== undefined) {
      // Without an Encrypt Key the token is the only proof; without either nobody is believed.
      if (verificationToken === undefined) {
        return refuse("neither encryptKey nor verificationToken is configured");
      }
      if (!same(verificationToken, head.token ?? "")) return refuse("verification token");
    }
    if (head.appId !== undefined && head.appId !== this.#settings.appId) {
      return refuse("another app's event");
    }
    return Response.json(await this.#take(json) ?? {});
  }

  /**
   * Sees to one event; what it returns is the callback's answer. Rejects where it could not be
   * stored.
   */
  async #take(json: Json): Promise<Json | undefined> {
    this.#parts.onStep?.("received");
    this.#health.received();
    const group = json?.event?.message?.chat_type === "group";
    const { appId } = this.#settings;
    const event = readEvent(json, {
      appId,
      name: this.#name,
      ownId: group ? await this.#own() : undefined,
    });
    switch (event?.kind) {
      case "message":
        await this.inbox.receive(event.incoming);
        return undefined;
      case "recalled":
        await this.inbox.recall(event.messageId);
        return undefined;
      case "stop":
        return this.#toast(await this.inbox.stop(event.messageId, event.by));
      default:
        return undefined;
    }
  }

  /** The effect of a press, in the Feishu language of the person who pressed the button. */
  #toast(what: StopOutcome): Json {
    const [zh, en] = [wordsIn("zh").stop[what], wordsIn("en").stop[what]];
    const content = this.#settings.language === "zh" ? zh : en;
    const type = what === "stopped" ? "success" : "info";
    return { toast: { type, content, i18n: { zh_cn: zh, en_us: en } } };
  }

  #own(): Promise<string> {
    this.#ownId ??= this.#api.ownId(standaloneSend("bot.info")).catch((error) => {
      this.#ownId = undefined;
      throw error;
    });
    return this.#ownId;
  }

  methods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    const { show, placeholderAfter, language } = this.#settings;
    const words = wordsIn(languageOf(incoming.text, language));
    const after = placeholderAfter === undefined ? PLACEHOLDER : placeholderAfter * 1000;
    const ladder = [
      streamWay(this.#api, incoming, words.stopButton),
      patchWay(this.#api, incoming),
      textWay(this.#api, incoming, after),
    ];
    return Promise.resolve(ladder.slice(["card", "patch", "text"].indexOf(show)));
  }

  /** One call each: a card that types along would be made for nothing. */
  async pushMethods(incoming: Incoming): Promise<readonly DeliveryMethod[]> {
    return (await this.methods(incoming)).filter((way) => way.name !== "stream");
  }

  async fetchImage(incoming: Incoming, ref: Json): Promise<string> {
    const answer = await this.#resource(incoming, ref, "image");
    const type = answer.headers.get("content-type") ?? "image/png";
    return `data:${type.split(";")[0]};base64,${Buffer.from(answer.bytes).toString("base64")}`;
  }

  async fetchFile(incoming: Incoming, ref: Json, max: number): Promise<FetchedFile> {
    return await this.#resource(incoming, ref, "file", max);
  }

  /** `ref`: a key of this message, or one of the message that it quotes. */
  #resource(
    incoming: Incoming,
    ref: Json,
    type: "image" | "file",
    most?: number,
  ): Promise<HttpResponse> {
    const { message, key } = typeof ref === "string"
      ? { message: incoming.address.message, key: ref }
      : ref;
    return this.#api.resource(message, key, type, standaloneSend(`${incoming.id}:in`), most);
  }

  async quoted(incoming: Incoming): Promise<Content | undefined> {
    const { parent } = incoming.address;
    if (parent === undefined) return undefined;
    const message = await this.#api.message(parent, standaloneSend(`${incoming.id}:quote`));
    return message && readAsked(message, this.#settings.appId);
  }

  async attach(
    incoming: Incoming,
    attachment: Attachment,
    form: "image" | "file",
    send: SendOptions,
  ): Promise<void> {
    // Kept before it is sent: a repeat must not upload again.
    const key: string = send.checkpoint?.key ?? await this.#api.upload(attachment, form, send);
    await send.saveCheckpoint({ key });
    const content = form === "image" ? { image_key: key } : { file_key: key };
    await this.#api.sendMessage(targetOf(incoming), form, () => JSON.stringify(content), send);
  }

  async departments(incoming: Incoming): Promise<readonly string[]> {
    const user = await this.#api.user(incoming.sender.id, standaloneSend(`${incoming.id}:dept`));
    return user.department_ids ?? [];
  }

  async nameOf(incoming: Incoming): Promise<string | undefined> {
    return (await this.#api.user(
      incoming.sender.id,
      standaloneSend(`${incoming.id}:name`, NAME_TIMEOUT_MS),
    )).name;
  }
}
