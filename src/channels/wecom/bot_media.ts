/**
 * Pictures and files of a WeCom AI bot: downloads that are sealed, and uploads piece by piece over
 * the long connection.
 *
 * Source: WeCom 智能机器人长连接 101463 (2026-03/04).
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { BudgetScope } from "../im/send_budget.ts";
import type { Json } from "../../core/store.ts";
import type { Attachment } from "../im/attachment.ts";
import type { HttpCaller } from "../im/http_call.ts";
import { openFile } from "../im/envelope.ts";
import { fileNameOf } from "../im/file_name.ts";
import { Hosts } from "../im/hosts.ts";
import { standaloneSend } from "../im/send.ts";
import {
  type FetchedFile,
  type Incoming,
  PlatformError,
  type SendOptions,
} from "../im/platform.ts";
import type { FrameCaller } from "./frame_call.ts";
import { judgeBody } from "./judge.ts";
import type { WecomBotSettings } from "./settings.ts";

/** Where pictures and files may be; any other address must at least be a public one. */
const FILE_HOSTS = [".qq.com", ".myqcloud.com"];

/** Bytes of one piece of an upload. */
const CHUNK = 512 * 1024;

export interface BotMediaParts {
  readonly settings: WecomBotSettings;
  readonly frames: FrameCaller;
  /** Calls to WeCom's own addresses. */
  readonly caller: HttpCaller;
  /** Calls to any other address. */
  readonly foreign: HttpCaller;
}

export class BotMedia {
  readonly #p: BotMediaParts;
  readonly #hosts: Hosts;

  constructor(parts: BotMediaParts) {
    this.#p = parts;
    const { baseUrl, hosts } = parts.settings;
    this.#hosts = new Hosts({ base: [baseUrl], platform: FILE_HOSTS, further: hosts });
  }

  /** Returns the media id. */
  async upload(attachment: Attachment, type: string, send: SendOptions): Promise<string> {
    const { frames } = this.#p;
    const bytes = Buffer.from(attachment.base64, "base64");
    const upload = async (cmd: string, body: Json) => {
      const scope = this.#uploads();
      return await frames.call({
        ...send,
        reservation: undefined,
        path: [scope],
        repeatable: true,
        cmd,
        body: () => body,
        judge: (ack) => judgeBody(ack, scope),
      });
    };
    const begun = await upload("aibot_upload_media_init", {
      type,
      filename: attachment.name,
      total_size: bytes.length,
      total_chunks: Math.ceil(bytes.length / CHUNK),
      md5: createHash("md5").update(bytes).digest("hex"),
    });
    const upload_id = begun.body.upload_id;
    for (let chunk_index = 0; chunk_index * CHUNK < bytes.length; chunk_index++) {
      const piece = bytes.subarray(chunk_index * CHUNK, (chunk_index + 1) * CHUNK);
      await upload("aibot_upload_media_chunk", {
        upload_id,
        chunk_index,
        base64_data: piece.toString("base64"),
      });
    }
    return (await upload("aibot_upload_media_finish", { upload_id })).body.media_id;
  }

  /**
   * Downloads are sealed: over the long connection with a key of their own, by webhook with the
   * callback's.
   */
  async file(incoming: Incoming, ref: Json, most?: number): Promise<FetchedFile> {
    const scope: BudgetScope = { key: "wecom:files", rates: [{ limit: 20, per: 1000 }] };
    const { settings, caller: own, foreign } = this.#p;
    const caller = this.#hosts.has(ref.url) ? own : foreign;
    const answer = await caller.call({
      ...standaloneSend(`${incoming.id}:in`),
      kind: "download",
      // The padding is up to 32 bytes.
      maxBytes: most === undefined ? undefined : most + 32,
      method: "GET",
      url: () => ref.url,
      path: [scope],
      repeatable: true,
      judge: (answer) =>
        answer.status === 200
          ? { kind: "ok", body: answer }
          : answer.status >= 500
          ? { kind: "retry", code: String(answer.status) }
          : { kind: "refused", code: String(answer.status), text: "no such file" },
    });
    const key = ref.aeskey ??
      (settings.encodingAesKey === undefined ? "" : settings.encodingAesKey + "=");
    const opened = openFile(answer.bytes, key);
    if (!opened) throw new PlatformError("refused", "sealed", "the file does not open");
    return { bytes: opened, name: fileNameOf(answer.headers) };
  }

  #uploads(): BudgetScope {
    return {
      key: `wecom:aibot:${this.#p.settings.botId}:media`,
      rates: [{ limit: 28, per: 60_000 }, { limit: 950, per: 3_600_000 }],
    };
  }
}
