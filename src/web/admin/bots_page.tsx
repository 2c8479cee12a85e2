/** The bots that are connected; an admin can disconnect one. */
import type { JSX } from "preact";
import type { BotJson } from "../../wire/chat.ts";
import { sanitizeName } from "../bot_name.ts";
import { usePage } from "../view/context.ts";
import { BotName, botStateLabel, StateDot } from "../view/parts.tsx";
import { Table, toastFailure, useAdminWords, useDateFormat } from "./parts.tsx";

export function BotsPage(): JSX.Element {
  const page = usePage();
  const words = useAdminWords();
  const formatDate = useDateFormat();
  const bots = page.chat.bots.value ?? [];
  const disconnect = async (bot: BotJson) => {
    if (!confirm(words.disconnectSure(sanitizeName(bot.name)))) return;
    await toastFailure(
      page,
      () => page.gateway.post(`/api/admin/bots/${encodeURIComponent(bot.id)}/disconnect`),
    );
  };
  return (
    <Table
      label={words.bots}
      head={[words.bot, words.state, words.load, words.pool, words.since, ""]}
      empty={bots.length === 0}
    >
      {bots.map((bot) => (
        <tr key={bot.id}>
          <th scope="row">
            <BotName name={bot.name} />
            <bdi class="muted">@{sanitizeName(bot.id)}</bdi>
          </th>
          <td>
            <StateDot state={bot.state ?? "online"} /> {botStateLabel(page.words.value, bot)}
          </td>
          <td class="tabular">
            {bot.busy ?? 0}
            {bot.maxConcurrent ? ` / ${bot.maxConcurrent}` : ""}
          </td>
          <td>
            <bdi>{sanitizeName(bot.pool ?? "")}</bdi>
          </td>
          <td class="tabular">{formatDate(bot.connectedAt)}</td>
          <td>
            <button type="button" class="button small" onClick={() => void disconnect(bot)}>
              {words.disconnect}
            </button>
          </td>
        </tr>
      ))}
    </Table>
  );
}
