/**
 * This is where a person writes: the text, its images, who is to answer, and one button that sends
 * or stops.
 */
import type { JSX } from "preact";
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { type BotCard, sanitizeName } from "../bot_name.ts";
import { MAX_IMAGES, prepareImage } from "../prepare_image.ts";
import type { Thread } from "../chat/thread.ts";
import type { PageTurn } from "../chat/turn.ts";
import { BotChoice, mentionAt, MentionList } from "./bots.tsx";
import { usePage, useWords } from "./context.ts";
import { Icon } from "./icons.tsx";
import { IconButton } from "./parts.tsx";

/** What others may ask of the composer. */
export interface ComposerControl {
  focus(): void;
  edit(turn: PageTurn): void;
  quote(text: string): void;
  addFiles(files: readonly File[]): void;
  chooseBot(): void;
  setTarget(botId: string): void;
}

/** UTF-16 units; the gateway takes more, no person types more. */
const LONGEST = 100_000;

export function Composer({ thread, control }: {
  thread: Thread;
  control: { current: ComposerControl | undefined };
}): JSX.Element {
  const page = usePage();
  const words = useWords();
  const { chat, localSettings } = page;
  const field = useRef<HTMLTextAreaElement>(null);
  const files = useRef<HTMLInputElement>(null);
  const text = useSignal("");
  const images = useSignal<readonly string[]>([]);
  const target = useSignal<string | undefined>(undefined);
  const editing = useSignal<PageTurn | undefined>(undefined);
  const mention = useSignal<{ from: number; query: string } | undefined>(undefined);
  const choosing = useSignal(false);
  /** Ends of compositions: some browsers tell Enter only after the candidate was taken. */
  const composedAt = useRef(0);

  const draftName = `draft.${chat.person}.${thread.id.value || "new"}`;
  useLayoutEffect(() => {
    text.value = localSettings.get(draftName) ?? "";
    target.value = localSettings.get(`target.${chat.person}.${thread.id.value || "new"}`);
    images.value = [];
    editing.value = undefined;
    mention.value = undefined;
  }, [thread]);
  useLayoutEffect(() => {
    // No fixed height is measured right: it is let go first.
    const element = field.current!;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight + 2}px`;
  }, [text.value]);

  const running = useComputed(() =>
    chat.openThread.value.path.value.findLast((turn) => !turn.ended)
  );
  const canStop = running.value !== undefined && text.value.trim() === "" &&
    images.value.length === 0;
  const over = text.value.length - LONGEST;
  const canSend = (text.value.trim() !== "" || images.value.length > 0) && over <= 0;

  const write = (value: string) => {
    text.value = value;
    if (!editing.value) localSettings.set(draftName, value);
  };
  const addFiles = async (chosen: readonly File[]) => {
    for (const file of chosen) {
      if (images.value.length >= MAX_IMAGES) {
        return void page.toast(words.tooManyImages(MAX_IMAGES));
      }
      const image = await prepareImage(file);
      if (image === "not an image") page.toast(words.notAnImage(file.name));
      else if (image === "too large") page.toast(words.imageTooLarge(file.name));
      else images.value = [...images.value, image];
    }
    field.current?.focus();
  };
  const send = () => {
    if (!canSend) return;
    chat.send(thread, {
      text: text.value.trim(),
      images: images.value,
      target: target.value,
      versionOf: editing.value,
    });
    localSettings.set(draftName, undefined);
    images.value = [];
    editing.value = undefined;
    text.value = "";
    mention.value = undefined;
    field.current?.focus();
  };
  const stop = () => {
    if (running.value) void chat.stop(running.value);
  };
  const chooseTarget = (bot: BotCard | undefined) => {
    target.value = bot?.id;
    localSettings.set(`target.${chat.person}.${thread.id.value || "new"}`, bot?.id);
    choosing.value = false;
    field.current?.focus();
  };
  const takeMention = (bot: BotCard) => {
    const open = mention.value!;
    const end = open.from + 1 + open.query.length;
    write(text.value.slice(0, open.from) + text.value.slice(end).replace(/^ /, ""));
    mention.value = undefined;
    chooseTarget(bot);
  };
  const stopEditing = () => {
    editing.value = undefined;
    images.value = [];
    text.value = localSettings.get(draftName) ?? "";
    field.current?.focus();
  };

  useEffect(() => {
    control.current = {
      focus: () => field.current?.focus(),
      edit(turn) {
        editing.value = turn;
        text.value = turn.question.text;
        images.value = turn.question.images;
        field.current?.focus();
        setTimeout(() => field.current?.setSelectionRange(text.value.length, text.value.length));
      },
      quote(quoted) {
        const lines = quoted.trim().split("\n").map((line) => `> ${line}`).join("\n");
        write(`${text.value ? `${text.value}\n\n` : ""}${lines}\n\n`);
        field.current?.focus();
      },
      addFiles,
      chooseBot: () => choosing.value = true,
      setTarget: (botId) => chooseTarget(chat.bots.value?.find((bot) => bot.id === botId)),
    };
    return () => control.current = undefined;
  });

  const mentionMenu = useRef<{ key(event: KeyboardEvent): boolean }>();
  const onKeyDown = (event: KeyboardEvent) => {
    // Enter that confirms a candidate of an input method is not meant for us. Safari tells it after
    // the composition has ended.
    if (event.isComposing || event.keyCode === 229 || event.timeStamp - composedAt.current < 40) {
      return;
    }
    if (mention.value && mentionMenu.current?.key(event)) return void event.preventDefault();
    if (event.key === "Escape") {
      if (editing.value) stopEditing();
      else if (canStop) stop();
      else return;
      event.preventDefault();
      event.stopPropagation();
    }
    if (event.key === "ArrowUp" && text.value === "" && !editing.value) {
      const last = thread.path.value.findLast((turn) =>
        !turn.pushed && turn.ended && turn.id.value !== ""
      );
      if (last) {
        event.preventDefault();
        control.current?.edit(last);
      }
    }
    const touch = matchMedia("(pointer: coarse)").matches;
    if (event.key === "Enter" && !event.shiftKey && (!touch || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send();
    }
  };
  const lookForMention = () => {
    const element = field.current!;
    mention.value = mentionAt(element.value, element.selectionStart);
  };

  const bot = chat.bots.value?.find((bot) => bot.id === target.value);
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {editing.value && (
        <div class="composer-note">
          <Icon name="pen" size={16} />
          <span>{words.editing}</span>
          <button type="button" class="link" onClick={stopEditing}>{words.stopEditing}</button>
        </div>
      )}
      {mention.value && chat.bots.value && (
        <MentionList
          bots={chat.bots.value}
          query={mention.value.query}
          onChoose={takeMention}
          control={mentionMenu}
        />
      )}
      {images.value.length > 0 && (
        <ul class="composer-images">
          {images.value.map((image, index) => (
            <li key={image.slice(-40) + index}>
              <button
                type="button"
                class="picture"
                aria-label={words.zoom(index + 1)}
                onClick={() => page.overlay.value = { kind: "image", images: images.value, index }}
              >
                <img src={image} alt={words.imageNumber(index + 1)} />
              </button>
              <IconButton
                icon="close"
                size={14}
                label={words.removeImage(index + 1)}
                onClick={() => images.value = images.value.filter((_, other) => other !== index)}
              />
            </li>
          ))}
        </ul>
      )}
      <textarea
        ref={field}
        id="composer"
        rows={1}
        dir="auto"
        value={text.value}
        placeholder={bot ? words.messageTo(sanitizeName(bot.name)) : words.messageAny}
        aria-label={bot ? words.messageTo(sanitizeName(bot.name)) : words.message}
        aria-describedby="composer-hint"
        aria-autocomplete="list"
        aria-controls={mention.value ? "mention-list" : undefined}
        enterkeyhint="send"
        onInput={(event) => {
          write(event.currentTarget.value);
          lookForMention();
        }}
        onSelect={lookForMention}
        onBlur={() => mention.value = undefined}
        onCompositionEnd={(event) => composedAt.current = event.timeStamp}
        onKeyDown={onKeyDown}
        onPaste={(event) => {
          const pasted = [...event.clipboardData?.files ?? []].filter((file) =>
            file.type.startsWith("image/")
          );
          if (pasted.length === 0) return;
          event.preventDefault();
          void addFiles(pasted);
        }}
      />
      <div class="composer-bar">
        <BotChoice target={target.value} open={choosing} onChoose={chooseTarget} thread={thread} />
        <input
          ref={files}
          class="off-screen"
          type="file"
          accept="image/*"
          multiple
          tabIndex={-1}
          aria-hidden="true"
          onChange={(event) => {
            void addFiles([...event.currentTarget.files ?? []]);
            event.currentTarget.value = "";
          }}
        />
        <IconButton icon="image" label={words.addImages} onClick={() => files.current?.click()} />
        <span id="composer-hint" class={`composer-hint ${over > 0 ? "error" : ""}`}>
          {over > 0 ? words.tooLong(over.toLocaleString(words.locale)) : words.enterHint}
        </span>
        {canStop
          ? (
            <button
              type="button"
              class="send stop"
              aria-label={words.stop}
              title={`${words.stop} (Esc)`}
              onClick={stop}
            >
              <Icon name="stop" size={20} />
            </button>
          )
          : (
            <button
              type="submit"
              class="send"
              aria-label={words.send}
              title={words.send}
              disabled={!canSend}
            >
              <Icon name="send" size={20} />
            </button>
          )}
      </div>
    </form>
  );
}
