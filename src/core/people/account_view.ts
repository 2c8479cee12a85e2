/**
 * An account as an admin sees it.
 */
import type { Person } from "../message.ts";
import { type Account, isActive } from "./account_directory.ts";
import type { Allowance } from "./allowance.ts";

/** What an admin sees of a person. */
export interface AccountView extends Person {
  readonly username: string;
  /**
   * `config`, `store`, the name of a provider, or `former`: removed from the configuration, and can
   * be deleted.
   */
  readonly source: string;
  readonly disabled: boolean;
  readonly totp: boolean;
  readonly limits: Allowance;
  readonly createdAt?: number;
}

/** The view of an account. @param totp whether it has a second factor */
export function viewOf(account: Account, totp: boolean): AccountView {
  const { person, username, record, limits } = account;
  return {
    ...person,
    username,
    source: record ? record.source ?? "store" : "config",
    disabled: !isActive(account),
    totp,
    limits,
    createdAt: record?.createdAt,
  };
}

/** The view of a person who is no longer in the configuration. */
export function viewOfFormer(username: string, id: string, totp: boolean): AccountView {
  const person = { id, username, name: username, role: "member" } as const;
  return { ...person, source: "former", disabled: true, totp, limits: {} };
}
