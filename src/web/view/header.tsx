/** The header: the title of the conversation, and its bot's state. */
import type { JSX } from "preact";
import type { ConversationJson } from "../../wire/chat.ts";
import type { Thread } from "../chat/thread.ts";
import { usePage, useWords } from "./context.ts";
import { BotName, botStateLabel, IconButton, StateDot } from "./parts.tsx";

/** Characters of a first question that serve as a title. */
const TITLE_LENGTH = 80;

interface HeaderProps {
  readonly listShown: boolean;
  readonly onList: () => void;
}

export function Header(props: HeaderProps): JSX.Element {
  const page = usePage();
  const isAdmin = page.route.value.admin !== undefined && page.me.value?.role === "admin";
  return isAdmin ? <AdminHeader {...props} /> : <ConversationHeader {...props} />;
}

function ConversationHeader({ listShown, onList }: HeaderProps): JSX.Element {
  const page = usePage();
  const words = useWords();
  const { chat } = page;
  const thread = chat.threads.open.value;
  const conversation = chat.conversations.get(thread.id.value);
  const first = thread.path.value[0]?.question.text ?? "";
  const title = thread.id.value || thread.path.value.length > 0
    ? conversation?.title || first.slice(0, TITLE_LENGTH) || words.untitled
    : words.newConversation;
  const unread = chat.unread.total;
  return (
    <header class="head">
      {!listShown && (
        <span class="with-badge">
          <IconButton icon="list" label={words.showList} keys="Ctrl+B" onClick={onList} />
          {unread > 0 && <span class="badge" aria-label={words.unread(unread)}>{unread}</span>}
        </span>
      )}
      <h1 dir="auto">{title}</h1>
      <BotState thread={thread} conversation={conversation} />
      {!listShown && (
        <IconButton
          icon="pen"
          label={words.newConversation}
          keys="Alt+N"
          onClick={() => page.go({})}
        />
      )}
    </header>
  );
}

/** The bot that answered last, or the number of bots. */
function BotState({ thread, conversation }: {
  thread: Thread;
  conversation: ConversationJson | undefined;
}): JSX.Element {
  const { chat } = usePage();
  const words = useWords();
  const bots = chat.bots.value;
  const last = thread.path.value.findLast((turn) => turn.botId.value !== "")?.botId.value;
  const botId = last ?? conversation?.botId;
  const bot = bots?.find(({ id }) => id === botId);
  if (botId) {
    return (
      <span class="head-bot">
        <StateDot state={bot ? bot.state ?? "online" : "away"} />
        <BotName name={bot?.name ?? botId} />
        <span class="muted">{bot ? botStateLabel(words, bot) : words.botAway}</span>
      </span>
    );
  }
  return (
    <span class="head-bot">
      {bots && (
        <>
          <StateDot state={bots.length > 0 ? "online" : "away"} />
          <span class="muted">
            {bots.length > 0 ? words.botsOnline(bots.length) : words.noBots}
          </span>
        </>
      )}
    </span>
  );
}

function AdminHeader({ listShown, onList }: HeaderProps): JSX.Element {
  const page = usePage();
  const words = useWords();
  return (
    <header class="head">
      {!listShown && (
        <IconButton icon="list" label={words.showList} keys="Ctrl+B" onClick={onList} />
      )}
      <h1>{words.admin}</h1>
      <button type="button" class="button small" onClick={() => page.go({})}>
        {words.backToChat}
      </button>
    </header>
  );
}
