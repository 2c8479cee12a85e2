/** What the gateway says to people whose chat identity is linked to an account, or may be. */
import type { ChannelName, Person } from "../../core/message.ts";
import type { Observer } from "../../core/observer.ts";
import type { Access, ChatAccounts } from "./access.ts";
import { CODE_LIFETIME, type Pairing } from "./pairing.ts";
import type { Incoming } from "./platform.ts";
import { type Words, yesOrNo } from "./words.ts";

export interface AccountLinkingParts extends Pick<ChatAccounts, "account"> {
  readonly channel: ChannelName;
  readonly app: string;
  readonly pairing: Pairing;
  readonly access: Access;
  readonly observer: Observer;
}

export class AccountLinking {
  constructor(private readonly parts: AccountLinkingParts) {}

  /**
   * Takes a person's answer to the question whether their chat is to be linked. Returns what to say
   * to it; `undefined` where they were not asked, or said something else.
   */
  async answer(incoming: Incoming, words: Words): Promise<string | undefined> {
    const yes = incoming.chat.type === "direct" ? yesOrNo(incoming.text) : undefined;
    if (yes === undefined) return undefined;
    const { channel, app, account: accountOf, observer, pairing, access } = this.parts;
    const identity = this.#identity(incoming);
    const question = await pairing.asked(identity);
    if (question === undefined || await access.isOut(incoming.sender)) return undefined;
    const account = accountOf(question.account);
    await pairing.answer(question, account !== undefined && yes);
    if (!account) return words.notAllowed;
    const act = {
      who: account.id,
      did: yes ? "identity_linked" : "identity_refused",
      whom: account.id,
      detail: `${channel}:${app}:${identity.id}`,
    };
    observer.tell({ type: "acted", act });
    return yes ? words.bound(usernameOf(account)) : words.pairRefused;
  }

  /** Answers `/pair`: with the account that is linked already, or else like {@linkcode start}. */
  async command(incoming: Incoming, words: Words): Promise<string> {
    const linked = await this.parts.pairing.linkedTo(this.#identity(incoming));
    const account = linked === undefined ? undefined : this.parts.account(linked);
    return account ? words.bound(usernameOf(account)) : await this.start(incoming, words);
  }

  /** Returns a new code for linking an account, or the question that is still open. */
  async start(incoming: Incoming, words: Words): Promise<string> {
    if (incoming.chat.type !== "direct") return words.pairPrivately;
    const { pairing, access } = this.parts;
    const identity = this.#identity(incoming);
    const question = await pairing.asked(identity);
    const account = question && this.parts.account(question.account);
    if (account) return words.pairAsk(usernameOf(account));
    const known = (await access.voucher(incoming))?.identities;
    const code = await pairing.code({ ...identity, known });
    return code === undefined ? words.tooManyCodes : words.pairing(code, CODE_LIFETIME / 60_000);
  }

  #identity({ sender }: Incoming) {
    const { channel, app } = this.parts;
    return { channel, app, id: sender.id, name: sender.name };
  }
}

/** The name with which the owner of an account signs in. */
export function usernameOf({ id, username = id }: Person): string {
  return username;
}
