/**
 * This is the part of the settings that is fetched when they are opened: keys, second factor, chat
 * apps.
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
