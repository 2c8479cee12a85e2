/**
 * All configured apps on chat platforms: their callbacks, their connections and their budget. The
 * code of a platform is loaded only when an app of it is configured.
 */
import { type ScopeView, SendBudget } from "./send_budget.ts";
import { NexusError } from "../../core/error.ts";
import type { Person } from "../../core/message.ts";
import type { PushNotice } from "../../core/notice.ts";
import type { Store } from "../../core/store.ts";
import type { DingTalkSettings } from "../dingtalk/settings.ts";
import type { LarkSettings } from "../lark/settings.ts";
import type { WecomSettings } from "../wecom/settings.ts";
import type { WecomWebhook } from "../wecom/webhook.ts";
import type { Channel, ChannelParts } from "./channel.ts";
import type { Contact, Inbox } from "./inbox.ts";
import type { AppHealth } from "./health.ts";
import { type ChatIdentity, Pairing } from "./pairing.ts";

/** The `channels` of the configuration. */
export interface AppsSettings {
  readonly feishu: Readonly<Record<string, LarkSettings>>;
  readonly dingtalk: Readonly<Record<string, DingTalkSettings>>;
  readonly wecom: Readonly<Record<string, WecomSettings>>;
}

export interface AppsParts extends Omit<ChannelParts, "budget"> {
  /**
   * Returns the value of a setting such as `env:NAME`; `undefined` where the variable is not set.
   */
  readonly secret: (text: string) => string | undefined;
}

/** The state of an app, for the admin page and for metrics. */
export interface AppView extends AppHealth {
  readonly platform: string;
  readonly name: string;
  /** Answers in progress. */
  readonly open: number;
  readonly answers: number;
  /** Calls to the platform that those answers cost. */
  readonly calls: number;
  /** Texts that bots sent unprompted. */
  readonly pushes: number;
}

export class Apps {
  readonly budget: SendBudget;
  readonly pairing: Pairing;
  readonly #parts: AppsParts;
  readonly #channels = new Map<string, Channel>();
  readonly #webhooks = new Map<string, WecomWebhook>();
  /** Apps that could not be created, and why. */
  readonly #failed = new Map<string, AppHealth>();

  constructor(parts: AppsParts) {
    this.#parts = parts;
    this.budget = new SendBudget({ clock: parts.clock, store: parts.store as Store });
    this.pairing = new Pairing(parts);
  }

  /** Starts the configured apps. One that cannot start is logged and left out; the others run. */
  async start(settings: AppsSettings): Promise<void> {
    const parts: ChannelParts = { ...this.#parts, budget: this.budget };
    const opening: Promise<void>[] = [];
    const open = (platform: string, name: string, make: () => Promise<Channel | undefined>) =>
      opening.push((async () => {
        try {
          const channel = await make();
          if (!channel) return;
          this.#channels.set(`${platform}/${name}`, channel);
          await channel.start();
        } catch (error) {
          this.#parts.observer.tell({ type: "fault", where: `${platform} ${name}: start`, error });
          if (!this.#channels.has(`${platform}/${name}`)) {
            const words = error instanceof NexusError
              ? error.message
              : "could not be started; the log says why";
            const lastError = { at: this.#parts.clock.now(), code: "start", words };
            this.#failed.set(`${platform}/${name}`, {
              connected: false,
              lastError,
              refusedCallbacks: 0,
            });
          }
        }
      })());
    for (const [name, app] of Object.entries(settings.feishu)) {
      open("feishu", name, async () => {
        const { LarkChannel } = await import("../lark/channel.ts");
        return new LarkChannel(name, this.#resolved(app), parts);
      });
    }
    for (const [name, app] of Object.entries(settings.dingtalk)) {
      open("dingtalk", name, async () => {
        const { DingTalkChannel } = await import("../dingtalk/channel.ts");
        return new DingTalkChannel(name, this.#resolved(app), parts);
      });
    }
    for (const [name, app] of Object.entries(settings.wecom)) {
      open("wecom", name, async () => {
        const plain = this.#resolved(app);
        if (plain.kind === "app") {
          return new (await import("../wecom/app.ts")).WecomApp(name, plain, parts);
        }
        if (plain.kind === "aibot") {
          return new (await import("../wecom/aibot.ts")).WecomBot(name, plain, parts);
        }
        this.#webhooks.set(
          name,
          new (await import("../wecom/webhook.ts")).WecomWebhook(name, plain, parts),
        );
        return undefined;
      });
    }
    await Promise.all(opening);
  }

  /**
   * Answers a callback to `/channels/<platform>/<name>`; `undefined` where there is no such app.
   */
  fetch(path: string, request: Request, address: string): Promise<Response> | undefined {
    const [, , platform, name, ...more] = path.split("/");
    const plain = more.length > 0 ? undefined : decoded(name ?? "");
    return plain === undefined
      ? undefined
      : this.#channels.get(`${platform}/${plain}`)?.fetch(request, address);
  }

  /** Sends a text to the group of a webhook. Throws `not_found`. */
  async say(name: string, markdown: string): Promise<void> {
    const webhook = this.#webhooks.get(name);
    if (!webhook) throw new NexusError("not_found", "no such webhook");
    await webhook.say(crypto.randomUUID(), markdown);
  }

  /**
   * Asks in a private chat whether it may be linked to an account. Returns `false` where it cannot.
   */
  async askToLink({ channel, app, id }: ChatIdentity, account: Person): Promise<boolean> {
    return await this.#inboxOf(`${channel}:${app}:`)?.askToLink(id, account) ?? false;
  }

  /** Returns a person who has written to an app, by an id such as `lark:main:ou_1`. */
  async person(id: string): Promise<Person | undefined> {
    const inbox = this.#inboxOf(id);
    return await inbox?.person(id.slice(inbox.prefix.length));
  }

  /**
   * Sends a push to the chats of its person: to the chat in which the conversation was begun, else
   * to the private chat with each app that knows them. After this resolves the push is stored and
   * will be shown there once.
   *
   * Throws `not_found` where the person has no account and no app accepted it: nobody would ever
   * see it.
   *
   * @param key the same for a repeat
   */
  async push(person: Person, push: PushNotice, key: string): Promise<void> {
    if (this.#channels.size === 0) return;
    const id = await digest(key);
    let accepted = 0;
    for (const [inbox, contact] of await this.#contactsOf(person, push.conversationId)) {
      const content = { text: push.content, images: push.images };
      if (await inbox.push(id, content, contact, push.botId) !== "refused") accepted++;
    }
    if (accepted === 0 && !this.#parts.account(person.id)) {
      throw new NexusError("not_found", "no chat takes it");
    }
  }

  async #contactsOf(person: Person, conversationId: string): Promise<[Inbox, Contact][]> {
    const inboxes = [...this.#channels.values()].map(({ inbox }) => inbox);
    for (const inbox of inboxes) {
      const contact = await inbox.contactOfConversation(conversationId);
      if (contact) return [[inbox, contact]];
    }
    const names = new Set([person.id]);
    for (const { channel, app, id } of await this.pairing.bound(person.id)) {
      names.add(`${channel}:${app}:${id}`);
    }
    const contacts: [Inbox, Contact][] = [];
    for (const name of names) {
      const inbox = this.#inboxOf(name);
      const contact = await inbox?.contact(name.slice(inbox.prefix.length));
      if (inbox && contact) contacts.push([inbox, contact]);
    }
    return contacts;
  }

  #inboxOf(id: string): Inbox | undefined {
    for (const { inbox } of this.#channels.values()) if (id.startsWith(inbox.prefix)) return inbox;
    return undefined;
  }

  /** Returns each app with its connection, its last error and the cost of its answers. */
  list(): AppView[] {
    const view = (key: string, health: AppHealth, inbox?: Inbox): AppView => {
      const slash = key.indexOf("/");
      const cost = inbox?.cost ?? { answers: 0, calls: 0, pushes: 0 };
      return {
        platform: key.slice(0, slash),
        name: key.slice(slash + 1),
        ...health,
        open: inbox?.open ?? 0,
        ...cost,
      };
    };
    return [
      ...[...this.#channels].map(([key, { health, inbox }]) => view(key, health, inbox)),
      ...[...this.#webhooks].map(([name, { health }]) => view(`wecom/${name}`, health)),
      ...[...this.#failed].map(([key, health]) => view(key, health)),
    ];
  }

  budgets(): ScopeView[] {
    return this.budget.snapshot();
  }

  get size(): number {
    return this.#channels.size + this.#webhooks.size;
  }

  /** Resolves when all deliveries are done, at the latest after `ms`. */
  async settled(ms: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const stop = this.#parts.clock.after(ms, late.resolve);
    await Promise.race([
      Promise.all([...this.#channels.values()].map(({ inbox }) => inbox.idle())),
      late.promise,
    ]);
    stop();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#channels.values()].map((channel) => channel.stop()));
    this.budget.stop();
  }

  /** Returns the settings with the values of their variables. */
  #resolved<T extends object>(settings: T): T {
    const plain = { ...settings } as Record<string, unknown>;
    for (const [key, value] of Object.entries(plain)) {
      if (typeof value !== "string" || !value.startsWith("env:")) continue;
      const secret = this.#parts.secret(value);
      if (secret === undefined || secret === "") {
        throw new NexusError("invalid", `${key}: ${value} is not set`);
      }
      plain[key] = secret;
    }
    return plain as T;
  }
}

/** Decodes a part of a path; `undefined` where it is malformed. */
function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/** Returns a short digest that is safe in an id of any platform. */
async function digest(text: string): Promise<string> {
  const hash = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)),
  );
  return hash.subarray(0, 12).toHex();
}
