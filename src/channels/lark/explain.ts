/**
 * The meaning of Feishu's error codes for an app's administrator, and where to fix each. Source:
 * Feishu 服务端错误码, 通用错误码.
 */

const WORDS: Readonly<Record<string, string>> = {
  "10003": "the App ID is wrong (developer console → Credentials & Basic Info)",
  "10014": "the App Secret is wrong (developer console → Credentials & Basic Info)",
  "10015": "the App Secret is wrong (developer console → Credentials & Basic Info)",
  "514": "the App ID or the App Secret is wrong (developer console → Credentials & Basic Info)",
  "403": "the app may not use the long connection (developer console → Events & Callbacks)",
  "1000040350": "50 connections of this app are open already",
  "99991672":
    "a permission of the app is missing (developer console → Permissions & Scopes, then publish a version)",
  "99991679":
    "a permission of the app is missing (developer console → Permissions & Scopes, then publish a version)",
  "99991403": "the month's API calls of the plan are used up",
  "99991662": "the app is disabled, or no version of it is published",
  "230006": "the app has no bot (developer console → Add features → Bot)",
  "230013":
    "this person is not within the app's availability (developer console → Version management → Availability)",
  "230002": "the bot is not in this group",
  "230018": "the group does not let bots speak",
  "230028": "the content was refused by the organisation's audit",
  "200220": "a card was refused as malformed",
  "11310": "a card had too many tables",
  connection: "the long connection is not there",
  timeout: "Feishu does not answer in time",
  network: "Feishu cannot be reached",
  not_json: "something in between, such as a proxy, answered in place of Feishu",
};

export function explain(code: string): string | undefined {
  return WORDS[code] ??
    (/^5\d\d$/.test(code) ? "Feishu, or something in between, has trouble" : undefined);
}
