/**
 * How an app is set up in Feishu's console, and the APIs that read it: bot, scopes, app, people.
 */
import { fail, ok } from "./response.ts";
import { BOT_ID, type FeishuState } from "./state.ts";

/** What a correctly set up app may do. */
const SCOPES = [
  "application:application:self_manage",
  "cardkit:card:write",
  "contact:contact.base:readonly",
  "contact:user.department:readonly",
  "im:message",
  "im:message.group_at_msg:readonly",
  "im:message.p2p_msg:readonly",
  "im:message:send_as_bot",
  "im:resource",
];

const DENIED = "Access denied. One of the following scopes is required";

export class FeishuConsole {
  readonly departments = new Map<string, string[]>();
  /** People's names as the contact API returns them; empty: the app lacks the permission. */
  readonly names = new Map<string, string>();
  /** An app that is made for the long connection. */
  readonly settings = {
    hasBot: true,
    isPublished: true,
    subscription: "websocket" as "websocket" | "webhook",
    callbackSubscription: "websocket" as "websocket" | "webhook",
    callbackUrl: "",
    events: ["im.message.receive_v1", "im.message.recalled_v1"],
    callbacks: ["card.action.trigger"],
  };

  constructor(private readonly state: FeishuState) {}

  bot(): Response {
    if (!this.settings.hasBot) return fail(400, 11205, "app do not have bot");
    const activate_status = this.settings.isPublished ? 2 : 0;
    return ok(undefined, { bot: { open_id: BOT_ID, app_name: "Bot", activate_status } });
  }

  scopes(): Response {
    const scopes = SCOPES.filter((name) => !this.state.faults.missingScopes.has(name))
      .map((scope_name) => ({ scope_name, scope_type: "tenant", grant_status: 1 }));
    return ok({ scopes });
  }

  app(): Response {
    if (this.state.faults.missingScopes.has("application:application:self_manage")) {
      return fail(400, 99991672, DENIED);
    }
    const { isPublished, callbacks, callbackSubscription, callbackUrl, subscription } =
      this.settings;
    const app = {
      app_id: this.state.parts.appId,
      online_version_id: isPublished ? "oav_1" : "",
      event: { subscription_type: subscription },
      callback_info: {
        callback_type: callbackSubscription,
        request_url: callbackUrl,
        subscribed_callbacks: callbacks,
      },
    };
    return ok({ app });
  }

  appVersion(): Response {
    const event_infos = this.settings.events.map((event_type) => ({ event_type }));
    return ok({ app_version: { event_infos } });
  }

  user(id: string): Response {
    if (this.names.size + this.departments.size === 0) {
      return fail(400, 99991672, `${DENIED}: [contact:contact.base:readonly]`);
    }
    const department_ids = this.departments.get(id) ?? [];
    return ok({ user: { open_id: id, name: this.names.get(id), department_ids } });
  }
}
