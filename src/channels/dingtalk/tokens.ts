/** A DingTalk app's access tokens: one for the new API, one for the old (`oapi`). */
import type { Clock } from "../../core/clock.ts";
import type { Json } from "../../core/store.ts";
import { type HttpParts, parse, request } from "../im/http_call.ts";
import { PlatformError } from "../im/platform.ts";
import { AccessToken } from "../im/token.ts";
import type { DingTalkSettings } from "./settings.ts";

/** One request for a token. */
interface TokenRequest {
  readonly method: string;
  readonly url: string;
  /** Sent as JSON. */
  readonly body?: Json;
  /** Finds the token in the response; `undefined`: the request was refused. */
  readonly read: (json: Json) => { token: string; seconds: number } | undefined;
}

export function accessTokens(
  clock: Clock,
  http: HttpParts,
  settings: DingTalkSettings,
): { readonly token: AccessToken; readonly oldToken: AccessToken } {
  const { baseUrl, oapiBaseUrl, clientId, clientSecret } = settings;
  const query = new URLSearchParams({ appkey: clientId, appsecret: clientSecret });
  const get = (asked: TokenRequest) =>
    new AccessToken(clock, (patience) => requestToken(http, asked, patience));
  return {
    token: get({
      method: "POST",
      url: `${baseUrl}/v1.0/oauth2/accessToken`,
      body: { appKey: clientId, appSecret: clientSecret },
      read: (json) => json.accessToken && { token: json.accessToken, seconds: json.expireIn },
    }),
    oldToken: get({
      method: "GET",
      url: `${oapiBaseUrl}/gettoken?${query}`,
      read: (json) => json.access_token && { token: json.access_token, seconds: json.expires_in },
    }),
  };
}

/** Throws a `PlatformError`: `refused` where the app's keys are wrong. */
async function requestToken(
  http: HttpParts,
  { method, url, body, read }: TokenRequest,
  patience: number,
): Promise<{ token: string; lifetime: number }> {
  const init = body === undefined ? {} : { body: JSON.stringify(body), json: true };
  const answer = await request(http, "token", method, url, init, patience);
  const json = typeof answer === "string" ? undefined : parse(answer.text);
  const found = json && read(json);
  if (found) return { token: found.token, lifetime: found.seconds * 1000 };
  const code = String(
    json?.code ?? json?.errcode ?? (typeof answer === "string" ? answer : answer.status),
  );
  const isRefused = /invalid|40089|40096/i.test(code);
  throw new PlatformError(isRefused ? "refused" : "unavailable", code, "no accessToken");
}
