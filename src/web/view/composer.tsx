/** The composer: the field for a message, its images, the bot that answers, and sending. */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { sanitizeName } from "../bot_name.ts";
import type { Thread } from "../chat/thread.ts";
import { BotMenu } from "./bot_menu.tsx";
import { type ComposerControl, ComposerState } from "./composer_state.ts";
import { usePage, useWords } from "./context.ts";
import { Icon } from "./icons.tsx";
import { MentionList, type MentionListControl } from "./mentions.tsx";
import { IconButton } from "./parts.tsx";

/**
 * Some browsers report the Enter that confirms a candidate of an input method only after the
 * composition has ended, within this time.
 */
const COMPOSITION_ENTER_MS = 40;

export function Composer({ thread, control }: {
  thread: Thread;
  control: { current: ComposerControl | undefined };
}): JSX.Element {
  const page = usePage();
  const words = useWords();
  const state = useMemo(() => new ComposerState(page, thread), []);
  const mentions = useRef<MentionListControl>();
  useLayoutEffect(() => state.open(thread), [thread]);
  useEffect(() => {
    control.current = state;
    return () => control.current = undefined;
  });
  const bots = page.chat.bots.value;
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        state.send();
      }}
    >
      {state.editing.value && (
        <div class="composer-note">
          <Icon name="pen" size={16} />
          <span>{words.editing}</span>
          <button type="button" class="link" onClick={() => state.stopEditing()}>
            {words.stopEditing}
          </button>
        </div>
      )}
      {state.mention.value && bots && (
        <MentionList
          bots={bots}
          query={state.mention.value.query}
          onChoose={(bot) => state.chooseMention(bot)}
          control={mentions}
        />
      )}
      <ComposerImages state={state} />
      <MessageField state={state} mentions={mentions} />
      <div class="composer-bar">
        <BotMenu
          target={state.target.value}
          open={state.isBotMenuOpen}
          onChoose={(bot) => state.chooseBot(bot)}
          thread={thread}
        />
        <ImagePicker state={state} />
        <Hint state={state} />
        <SendButton state={state} />
      </div>
    </form>
  );
}

function ComposerImages({ state }: { state: ComposerState }): JSX.Element | null {
  const page = usePage();
  const words = useWords();
  const images = state.images.value;
  if (images.length === 0) return null;
  return (
    <ul class="composer-images">
      {images.map((image, index) => (
        <li key={image.slice(-40) + index}>
          <button
            type="button"
            class="picture"
            aria-label={words.zoom(index + 1)}
            onClick={() => page.overlay.value = { kind: "image", images, index }}
          >
            <img src={image} alt={words.imageNumber(index + 1)} />
          </button>
          <IconButton
            icon="close"
            size={14}
            label={words.removeImage(index + 1)}
            onClick={() => state.removeImage(index)}
          />
        </li>
      ))}
    </ul>
  );
}

function MessageField({ state, mentions }: {
  state: ComposerState;
  mentions: { current: MentionListControl | undefined };
}): JSX.Element {
  const { chat } = usePage();
  const words = useWords();
  const composedAt = useRef(0);
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    state.field = field.current;
  }, []);
  useLayoutEffect(() => {
    // The height is released first: with a fixed height `scrollHeight` is never smaller.
    const { style } = field.current!;
    style.height = "auto";
    style.height = `${field.current!.scrollHeight + 2}px`;
  }, [state.text.value]);
  const bot = chat.bots.value?.find((bot) => bot.id === state.target.value);
  return (
    <textarea
      ref={field}
      id="composer"
      rows={1}
      dir="auto"
      value={state.text.value}
      placeholder={bot ? words.messageTo(sanitizeName(bot.name)) : words.messageAny}
      aria-label={bot ? words.messageTo(sanitizeName(bot.name)) : words.message}
      aria-describedby="composer-hint"
      aria-autocomplete="list"
      aria-controls={state.mention.value ? "mention-list" : undefined}
      enterkeyhint="send"
      onInput={(event) => {
        state.write(event.currentTarget.value);
        state.findMention();
      }}
      onSelect={() => state.findMention()}
      onBlur={() => state.mention.value = undefined}
      onCompositionEnd={(event) => composedAt.current = event.timeStamp}
      onKeyDown={(event) => {
        const isComposing = event.isComposing || event.keyCode === 229 ||
          event.timeStamp - composedAt.current < COMPOSITION_ENTER_MS;
        if (!isComposing) onKey(event, state, mentions.current);
      }}
      onPaste={(event) => {
        const images = [...event.clipboardData?.files ?? []].filter(({ type }) =>
          type.startsWith("image/")
        );
        if (images.length === 0) return;
        event.preventDefault();
        void state.addFiles(images);
      }}
    />
  );
}

function onKey(
  event: KeyboardEvent,
  state: ComposerState,
  mentions: MentionListControl | undefined,
): void {
  if (state.mention.value && mentions?.onKey(event)) return event.preventDefault();
  if (event.key === "Escape" && (state.editing.value || state.canStop.value)) {
    if (state.editing.value) state.stopEditing();
    else state.stop();
    event.preventDefault();
    event.stopPropagation();
  }
  if (event.key === "ArrowUp" && state.text.value === "" && !state.editing.value) {
    if (state.editLast()) event.preventDefault();
  }
  // On a phone Enter is a new line.
  const isTouch = matchMedia("(pointer: coarse)").matches;
  if (event.key === "Enter" && !event.shiftKey && (!isTouch || event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    state.send();
  }
}

function ImagePicker({ state }: { state: ComposerState }): JSX.Element {
  const words = useWords();
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        class="off-screen"
        type="file"
        accept="image/*"
        multiple
        tabIndex={-1}
        aria-hidden="true"
        onChange={(event) => {
          void state.addFiles([...event.currentTarget.files ?? []]);
          event.currentTarget.value = "";
        }}
      />
      <IconButton icon="image" label={words.addImages} onClick={() => input.current?.click()} />
    </>
  );
}

function Hint({ state }: { state: ComposerState }): JSX.Element {
  const words = useWords();
  const excess = state.excess.value;
  return (
    <span id="composer-hint" class={`composer-hint ${excess > 0 ? "error" : ""}`}>
      {excess > 0 ? words.tooLong(excess.toLocaleString(words.locale)) : words.enterHint}
    </span>
  );
}

function SendButton({ state }: { state: ComposerState }): JSX.Element {
  const words = useWords();
  if (state.canStop.value) {
    return (
      <button
        type="button"
        class="send stop"
        aria-label={words.stop}
        title={`${words.stop} (Esc)`}
        onClick={() => state.stop()}
      >
        <Icon name="stop" size={20} />
      </button>
    );
  }
  return (
    <button
      type="submit"
      class="send"
      aria-label={words.send}
      title={words.send}
      disabled={!state.canSend.value}
    >
      <Icon name="send" size={20} />
    </button>
  );
}
