/**
 * The meaning of DingTalk's error codes for an app's administrator, and where to fix each. Source:
 * DingTalk 全局错误码.
 */

const WORDS: readonly (readonly [RegExp, string])[] = [
  [
    /invalidClientId|invalidClientSecret|authFailed|^40089$|^40096$/i,
    "the Client ID or the Client Secret is wrong (developer console → Credentials)",
  ],
  [
    /AccessTokenPermissionDenied|^60011$|^88$/i,
    "a permission of the app is missing (developer console → Permissions)",
  ],
  [/ApiCountLimitForOrg|^90020$/i, "the organisation's API calls of this month are used up"],
  [/robotCode|robot\.not\.?exist/i, "the robot's code is wrong (developer console → Robot)"],
  [
    /cardTemplate|^param\.error$/i,
    "the card template is missing or wrong (card platform; cardTemplateId, cardKey)",
  ],
  [/param\.stream/i, "DingTalk refused the content of a card"],
  [
    /Forbidden\.AccessDenied\.IpNotInWhiteList|^60020$/i,
    "this address is not on the app's list of servers",
  ],
  [/^1111$/, "DingTalk shut this address out for five minutes: too many calls"],
  [/^310000$/, "a session's webhook has expired"],
  [/^webhook$/, "a message named a webhook that is not DingTalk's; it was not called"],
  [/^connection$/, "the Stream is not there"],
  [/^timeout$/, "DingTalk does not answer in time"],
  [/^network$/, "DingTalk cannot be reached"],
  [/^5\d\d$/, "DingTalk, or something in between, has trouble"],
];

export function explain(code: string): string | undefined {
  return WORDS.find(([pattern]) => pattern.test(code))?.[1];
}
