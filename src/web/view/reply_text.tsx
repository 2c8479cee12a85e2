/** The text of an answer, its reasoning, and the steps of its tools. */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { PageTurn } from "../chat/turn.ts";
import { MarkdownView } from "../markdown/markdown_view.ts";
import { useMarkdownRenderer, usePage, useWords } from "./context.ts";
import { COPIED_MS } from "./copy_button.tsx";
import { Icon } from "./icons.tsx";
import { copyText } from "./parts.tsx";

/** Characters of a step's detail. */
const MAX_DETAIL = 20_000;

/** The text. {@linkcode MarkdownView} draws it, without the view library. */
export function ReplyText({ turn }: { turn: PageTurn }): JSX.Element {
  const page = usePage();
  const renderer = useMarkdownRenderer();
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = frame.current!;
    let view = new MarkdownView(element, renderer, () => page.words.value);
    let generation = turn.generation;
    const stop = turn.content.subscribe(() => {
      if (turn.generation !== generation) {
        generation = turn.generation;
        view.dispose();
        element.replaceChildren();
        view = new MarkdownView(element, renderer, () => page.words.value);
      }
      view.show(turn.text, !turn.ended);
    });
    return () => {
      stop();
      view.dispose();
      element.replaceChildren();
    };
  }, [turn]);
  const onClick = async (event: MouseEvent) => {
    const target = event.target as HTMLElement;
    const button = target.closest<HTMLElement>("[data-copy-code]");
    if (button) {
      const words = page.words.value;
      const done = await copyText(
        button.closest(".code")!.querySelector("code")!.textContent ?? "",
      );
      button.textContent = done ? words.copied : words.copyFailed;
      setTimeout(() => button.textContent = words.copy, COPIED_MS);
    } else if (target instanceof HTMLImageElement) {
      page.overlay.value = { kind: "image", images: [target.src], index: 0 };
    }
  };
  return <div class="prose" ref={frame} onClick={onClick} />;
}

export function Reasoning({ turn }: { turn: PageTurn }): JSX.Element | null {
  const words = useWords();
  turn.content.value;
  if (turn.reasoning === "" && turn.tools.length === 0) return null;
  const now = !turn.ended && turn.text === "";
  const steps = turn.tools.length > 0 ? words.steps(turn.tools.length) : "";
  const title = turn.reasoning === ""
    ? steps
    : [now ? words.reasoningNow : words.reasoning, steps].filter(Boolean).join(" · ");
  return (
    <details class="reasoning">
      <summary>
        <Icon name="chevron" size={16} />
        {title}
        {now && turn.tools.length > 0 && <span class="muted">{turn.tools.at(-1)!.name}</span>}
      </summary>
      {turn.reasoning !== "" && <div class="reasoning-text" dir="auto">{turn.reasoning}</div>}
      {turn.tools.length > 0 && (
        <ol class="steps">
          {turn.tools.map((tool, index) => (
            <li key={index}>
              <span class="step-name">{tool.name || words.step}</span>
              {tool.state && <span class="muted">{tool.state}</span>}
              {tool.detail && <pre tabIndex={0}>{tool.detail.slice(0, MAX_DETAIL)}</pre>}
            </li>
          ))}
        </ol>
      )}
    </details>
  );
}
