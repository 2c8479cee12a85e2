/**
 * A WeCom group's webhook: it can only speak. For what bots say by themselves into a group.
 *
 * Source: WeCom 消息推送配置说明.
 */
import type { Scope } from "../../core/budget.ts";
import type { Json } from "../../core/store.ts";
import { Caller, PATIENCE } from "../im/caller.ts";
import type { ChannelParts } from "../im/channel.ts";
import { split } from "../im/cut.ts";
import { downgrade } from "../im/markdown.ts";
import { withoutPings } from "../im/ping.ts";
import { rates } from "../im/rates.ts";
import { plainSend } from "../im/send.ts";
import { judge } from "./judge.ts";
import type { WecomWebhookSettings } from "./settings.ts";

/** 4096 are allowed for Markdown. */
const BYTES = 4000;

/** Bytes of a text that are rendered without a pause. */
const AT_ONCE = 64_000;

export class WecomWebhook {
  readonly #caller: Caller;
  readonly #scope: Scope;

  constructor(private readonly settings: WecomWebhookSettings, parts: ChannelParts) {
    this.#caller = new Caller({
      ...parts,
      fetch: parts.fetch ?? fetch,
      random: parts.random ?? Math.random,
      timeouts: settings.timeouts,
    });
    this.#scope = {
      key: `wecom:webhook:${settings.secret.slice(-6)}`,
      rates: rates(settings.limits.webhook, { minute: 18 }),
    };
  }

  /** Says Markdown into the group, in as many messages as it takes. Nothing tells a repeat apart, so what may have arrived is not repeated. */
  async say(id: string, markdown: string): Promise<void> {
    let n = 0;
    for (const piece of split(markdown, AT_ONCE)) {
      const shown = downgrade(piece, { tables: true, fences: true, images: true });
      for (const part of split(this.settings.mentions ? shown : withoutPings(shown, "wecom"), BYTES)) {
        await this.#say(`${id}:${n++}`, part);
      }
    }
  }

  #say(id: string, content: string): Promise<Json> {
    return this.#caller.call({
      ...plainSend(id, PATIENCE),
      priority: "push",
      method: "POST",
      url: () => `${this.settings.baseUrl}/cgi-bin/webhook/send?key=${encodeURIComponent(this.settings.secret)}`,
      body: () => ({ msgtype: "markdown", markdown: { content } }),
      path: [this.#scope],
      repeatable: false,
      judge: (answer) => judge(answer, this.#scope),
    });
  }
}
