/**
 * The budgets of a DingTalk app: of its address, its organisation's month, an API, a chat.
 *
 * Sources: DingTalk 调用频次与限流, 计费模型 (2026-05).
 */
import { rates } from "../im/rates.ts";
import type { BudgetScope } from "../im/send_budget.ts";
import type { DingTalkSettings } from "./settings.ts";

/**
 * What an edition may do: calls a second per API, API calls and deliveries a month; the rates with
 * headroom.
 */
const EDITIONS = {
  standard: { second: 18, month: 5000, webhookMonth: 3000 },
  professional: { second: 36, month: 200_000, webhookMonth: 50_000 },
  dedicated: { second: 54, month: 5_000_000, webhookMonth: 500_000 },
} as const;

/** A chat as the API names it. */
export interface DingChat {
  readonly type: "direct" | "group";
  readonly conversationId: string;
  readonly staffId: string;
  readonly webhook?: string;
  /** Milliseconds since the epoch. */
  readonly webhookUntil?: number;
  /** The company of the sender, where it is the robot's own. */
  readonly corpId?: string;
}

export class DingTalkBudgets {
  constructor(private readonly settings: DingTalkSettings) {}

  /** Every call from this address; DingTalk bans an address that exceeds it for five minutes. */
  address(): BudgetScope {
    return { key: "dingtalk:address", rates: rates(this.settings.limits.address, { second: 450 }) };
  }

  api(name: string): BudgetScope {
    const { clientId, limits, edition } = this.settings;
    return {
      key: `dingtalk:${clientId}:${name}`,
      rates: rates(limits.api, { second: EDITIONS[edition].second }),
    };
  }

  /** The organisation's API calls of this month. */
  month(): BudgetScope {
    const { clientId, corpId, limits, edition } = this.settings;
    const limit = limits.month ?? EDITIONS[edition].month;
    return {
      key: `dingtalk:${corpId ?? clientId}:month`,
      rates: [],
      quota: { limit, period: "month" },
    };
  }

  /** Webhook and Stream deliveries of this month. */
  webhookMonth(): BudgetScope {
    const { clientId, corpId, limits, edition } = this.settings;
    const limit = limits.webhookMonth ?? EDITIONS[edition].webhookMonth;
    return {
      key: `dingtalk:${corpId ?? clientId}:webhook`,
      rates: [],
      quota: { limit, period: "month" },
    };
  }

  chat(chat: DingChat): BudgetScope {
    return {
      key: `dingtalk:chat:${this.settings.clientId}:${chat.conversationId}`,
      rates: rates(this.settings.limits.chat, { minute: 18 }),
    };
  }
}
