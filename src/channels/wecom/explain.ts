/**
 * The meaning of WeCom's error codes for an app's administrator, and where to fix each. Source:
 * WeCom 全局错误码 (path/90313).
 */

const WORDS: Readonly<Record<string, string>> = {
  "40001": "the secret is wrong (admin console → Apps → the app, or the AI bot's API settings)",
  "40013": "the corp's id is wrong (admin console → My Company)",
  "40056": "the AgentId is wrong (admin console → Apps → the app)",
  "301002": "the secret belongs to another app than the AgentId",
  "60020":
    "this address is not a trusted IP of the app (admin console → Apps → the app → Trusted IPs)",
  "60011": "the app may not see this member (admin console → Apps → the app → Visible range)",
  "81013": "the member is not within the app's visible range (admin console → Apps → the app)",
  "48002": "the app may not use this API",
  "45009": "WeCom says that it is too much",
  "853000": "the AI bot's id or secret is wrong (admin console → AI bot → API mode)",
  "93000": "the group robot's key is wrong, or the robot was removed from the group",
  "846608": "the answer's stream ended after six minutes",
  taken_over: "another connection of this AI bot took over: two programs use its id and secret",
  url: "a message named an address that is not WeCom's; it was not called",
  connection: "the long connection is not there",
  timeout: "WeCom does not answer in time",
  network: "WeCom cannot be reached",
};

export function explain(code: string): string | undefined {
  return WORDS[code] ??
    (/^5\d\d$/.test(code) ? "WeCom, or something in between, has trouble" : undefined);
}
