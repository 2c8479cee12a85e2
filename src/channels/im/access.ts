/**
 * The access control of an app: who may use it, as which person, and with which bots. A sender is
 * the account that they linked; else the account of the member that the platform confirms; else a
 * person without an account, made from the platform's id.
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

/** The part of the accounts that an app uses. All but the first default to knowing nobody. */
export interface ChatAccounts {
  /** Returns the person of an active account. */
  readonly account: (id: string) => Person | undefined;
  /** Whether the account of this id is disabled, removed, or no longer configured. */
  readonly isOut?: (id: string) => boolean;
  /** Whether a chat created this account and nobody has signed in to it. */
  readonly isGuest?: (id: string) => boolean;
  /** Finds or creates the account of a member whom the platform confirms. Throws `forbidden`. */
  readonly vouch?: (who: ExternalUser) => Promise<Person>;
  /** Returns the bots that an app with the setting `bots` offers to an account, or without one. */
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

/** Milliseconds for which no name is fetched after the platform refused to return one. */
const NO_NAMES_MS = 3_600_000;

interface Known {
  readonly owner: IdentityOwner;
  readonly voucher?: Voucher;
}

export class Access {
  readonly #parts: AccessParts;
  readonly #prefix: string;
  /** Until when no name is fetched, in milliseconds since the epoch. */
  #namelessUntil = 0;

  constructor(parts: AccessParts) {
    this.#parts = parts;
    this.#prefix = `${parts.channel}:${parts.app}:`;
  }

  /**
   * Returns the sender of a message, with the bots that they may use here. Creates the account of a
   * member whom the platform confirms. Throws a `PlatformError` where a call that this takes fails.
   */
  async who(incoming: Incoming): Promise<Person | "refused" | "unpaired"> {
    const { owner, voucher } = await this.#known(incoming);
    if (this.#isOut(owner, incoming.sender)) return "refused";
    const barred = await this.#barred(incoming, owner, voucher);
    if (barred) return barred;
    try {
      return await this.#personIn(
        incoming,
        voucher ? await this.#vouch(incoming, voucher) : this.#accountOf(owner),
      );
    } catch (error) {
      if (error instanceof NexusError && error.code === "forbidden") return "refused";
      throw error;
    }
  }

  /** Returns the recipient of a push; `undefined` where they may not use this app any more. */
  async present(from: Incoming): Promise<Person | undefined> {
    const owner = await this.#linked(from.sender);
    if (this.#isOut(owner, from.sender) || await this.#barred(from, owner, undefined)) {
      return undefined;
    }
    return await this.#personIn(from, this.#accountOf(owner));
  }

  /** Returns the account of a sender, where it is known and active. */
  async account(sender: Incoming["sender"]): Promise<Person | undefined> {
    return this.#accountOf(await this.#linked(sender));
  }

  /** Whether a sender is locked out, whatever the app's settings are. */
  async isOut(sender: Incoming["sender"]): Promise<boolean> {
    return this.#isOut(await this.#linked(sender), sender);
  }

  /** Returns the identities that the platform confirms. Throws a `PlatformError`. */
  async voucher(incoming: Incoming): Promise<Voucher | undefined> {
    const { platform, vouch } = this.#parts;
    return vouch && (incoming.sender.voucher ?? await platform.vouch?.(incoming));
  }

  async #known(incoming: Incoming): Promise<Known> {
    const { identities } = this.#parts;
    const chat = this.#chat(incoming.sender);
    const link = await identities.get(chat);
    // A link that a person made takes precedence over the platform's.
    if (link && link.by !== "vouched") return { owner: { account: link.account } };
    const voucher = await this.voucher(incoming);
    if (!voucher) return { owner: await identities.owner([chat]) };
    const owner = await identities.owner(voucher.identities);
    if (owner) return { owner, voucher };
    const bar = await identities.owner([chat]);
    return { owner: bar && "barred" in bar ? bar : undefined, voucher };
  }

  #linked(sender: Incoming["sender"]): Promise<IdentityOwner> {
    return this.#parts.identities.owner([this.#chat(sender)]);
  }

  /** The sender's identity in this app. */
  #chat({ id }: Incoming["sender"]): Identity {
    const { channel, app } = this.#parts;
    return { platform: channel as IdentityPlatform, kind: "chat", scope: app, value: id };
  }

  #accountOf(owner: IdentityOwner): Person | undefined {
    return owner && "account" in owner ? this.#parts.account(owner.account) : undefined;
  }

  #isOut(owner: IdentityOwner, { id }: Incoming["sender"]): boolean {
    const { isOut = () => false, account } = this.#parts;
    if (owner) return "barred" in owner || isOut(owner.account) || !account(owner.account);
    return isOut(this.#prefix + id);
  }

  async #vouch(incoming: Incoming, { identities, ids }: Voucher): Promise<Person> {
    const { channel, vouch } = this.#parts;
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

  /** Returns the sender's name; `undefined` where the platform does not return it. */
  async #nameOf(incoming: Incoming): Promise<string | undefined> {
    const { platform, clock } = this.#parts;
    if (!platform.nameOf || this.#namelessUntil > clock.now()) return undefined;
    try {
      return await platform.nameOf(incoming);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      if (error.kind === "refused") this.#namelessUntil = clock.now() + NO_NAMES_MS;
      return undefined;
    }
  }

  /** Returns the person as whom a sender uses this chat. */
  async #personIn(incoming: Incoming, account: Person | undefined): Promise<Person> {
    const { chat, sender } = incoming;
    const name = account?.name ?? sender.name ?? sender.id;
    const offer = await this.#offer(incoming, account?.id);
    const more = offer.within.length > 0 || offer.except ? { offer } : {};
    if (chat.type === "group" && this.#parts.settings.group === "shared") {
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
    const { offer = () => ({ within: [] }), settings, departments } = this.#parts;
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

  /** Returns why the app's settings reject a sender; `undefined` where they do not. */
  async #barred(
    incoming: Incoming,
    owner: IdentityOwner,
    voucher: Voucher | undefined,
  ): Promise<"refused" | "unpaired" | undefined> {
    const { access, allow, deny } = this.#parts.settings;
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
    return account && !this.#parts.isGuest?.(account.id) ? undefined : "unpaired";
  }

  /** Whether the sender is in a department that a list names. */
  async #isInOne(list: readonly string[], incoming: Incoming): Promise<boolean> {
    if (!list.some((name) => mayBeDepartment(this.#parts.channel, name))) return false;
    return (await this.#parts.departments.of(incoming)).some((id) => list.includes(id));
  }
}

/** Whether an id in a list can be a department's. Fetching a sender's departments costs a call. */
function mayBeDepartment(channel: ChannelName, name: string): boolean {
  return channel === "lark" ? !/^(?:ou|on|oc)_/.test(name) : /^\d+$/.test(name);
}
