/**
 * What people see in the chats of an emulated platform: every message with its edits, and whether
 * it will change any more. Also as a small page, so that one can write to a bot and watch.
 */
import type { Clock } from "../core/clock.ts";

export interface ShownMessage {
  readonly id: string;
  readonly chat: string;
  readonly from: "person" | "bot";
  readonly kind: string;
  text: string;
  /** Whether it will change any more, by the platform's own rules. */
  final: boolean;
  edits: number;
  readonly at: number;
  changedAt: number;
}

export class ChatLog {
  readonly #messages = new Map<string, ShownMessage>();
  readonly #chats = new Map<string, ShownMessage[]>();
  /** Who was notified by a mention in what a bot said: `all`, or an id. */
  readonly mentions: { readonly chat: string; readonly who: string }[] = [];
  /** Told of every change: freshness is measured here. */
  onChange: ((message: ShownMessage) => void) | undefined;

  constructor(private readonly clock: Clock) {}

  add(
    message: {
      id: string;
      chat: string;
      from: "person" | "bot";
      kind: string;
      text: string;
      final: boolean;
    },
  ): ShownMessage {
    const now = this.clock.now();
    const shown: ShownMessage = { ...message, edits: 0, at: now, changedAt: now };
    this.#messages.set(shown.id, shown);
    const chat = this.#chats.get(shown.chat);
    if (chat) chat.push(shown);
    else this.#chats.set(shown.chat, [shown]);
    this.onChange?.(shown);
    return shown;
  }

  edit(id: string, change: { text?: string; final?: boolean }): void {
    const message = this.#messages.get(id);
    if (!message) return;
    if (change.text !== undefined && change.text !== message.text) message.edits++;
    message.text = change.text ?? message.text;
    message.final = change.final ?? message.final;
    message.changedAt = this.clock.now();
    this.onChange?.(message);
  }

  /** Notes the mentions that the platform reads in a text, each once for each message. */
  recordMentions(chat: string, text: string, marks: readonly RegExp[]): void {
    for (const mark of marks) {
      for (const [, who = "all"] of text.matchAll(mark)) {
        if (!this.mentions.some((ping) => ping.chat === chat && ping.who === who)) {
          this.mentions.push({ chat, who });
        }
      }
    }
  }

  get(id: string): ShownMessage | undefined {
    return this.#messages.get(id);
  }

  /** What stands in a chat, in order. */
  in(chat: string): readonly ShownMessage[] {
    return this.#chats.get(chat) ?? [];
  }

  /** What a bot has said for good in a chat. */
  finals(chat: string): ShownMessage[] {
    return this.in(chat).filter((message) => message.from === "bot" && message.final);
  }

  get chats(): string[] {
    return [...this.#chats.keys()];
  }
}

/** The page's parts that need the emulator: sending a message, driving time. */
export interface PageParts {
  readonly title: string;
  readonly log: ChatLog;
  readonly say: (chat: string, text: string) => void;
  /** Figures for the foot of the page. */
  readonly figures: () => Record<string, number | string>;
}

/**
 * `GET /` is the page, `GET /chats` what it shows, `POST /say` a person's message. `undefined`: not
 * the page's.
 */
export async function page(request: Request, parts: PageParts): Promise<Response | undefined> {
  const { pathname } = new URL(request.url);
  if (request.method === "GET" && pathname === "/") {
    return new Response(html(parts.title), {
      headers: { "content-type": "text/html; charset=utf-8" },
    });
  }
  if (request.method === "GET" && pathname === "/chats") {
    const chats = parts.log.chats.map((chat) => ({
      chat,
      messages: parts.log.in(chat).slice(-50),
    }));
    return Response.json({ chats, figures: parts.figures() });
  }
  if (request.method === "POST" && pathname === "/say") {
    const { chat, text } = await request.json();
    parts.say(String(chat), String(text));
    return Response.json({});
  }
  return undefined;
}

function html(title: string): string {
  return `<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:48rem;margin:1rem auto;padding:0 1rem;background:#f4f5f7;color:#1f2329}
.m{background:#fff;border-radius:8px;padding:.5rem .8rem;margin:.4rem 0;white-space:pre-wrap;overflow-wrap:anywhere;width:fit-content;max-width:90%}
.person{background:#d8e8ff;margin-left:auto}.open{outline:2px dashed #9bb}small{color:#667;display:block}
form{position:sticky;bottom:0;display:flex;gap:.5rem;padding:.6rem 0;background:#f4f5f7}input{flex:1;font:inherit;padding:.4rem}input.c{flex:0 0 8rem}
</style><h1>${title}</h1><main></main><form><input class="c" name="chat" value="chat-1" aria-label="chat"><input name="text" placeholder="Message" aria-label="message" autofocus><button>Send</button></form><footer></footer>
<script>
const main=document.querySelector("main"),foot=document.querySelector("footer");
async function draw(){
  const {chats,figures}=await (await fetch("chats")).json();
  main.replaceChildren(...chats.flatMap(({chat,messages})=>{
    const head=document.createElement("h2");head.textContent=chat;
    return [head,...messages.map(m=>{const d=document.createElement("div");d.className="m "+m.from+(m.final?"":" open");d.textContent=m.text;
      const s=document.createElement("small");s.textContent=m.kind+" · "+m.edits+" edits"+(m.final?"":" · still changing");d.append(s);return d})]}));
  foot.textContent=Object.entries(figures).map(([k,v])=>k+": "+v).join(" · ");
}
document.querySelector("form").onsubmit=async e=>{e.preventDefault();const f=e.target;
  await fetch("say",{method:"POST",body:JSON.stringify({chat:f.chat.value,text:f.text.value})});f.text.value="";draw()};
draw();setInterval(draw,500);
</script>`;
}
