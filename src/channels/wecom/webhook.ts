/**
 * A WeCom group's webhook: it can only speak. For what bots say by themselves into a group.
 *
 * Source: WeCom 消息推送配置说明.
 */
import type { BudgetScope } from "../im/send_budget.ts";
import type { Json } from "../../core/store.ts";
import { NexusError } from "../../core/error.ts";
import { CALL_DEADLINE_MS } from "../im/paced_caller.ts";
import { type HttpCaller, httpCaller } from "../im/http_call.ts";
import type { ChannelParts } from "../im/channel.ts";
import { split } from "../im/cut.ts";
import { type AppHealth, Health } from "../im/health.ts";
import { downgrade } from "../im/markdown.ts";
import { withoutMentions } from "../im/mention_guard.ts";
import { rates } from "../im/rates.ts";
import { standaloneSend } from "../im/send.ts";
import { PlatformError } from "../im/platform.ts";
import { callerParts } from "../im/caller_parts.ts";
import { explain } from "./explain.ts";
import { judge } from "./judge.ts";
import type { WecomWebhookSettings } from "./settings.ts";

/** 4096 are allowed for Markdown. */
const BYTES = 4000;

/** Bytes of a text that are rendered without a pause. */
const AT_ONCE = 64_000;

export class WecomWebhook {
  readonly #caller: HttpCaller;
  readonly #health: Health;
  readonly #scope: BudgetScope;

  constructor(name: string, private readonly settings: WecomWebhookSettings, parts: ChannelParts) {
    this.#health = new Health({ ...parts, channel: "wecom", app: name, explain });
    this.#caller = httpCaller(callerParts(parts, settings, this.#health));
    this.#scope = {
      key: `wecom:webhook:${settings.secret.slice(-6)}`,
      rates: rates(settings.limits.webhook, { minute: 18 }),
    };
  }

  /** It has no connection to lose, and nobody calls it. */
  get health(): AppHealth {
    return this.#health.view(true);
  }

  /**
   * Says Markdown into the group, in as many messages as it takes. Nothing tells a repeat apart, so
   * what may have arrived is not repeated. Throws `invalid` where WeCom refuses it and
   * `unavailable` where it cannot be reached, with a text for the administrator.
   */
  async say(id: string, markdown: string): Promise<void> {
    try {
      await this.#sayAll(id, markdown);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      const words = this.#health.view(true).lastError?.words ?? error.message;
      throw new NexusError(error.kind === "refused" ? "invalid" : "unavailable", words, {
        cause: error,
      });
    }
  }

  async #sayAll(id: string, markdown: string): Promise<void> {
    let n = 0;
    for (const piece of split(markdown, AT_ONCE)) {
      const shown = downgrade(piece, { tables: true, fences: true, images: true });
      for (
        const part of split(this.settings.mentions ? shown : withoutMentions(shown, "wecom"), BYTES)
      ) {
        await this.#say(`${id}:${n++}`, part);
      }
    }
  }

  #say(id: string, content: string): Promise<Json> {
    return this.#caller.call({
      ...standaloneSend(id, CALL_DEADLINE_MS),
      priority: "push",
      method: "POST",
      url: () =>
        `${this.settings.baseUrl}/cgi-bin/webhook/send?key=${
          encodeURIComponent(this.settings.secret)
        }`,
      body: () => ({ msgtype: "markdown", markdown: { content } }),
      path: [this.#scope],
      repeatable: false,
      judge: (answer) => judge(answer, this.#scope),
    });
  }
}
