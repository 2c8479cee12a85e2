/**
 * This is the part of the settings that is fetched when they are opened: keys, second factor, chat
 * apps.
 */
import type { JSX } from "preact";
import { ChatApps } from "./chat_apps.tsx";
import { Factor } from "./factor.tsx";
import { Keys } from "./keys.tsx";

export function Account(): JSX.Element {
  return (
    <>
      <Factor />
      <Keys />
      <ChatApps />
    </>
  );
}
