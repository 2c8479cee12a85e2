/** A conversation without messages: the bots to choose from, or the command that connects one. */
import type { JSX } from "preact";
import { sanitizeName } from "../bot_name.ts";
import { BotSummary } from "./bot_summary.tsx";
import { usePage, useWords } from "./context.ts";
import { CopyLine } from "./copyable_text.tsx";
import { StateDot } from "./parts.tsx";

export function EmptyConversation(
  { onChoose }: { onChoose: (botId: string) => void },
): JSX.Element {
  const page = usePage();
  const words = useWords();
  const bots = page.chat.bots.value;
  const real = bots?.filter((bot) => bot.id !== "demo") ?? [];
  const me = page.me.value!;
  return (
    <div class="first">
      <h2>{words.hello(sanitizeName(me.displayName || me.username))}</h2>
      {bots && bots.length > 0 && (
        <div class="cards">
          {bots.slice(0, 12).map((bot) => (
            <button
              key={bot.id}
              type="button"
              class="card"
              onClick={() => onChoose(bot.id)}
            >
              <BotSummary bot={bot} />
            </button>
          ))}
        </div>
      )}
      {bots && real.length === 0 && me.role !== "member" && <ConnectABot />}
    </div>
  );
}

/** The exact command; it turns live as soon as a bot connects. */
function ConnectABot(): JSX.Element {
  const page = usePage();
  const words = useWords();
  const origin = page.gateway.address || location.origin;
  const command = `NEXUS_TOKEN=… npx -y deno@2.9.6 run -A examples/bot.ts ${
    origin.replace(/^http/, "ws")
  }/bot-ws`;
  return (
    <section class="connect" aria-label={words.connectTitle}>
      <h3>{words.connectTitle}</h3>
      <p>{words.connectText}</p>
      <CopyLine text={command} button={words.copy} />
      <p class="muted" role="status">
        <StateDot state="waiting" />
        {words.connectWaiting}
      </p>
    </section>
  );
}
