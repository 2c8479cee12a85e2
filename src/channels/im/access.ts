/**
 * Who may speak to an app, as whom, and with which of the bots. Somebody is the account that a hand
 * has linked them to; else the account of whom the platform vouches for; else a person made of the
 * platform's id, who is nobody's account.
 */
import type { Clock } from "../../core/clock.ts";
import { NexusError } from "../../core/error.ts";
import type {
  Identities,
  Identity,
  IdentityOwner,
  IdentityPlatform,
} from "../../core/people/identity.ts";
import type { ChannelName, Person } from "../../core/message.ts";
import type { Offer } from "../../core/offer.ts";
import type { ExternalUser } from "../../core/people/provisioning.ts";
import type { Departments } from "./departments.ts";
import { accessRules, boundBy, needDepartments } from "./rules.ts";
import type { ChatAppSettings } from "./settings.ts";
import { type Incoming, type Platform, PlatformError, type Voucher } from "./platform.ts";

/** What an app needs of the accounts. Everything but the first has a default that knows nobody. */
export interface ChatAccounts {
  /** Somebody who may come in, by the id of their account. */
  readonly account: (id: string) => Person | undefined;
  /**
   * Whether there is an account of this id that may not come in: disabled, removed, or no longer
   * configured.
   */
  readonly isOut?: (id: string) => boolean;
  /** Whether a chat made this account and nobody has signed in with it. */
  readonly isGuest?: (id: string) => boolean;
  /** Finds or makes the account of somebody whom the platform vouches for. Throws `forbidden`. */
  readonly vouch?: (who: ExternalUser) => Promise<Person>;
  /**
   * Which bots an app that is set to offer `bots` offers to an account, or to somebody without one.
   */
  readonly offer?: (id: string | undefined, bots: readonly string[] | undefined) => Offer;
}

export interface AccessParts extends ChatAccounts {
  readonly channel: ChannelName;
  /** The app's name in the configuration. */
  readonly app: string;
  readonly platform: Pick<Platform, "vouch" | "nameOf" | "departments">;
  readonly settings: Pick<
    ChatAppSettings,
    "access" | "allow" | "deny" | "bots" | "rules" | "group"
  >;
  readonly identities: Identities;
  readonly departments: Departments;
  readonly clock: Clock;
}

/** Milliseconds for which nobody's name is asked for after the platform has refused to tell one. */
const NO_NAMES = 3_600_000;

interface Known {
  readonly owner: IdentityOwner;
  readonly voucher?: Voucher;
}

export class Access {
  readonly #p: AccessParts;
  readonly #prefix: string;
  /** Until when the platform tells no names. */
  #namelessUntil = 0;

  constructor(parts: AccessParts) {
    this.#p = parts;
    this.#prefix = `${parts.channel}:${parts.app}:`;
  }

  /**
   * Who asks, with the bots that they get here; an account that the platform vouches for is made
   * where there is none. Throws a `PlatformError` where the platform has to say more and does not.
   */
  async who(incoming: Incoming): Promise<Person | "refused" | "unpaired"> {
    const { owner, voucher } = await this.#known(incoming);
    if (this.#isOut(owner, incoming.sender)) return "refused";
    const barred = await this.#barred(incoming, owner, voucher);
    if (barred) return barred;
    try {
      return await this.#seen(
        incoming,
        voucher ? await this.#vouch(incoming, voucher) : this.#accountOf(owner),
      );
    } catch (error) {
      if (error instanceof NexusError && error.code === "forbidden") return "refused";
      throw error;
    }
  }

  /**
   * As whom somebody would be written to who has not asked; `undefined`: they may not use this app
   * (any more).
   */
  async present(from: Incoming): Promise<Person | undefined> {
    const owner = await this.#linked(from.sender);
    if (this.#isOut(owner, from.sender) || await this.#barred(from, owner, undefined)) {
      return undefined;
    }
    return await this.#seen(from, this.#accountOf(owner));
  }

  /** The account that is known of somebody, where they may come in. */
  async account(sender: Incoming["sender"]): Promise<Person | undefined> {
    return this.#accountOf(await this.#linked(sender));
  }

  /** Whether somebody may not come in, whatever the app's settings say. */
  async isOut(sender: Incoming["sender"]): Promise<boolean> {
    return this.#isOut(await this.#linked(sender), sender);
  }

  /** What the platform knows somebody by, where it vouches for them. Throws a `PlatformError`. */
  async voucher(incoming: Incoming): Promise<Voucher | undefined> {
    const { platform, vouch } = this.#p;
    return vouch && (incoming.sender.voucher ?? await platform.vouch?.(incoming));
  }

  async #known(incoming: Incoming): Promise<Known> {
    const { identities } = this.#p;
    const chat = this.#chat(incoming.sender);
    const link = await identities.get(chat);
    // A hand counts before the platform's word.
    if (link && link.by !== "vouched") return { owner: { account: link.account } };
    const voucher = await this.voucher(incoming);
    if (!voucher) return { owner: await identities.owner([chat]) };
    const owner = await identities.owner(voucher.identities);
    if (owner) return { owner, voucher };
    const bar = await identities.owner([chat]);
    return { owner: bar && "barred" in bar ? bar : undefined, voucher };
  }

  #linked(sender: Incoming["sender"]): Promise<IdentityOwner> {
    return this.#p.identities.owner([this.#chat(sender)]);
  }

  /** What the app itself calls somebody. */
  #chat({ id }: Incoming["sender"]): Identity {
    const { channel, app } = this.#p;
    return { platform: channel as IdentityPlatform, kind: "chat", scope: app, value: id };
  }

  #accountOf(owner: IdentityOwner): Person | undefined {
    return owner && "account" in owner ? this.#p.account(owner.account) : undefined;
  }

  #isOut(owner: IdentityOwner, { id }: Incoming["sender"]): boolean {
    const { isOut = () => false, account } = this.#p;
    if (owner) return "barred" in owner || isOut(owner.account) || !account(owner.account);
    return isOut(this.#prefix + id);
  }

  async #vouch(incoming: Incoming, { identities, ids }: Voucher): Promise<Person> {
    const { channel, vouch } = this.#p;
    const { sender } = incoming;
    const who: ExternalUser = {
      platform: channel as IdentityPlatform,
      identities: [...identities, this.#chat(sender)],
      ids,
      displayName: sender.name,
    };
    const person = await vouch!(who);
    if (person.name !== (person.username ?? person.id)) return person;
    const displayName = await this.#nameOf(incoming);
    return displayName === undefined ? person : await vouch!({ ...who, displayName });
  }

  /**
   * What the platform calls somebody; `undefined` where it does not tell, which is no reason to
   * keep them waiting.
   */
  async #nameOf(incoming: Incoming): Promise<string | undefined> {
    const { platform, clock } = this.#p;
    if (!platform.nameOf || this.#namelessUntil > clock.now()) return undefined;
    try {
      return await platform.nameOf(incoming);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      if (error.kind === "refused") this.#namelessUntil = clock.now() + NO_NAMES;
      return undefined;
    }
  }

  /** Somebody as they are in this chat. */
  async #seen(incoming: Incoming, account: Person | undefined): Promise<Person> {
    const { chat, sender } = incoming;
    const name = account?.name ?? sender.name ?? sender.id;
    const offer = await this.#offer(incoming, account?.id);
    const more = offer.within.length > 0 || offer.except ? { offer } : {};
    if (chat.type === "group" && this.#p.settings.group === "shared") {
      return {
        id: `${this.#prefix}chat:${chat.id}`,
        name,
        role: "member",
        bots: account?.bots,
        ...more,
      };
    }
    return { ...account ?? { id: this.#prefix + sender.id, name, role: "member" }, ...more };
  }

  async #offer(incoming: Incoming, id: string | undefined): Promise<Offer> {
    const { offer = () => ({ within: [] }), settings, departments } = this.#p;
    const all = offer(id, settings.bots);
    const { rules } = settings;
    if (accessRules(rules).length === 0) return all;
    return boundBy(
      all,
      rules,
      incoming,
      needDepartments(rules) ? await departments.of(incoming) : [],
    );
  }

  /** Why the app's settings let somebody not in, or nothing where they do. */
  async #barred(
    incoming: Incoming,
    owner: IdentityOwner,
    voucher: Voucher | undefined,
  ): Promise<"refused" | "unpaired" | undefined> {
    const { access, allow, deny } = this.#p.settings;
    const { sender, chat } = incoming;
    const names = [sender.id, chat.id, ...(voucher?.identities ?? []).map(({ value }) => value)];
    const isNamed = (list: readonly string[]) => names.some((name) => list.includes(name));
    if (isNamed(deny)) return "refused";
    if (await this.#isInOne(deny, incoming)) return "refused";
    if (access === "open" || isNamed(allow) || await this.#isInOne(allow, incoming)) {
      return undefined;
    }
    if (access === "allowlist") return "refused";
    const account = this.#accountOf(owner);
    return account && !this.#p.isGuest?.(account.id) ? undefined : "unpaired";
  }

  /** Whether the sender is in a department that a list names. */
  async #isInOne(list: readonly string[], incoming: Incoming): Promise<boolean> {
    if (!list.some((name) => mayBeDepartment(this.#p.channel, name))) return false;
    return (await this.#p.departments.of(incoming)).some((id) => list.includes(id));
  }
}

/**
 * Whether a name in a list can be a department's: asking for somebody's departments costs a call.
 */
function mayBeDepartment(channel: ChannelName, name: string): boolean {
  return channel === "lark" ? !/^(?:ou|on|oc)_/.test(name) : /^\d+$/.test(name);
}
