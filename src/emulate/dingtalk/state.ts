/** What the parts of an emulated DingTalk share: chats, files, faults, limits and figures. */
import type { Clock } from "../../core/clock.ts";
import type { Json } from "../../core/store.ts";
import { ChatLog } from "../chat_log.ts";
import { Limits } from "../limits.ts";
import type { MediaFile } from "../media_file.ts";
import { fail } from "./response.ts";

export interface DingTalkParts {
  readonly clock: Clock;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Sends a callback to the robot's address. Absent: messages use the Stream only. */
  readonly deliver?: (request: Request) => Promise<Response>;
  readonly callbackUrl?: string;
  /** The origin of session webhooks. */
  readonly origin?: string;
  /** Calls a second of one API; 20 is the standard edition. */
  readonly perSecond?: number;
  /** API calls a month; absent: no limit. */
  readonly month?: number;
}

/** What is set up wrong, or refused, on purpose. */
export interface DingTalkFaults {
  /** People to whom too much was sent: a 200 names them. */
  readonly flowControlled: Set<string>;
  /** The app lacks the permission to read people. */
  refusesPeople: boolean;
  /** Others of the organisation used up the month's calls. */
  monthIsUsedUp: boolean;
  /** Permissions that the app was not granted. */
  readonly missingPermissions: Set<string>;
  /** The card templates that exist; absent: any. */
  templates: Set<string> | undefined;
  /** Calls come from an address that is not on the app's list. */
  isForeignAddress: boolean;
  /** Whether cards refuse a content. */
  refusesContent: ((content: string) => boolean) | undefined;
}

/**
 * A mention as DingTalk reads it: everybody, a mobile number, a person's id, the mark in a card.
 */
const MENTIONS = [
  /@(all|所有人)/gi,
  /@\+?(\d{6,})/g,
  /(?<![\w`.+-])@([a-z]\w{2,})\b(?!\.)/gi,
  /<a\s+at\w*=["']?([\w-]+)/gi,
];

export class DingTalkState {
  readonly clock: Clock;
  readonly log: ChatLog;
  readonly limits: Limits;
  readonly counts = {
    calls: 0,
    counted: 0,
    throttled: 0,
    overdrawn: 0,
    pushes: 0,
    unacknowledged: 0,
    repeatedGuids: 0,
  };
  readonly faults: DingTalkFaults = {
    flowControlled: new Set(),
    refusesPeople: false,
    monthIsUsedUp: false,
    missingPermissions: new Set(),
    templates: undefined,
    isForeignAddress: false,
    refusesContent: undefined,
  };
  /** Files by download code. */
  readonly files = new Map<string, MediaFile>();
  /** People's names. */
  readonly names = new Map<string, string>();
  readonly departments = new Map<string, number[]>();
  #ids = 0;

  constructor(readonly parts: DingTalkParts) {
    this.clock = parts.clock;
    this.log = new ChatLog(parts.clock);
    this.limits = new Limits(parts.clock);
  }

  nextId(): number {
    return ++this.#ids;
  }

  recordMentions(chat: string, text: string): void {
    this.log.recordMentions(chat, text, MENTIONS);
  }

  throttle(): Response {
    this.counts.throttled++;
    return fail(
      403,
      "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi",
      "The request was denied due to request throttling.",
    );
  }

  /** The refusal of an app that lacks a permission; `undefined`: the app has it. */
  denied(permission: string): Response | undefined {
    if (!this.faults.missingPermissions.has(permission)) return undefined;
    const body: Json = {
      code: "Forbidden.AccessDenied.AccessTokenPermissionDenied",
      message: "the app has no permission for this API",
      accessdenieddetail: { requiredScopes: [permission] },
    };
    return Response.json(body, { status: 403 });
  }
}
