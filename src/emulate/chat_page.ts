/**
 * The page of an emulated platform: a person types into a private chat or a group, sees messages
 * and cards as they are edited, and presses the buttons of cards.
 */
import type { ChatLog } from "./chat_log.ts";

/** Messages of a chat that the page shows. */
const SHOWN = 50;

export interface ChatPageParts {
  readonly title: string;
  readonly log: ChatLog;
  /** A person writes into a chat, which is theirs alone or a group. */
  readonly say: (chat: string, text: string, inGroup: boolean) => void;
  /** The labels of a message's buttons; none where the platform has no cards with buttons. */
  readonly buttons?: (messageId: string) => readonly string[];
  readonly press?: (messageId: string, index: number) => void;
  /** Figures for the foot of the page. */
  readonly figures: () => Record<string, number>;
}

/**
 * Answers `GET /` (the page), `GET /chats` (what it shows), `POST /say` `{chat, text, group?}` and
 * `POST /press` `{message, button}`, `button` counted from 0. `undefined`: not the page's.
 */
export async function chatPage(
  request: Request,
  parts: ChatPageParts,
): Promise<Response | undefined> {
  const { pathname } = new URL(request.url);
  switch (`${request.method} ${pathname}`) {
    case "GET /":
      return new Response(html(parts.title), {
        headers: { "content-type": "text/html; charset=utf-8" },
      });
    case "GET /chats":
      return Response.json({ chats: chatsOf(parts), figures: parts.figures() });
    case "POST /say": {
      const { chat, text, group } = await request.json();
      parts.say(String(chat), String(text), group === true);
      return Response.json({});
    }
    case "POST /press": {
      const { message, button } = await request.json();
      parts.press?.(String(message), Number(button));
      return Response.json({});
    }
  }
  return undefined;
}

function chatsOf({ log, buttons }: ChatPageParts) {
  return log.chats.map((chat) => ({
    chat,
    messages: log.in(chat).slice(-SHOWN).map((message) => ({
      ...message,
      buttons: buttons?.(message.id) ?? [],
    })),
  }));
}

function html(title: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>${STYLE}</style>
<h1>${title}</h1>
<main aria-live="polite"></main>
<form>
  <input class="chat" name="chat" value="chat-1" aria-label="Chat">
  <label><input type="checkbox" name="group"> group</label>
  <input class="text" name="text" placeholder="Message" aria-label="Message" autofocus>
  <button>Send</button>
</form>
<footer></footer>
<script>${SCRIPT}</script>
</html>`;
}

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 1rem auto; padding: 0 1rem;
  background: #f4f5f7; color: #1f2329 }
.message { background: #fff; border-radius: 8px; padding: .5rem .8rem; margin: .4rem 0;
  white-space: pre-wrap; overflow-wrap: anywhere; width: fit-content; max-width: 90% }
.person { background: #d8e8ff; margin-left: auto }
.changing { outline: 2px dashed #9bb }
small { color: #667; display: block }
form { position: sticky; bottom: 0; display: flex; gap: .5rem; padding: .6rem 0;
  align-items: center; background: #f4f5f7 }
input { font: inherit; padding: .4rem }
.chat { flex: 0 0 8rem; min-width: 0 }
.text { flex: 1; min-width: 0 }
`;

const SCRIPT = `
const main = document.querySelector("main"), foot = document.querySelector("footer");
let drawn = "";
function post(path, body) {
  return fetch(path, { method: "POST", body: JSON.stringify(body) }).then(draw);
}
function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}
function drawMessage(m) {
  const box = element("div", m.text, "message " + m.from + (m.final ? "" : " changing"));
  for (const [index, label] of m.buttons.entries()) {
    const button = element("button", label);
    button.onclick = () => post("press", { message: m.id, button: index });
    box.append(document.createElement("br"), button);
  }
  const state = m.kind + " · " + m.edits + " edits" + (m.final ? "" : " · still changing");
  box.append(element("small", state));
  return box;
}
async function draw() {
  const text = await (await fetch("chats")).text();
  if (text === drawn) return;
  drawn = text;
  const { chats, figures } = JSON.parse(text);
  main.replaceChildren(...chats.flatMap(({ chat, messages }) =>
    [element("h2", chat), ...messages.map(drawMessage)]));
  foot.textContent = Object.entries(figures).map(([k, v]) => k + ": " + v).join(" · ");
}
document.querySelector("form").onsubmit = (event) => {
  event.preventDefault();
  const { chat, text, group } = event.target;
  post("say", { chat: chat.value, text: text.value, group: group.checked });
  text.value = "";
};
draw();
setInterval(draw, 500);
`;
