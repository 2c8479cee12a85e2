/** WeCom's word for the members of a corp. */
import type { Voucher } from "../im/platform.ts";

/** The corp whose members write, and the app in the configuration. */
export interface Corp {
  readonly corpId: string | undefined;
  readonly name: string;
}

/**
 * A member by their user id. People of other corps are written `corp/userid`, and a bot that was
 * made outside of the corp's console sees user ids that only it can read (`wo…`, `wm…`): WeCom
 * vouches for neither.
 */
export function voucherOf(value: string, { corpId, name }: Corp): Voucher | undefined {
  if (corpId === undefined || value.includes("/") || /^w[om][\w-]{20,}$/.test(value)) {
    return undefined;
  }
  return {
    identities: [{ platform: "wecom", kind: "user_id", scope: corpId, value }],
    ids: [`wecom:${corpId}:${value}`, `wecom:${name}:${value}`],
  };
}
