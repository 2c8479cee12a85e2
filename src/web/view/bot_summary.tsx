/** A bot in one or two lines: name, description, state, load, and what it can do. */
import type { JSX } from "preact";
import type { BotJson } from "../../wire/chat.ts";
import { sanitizeName } from "../bot_name.ts";
import { useWords } from "./context.ts";
import { BotName, botStateLabel, StateDot } from "./parts.tsx";

/** Characters of a description. */
const MAX_DESCRIPTION = 160;

export function BotSummary({ bot }: { bot: BotJson }): JSX.Element {
  const words = useWords();
  const abilities = (bot.capabilities ?? []).flatMap((name) =>
    Object.hasOwn(words.canDo, name) ? [words.canDo[name]!] : []
  );
  const details = [
    botStateLabel(words, bot),
    bot.busy ? words.load(bot.busy, bot.maxConcurrent ?? null) : "",
    bot.pool ? words.pool(sanitizeName(bot.pool)) : "",
    ...abilities,
  ].filter(Boolean);
  return (
    <>
      <StateDot state={bot.state ?? "online"} />
      <span class="bot-line">
        <span>
          <BotName name={bot.name} />{" "}
          {bot.name !== bot.id && <bdi class="muted">@{sanitizeName(bot.id)}</bdi>}
        </span>
        {bot.description && (
          <bdi class="bot-description">{sanitizeDescription(bot.description)}</bdi>
        )}
        <span class="muted">{details.join(" · ")}</span>
      </span>
    </>
  );
}

function sanitizeDescription(text: string): string {
  // deno-lint-ignore no-control-regex -- they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, " ").slice(
    0,
    MAX_DESCRIPTION,
  );
}
