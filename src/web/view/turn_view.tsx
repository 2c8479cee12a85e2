/** This is one turn on the screen: the question, the answer as it grows, and how it ended. */
import type { JSX } from "preact";
import { untracked, useComputed } from "@preact/signals";
import { memo } from "preact/compat";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Thread } from "../chat/thread.ts";
import type { PageTurn } from "../chat/turn.ts";
import { formatSize, isInlineImage, parseBotFile, saveBotFile } from "../bot_file.ts";
import { MarkdownView } from "../markdown/markdown_view.ts";
import type { Words } from "../words/words.ts";
import { useMarkdownRenderer, usePage, useWords } from "./context.ts";
import { BotName, copyText, IconButton, StateDot } from "./parts.tsx";
import { Icon } from "./icons.tsx";

interface TurnProps {
  readonly turn: PageTurn;
  readonly thread: Thread;
  readonly last: boolean;
  /** Puts the question into the composer, to be asked again in other words. */
  readonly onEdit: (turn: PageTurn) => void;
  readonly onQuote: (text: string) => void;
}

export const TurnView = memo(function TurnView(props: TurnProps): JSX.Element {
  const { turn, last } = props;
  return (
    <article
      class={`turn ${last ? "last" : ""}`}
      data-turn={turn.key}
      data-state={turn.state.value}
    >
      {!turn.pushed && <Question {...props} />}
      <Answer {...props} />
    </article>
  );
});

/*
 * ── the question
 * ────────────────────────────────────────────────────────────────────────────────────────────────────
 */

function Question({ turn, thread, onEdit }: TurnProps): JSX.Element {
  const page = usePage();
  const words = useWords();
  // A text that seldom changes: of five hundred questions only those that got another version are
  // drawn again.
  const place = useComputed(() => {
    const versions = thread.versions(turn);
    return `${versions.indexOf(turn)}/${versions.length}`;
  }).value;
  const at = Number(place.split("/")[0]);
  const versions = untracked(() => thread.versions(turn));
  return (
    <div class="question">
      <span class="off-screen">{words.said(words.you)}:</span>
      <ImageGrid images={turn.question.images} />
      {turn.question.text && <div class="question-text" dir="auto">{turn.question.text}</div>}
      <div class="actions">
        {versions.length > 1 && (
          <span class="versions" role="group" aria-label={words.branch(at + 1, versions.length)}>
            <IconButton
              icon="left"
              size={16}
              label={words.earlier}
              disabled={at === 0}
              onClick={() =>
                thread.choose(versions[at - 1]!)}
            />
            <span class="tabular">{at + 1}/{versions.length}</span>
            <IconButton
              icon="right"
              size={16}
              label={words.later}
              disabled={at === versions.length - 1}
              onClick={() =>
                thread.choose(versions[at + 1]!)}
            />
          </span>
        )}
        {turn.question.text && <CopyButton text={() => turn.question.text} />}
        {turn.ended && turn.id.value && (
          <IconButton
            icon="pen"
            size={16}
            label={words.edit}
            onClick={() => onEdit(turn)}
          />
        )}
      </div>
      {turn.state.value === "offline" && (
        <p class="question-state" role="status">
          <StateDot state="away" />
          {words.stateOffline}
          <button type="button" class="link" onClick={() => page.retrySleeper.wake()}>
            {words.retry}
          </button>
          <button type="button" class="link" onClick={() => void page.chat.stop(turn)}>
            {words.cancel}
          </button>
        </p>
      )}
    </div>
  );
}

/*
 * ── the answer
 * ──────────────────────────────────────────────────────────────────────────────────────────────────────
 */

function Answer({ turn, thread, onQuote }: TurnProps): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  const state = turn.state.value;
  if (state === "offline" || (state === "sending" && !turn.botName.value)) {
    return state === "sending"
      ? (
        <div class="answer">
          <p class="answer-head">
            <StateDot state="waiting" />
            {words.stateSending}
          </p>
        </div>
      )
      : null;
  }
  const name = turn.botName.value || turn.botId.value || words.bot;
  return (
    <div class="answer">
      <p class="answer-head">
        <BotName name={name} />
        <time
          dateTime={new Date(turn.at).toISOString()}
          title={new Date(turn.at).toLocaleString(words.locale)}
        >
          {clock(turn.at, words)}
        </time>
        <TurnStateLabel turn={turn} />
      </p>
      <Reasoning turn={turn} />
      <ReplyText turn={turn} />
      <ReplyPictures turn={turn} />
      <Ending turn={turn} thread={thread} />
      {turn.ended && turn.text !== "" && (
        <div class="actions">
          <CopyButton text={() => turn.text} />
          <IconButton
            icon="quote"
            size={16}
            label={words.quote}
            onClick={() => onQuote(selectedIn(turn.key) || turn.text)}
          />
          {!turn.pushed && turn.id.value && (
            <IconButton
              icon="again"
              size={16}
              label={words.again}
              onClick={() =>
                page.chat.send(thread, {
                  text: turn.question.text,
                  images: turn.question.images,
                  versionOf: turn,
                })}
            />
          )}
        </div>
      )}
    </div>
  );
}

/** What the person marked in this turn. */
function selectedIn(key: string): string {
  const selection = getSelection();
  const inside = selection?.anchorNode?.parentElement?.closest(`[data-turn="${CSS.escape(key)}"]`);
  return inside ? selection!.toString() : "";
}

function clock(at: number, words: Words): string {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(words.locale, {
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
    ...(today ? {} : { month: "short", day: "numeric" }),
  });
}

function TurnStateLabel({ turn }: { turn: PageTurn }): JSX.Element | null {
  const words = useWords();
  const state = turn.state.value;
  if (turn.stopping.value) {
    return (
      <span class="state">
        <StateDot state="waiting" />
        {words.stateStopping}
      </span>
    );
  }
  if (turn.resuming.value && !turn.ended) {
    return (
      <span class="state">
        <StateDot state="away" />
        {words.stateResuming}
      </span>
    );
  }
  switch (state) {
    case "queued":
      return (
        <span class="state" role="status">
          <StateDot state="waiting" />
          {words.stateQueued(turn.queuePosition.value)}
        </span>
      );
    case "sending":
      return (
        <span class="state">
          <StateDot state="waiting" />
          {words.stateSending}
        </span>
      );
    case "waiting":
      return (
        <span class="state">
          <StateDot state="waiting" />
          {words.stateWaiting}
          <Elapsed since={turn.at} />
        </span>
      );
    case "answering":
      return (
        <span class="state">
          <StateDot state="answering" />
          {words.stateAnswering}
        </span>
      );
    case "cancelled":
      return (
        <span class="state">
          <StateDot state="away" />
          {words.stateCancelled}
        </span>
      );
    case "incomplete":
      return (
        <span class="state warning">
          <StateDot state="warning" />
          {words.stateIncomplete}
        </span>
      );
    case "failed":
      return (
        <span class="state danger">
          <StateDot state="danger" />
          {words.stateFailed}
        </span>
      );
    default:
      return null;
  }
}

/** Seconds, once they are worth counting. */
function Elapsed({ since }: { since: number }): JSX.Element | null {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.floor((now - since) / 1000);
  const words = useWords();
  return seconds >= 3
    ? <span class="tabular muted">{words.tookSeconds(String(seconds))}</span>
    : null;
}

/** The text: drawn by {@linkcode MarkdownView}, outside of the view library. */
function ReplyText({ turn }: { turn: PageTurn }): JSX.Element {
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
      setTimeout(() => button.textContent = words.copy, 1600);
    } else if (target instanceof HTMLImageElement) {
      page.overlay.value = { kind: "image", images: [target.src], index: 0 };
    }
  };
  return <div class="prose" ref={frame} onClick={onClick} />;
}

function Reasoning({ turn }: { turn: PageTurn }): JSX.Element | null {
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
              {tool.detail && <pre tabIndex={0}>{tool.detail.slice(0, 20_000)}</pre>}
            </li>
          ))}
        </ol>
      )}
    </details>
  );
}

function ReplyPictures({ turn }: { turn: PageTurn }): JSX.Element | null {
  turn.content.value;
  if (turn.images.length === 0) return null;
  return (
    <>
      <ImageGrid images={turn.images} />
      <Files urls={turn.images} />
    </>
  );
}

/** The files of an answer, by name and size; a click saves one, nothing opens it. */
function Files({ urls }: { urls: readonly string[] }): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  const files = urls.map(parseBotFile).filter((file) => file !== undefined);
  if (files.length === 0) return null;
  return (
    <ul class="files">
      {files.map((file, index) => (
        <li key={index}>
          <button
            type="button"
            class="file"
            title={words.saveFile}
            onClick={() => saveBotFile(file) || page.toast(words.brokenFile)}
          >
            <Icon name="download" size={16} />
            <bdi>{file.name}</bdi>
            <span class="muted tabular">{formatSize(file.size)}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

/**
 * Pictures as small as they fit; a click shows them large. Only data that is an image is shown at
 * all.
 */
export function ImageGrid({ images }: { images: readonly string[] }): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  const good = images.filter(isInlineImage);
  if (good.length === 0) return null;
  return (
    <div class="pictures">
      {good.map((image, index) => (
        <button
          key={index}
          type="button"
          class="picture"
          aria-label={words.zoom(index + 1)}
          onClick={() => page.overlay.value = { kind: "image", images: good, index }}
        >
          <img src={image} alt={words.imageNumber(index + 1)} decoding="async" />
        </button>
      ))}
    </div>
  );
}

/** How it ended, where that is not simply well; what was kept; what to do. */
function Ending({ turn, thread }: { turn: PageTurn; thread: Thread }): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  turn.content.value;
  const state = turn.state.value;
  const retry = (
    <button
      type="button"
      class="button small"
      onClick={() => page.chat.retry(thread, turn)}
    >
      <Icon name="again" size={16} />
      {words.retry}
    </button>
  );
  const lost = turn.gaps.map((gap, index) => (
    <p key={index} class="ending warning">{words.gap(gap.length)}</p>
  ));
  if (state === "cancelled") {
    // Whether the bot confirmed is known to the page that asked; elsewhere the line above says
    // enough.
    if (turn.stopped.value === undefined) return <>{lost}</>;
    const receipt = turn.stopped.value ? words.cancelledConfirmed : words.cancelledSilent;
    return (
      <>
        {lost}
        <p class="ending" role="status">{receipt}</p>
      </>
    );
  }
  if (state === "incomplete") {
    const why = turn.code.value === "shutting_down"
      ? words.incompleteRestart
      : turn.code.value === "reply_timeout"
      ? words.incompleteTimeout
      : turn.code.value === "lost"
      ? words.failedCode.lost
      : turn.errorText.value ?? words.incompleteText;
    return (
      <>
        {lost}
        <div class="ending warning" role="status">
          <p>{why}</p>
          {retry}
        </div>
      </>
    );
  }
  if (state === "failed") {
    const code = turn.code.value ?? "";
    const why = turn.errorText.value ?? words.failedCode[code] ?? words.failedText;
    return (
      <div class="ending danger" role="alert">
        <p>{why}</p>
        {turn.retryAfter.value ? <RetryIn seconds={turn.retryAfter.value}>{retry}</RetryIn> : retry}
      </div>
    );
  }
  if (turn.ended && turn.resumed.value && lost.length === 0) {
    return <p class="ending muted" role="status">{words.resumed}</p>;
  }
  return lost.length > 0 ? <>{lost}</> : null;
}

/** The way to try again opens when a repeat makes sense. */
function RetryIn({ seconds, children }: { seconds: number; children: JSX.Element }): JSX.Element {
  const words = useWords();
  const [left, setLeft] = useState(Math.ceil(seconds));
  useEffect(() => {
    const timer = setInterval(() => setLeft((left) => Math.max(0, left - 1)), 1000);
    return () => clearInterval(timer);
  }, []);
  return left > 0 ? <span class="muted tabular">{words.retryIn(left)}</span> : children;
}

function CopyButton({ text }: { text: () => string }): JSX.Element {
  const page = usePage();
  const words = useWords();
  const [done, setDone] = useState(false);
  const copy = async () => {
    if (!await copyText(text())) return void page.toast(words.copyFailed);
    setDone(true);
    page.announce(words.copied);
    setTimeout(() => setDone(false), 1600);
  };
  return (
    <IconButton
      icon={done ? "check" : "copy"}
      size={16}
      label={done ? words.copied : words.copy}
      onClick={copy}
    />
  );
}
