/**
 * The account part of the settings: second factor, API keys, chat apps. It is loaded when the
 * settings are opened.
 */
import type { JSX } from "preact";
import { ChatApps } from "./chat_apps.tsx";
import { SecondFactor } from "./second_factor.tsx";
import { ApiKeys } from "./api_keys.tsx";

export function Account(): JSX.Element {
  return (
    <>
      <SecondFactor />
      <ApiKeys />
      <ChatApps />
    </>
  );
}
