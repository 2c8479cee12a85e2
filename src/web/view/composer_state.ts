/** The state of the composer: text, images, the chosen bot, and what is edited. */
import { computed, signal } from "@preact/signals";
import type { BotJson } from "../../wire/chat.ts";
import type { Thread } from "../chat/thread.ts";
import type { PageTurn } from "../chat/turn.ts";
import type { Page } from "../page.ts";
import { MAX_IMAGES, prepareImage } from "../prepare_image.ts";
import { type Mention, mentionAt } from "./mentions.tsx";

/** UTF-16 units. The gateway accepts more, but nobody types more. */
const MAX_TEXT_LENGTH = 100_000;

/** What the rest of the page may ask of the composer. */
export interface ComposerControl {
  focus(): void;
  /** Puts the question of a turn into the field, to send it again as another version. */
  edit(turn: PageTurn): void;
  quote(text: string): void;
  addFiles(files: readonly File[]): Promise<void>;
  openBotMenu(): void;
  chooseBot(bot: BotJson | undefined): void;
}

export class ComposerState implements ComposerControl {
  readonly #page: Page;
  #thread: Thread;
  field: HTMLTextAreaElement | null = null;
  readonly text = signal("");
  readonly images = signal<readonly string[]>([]);
  /** A bot id or a pool; `undefined`: the gateway chooses. */
  readonly target = signal<string | undefined>(undefined);
  readonly editing = signal<PageTurn | undefined>(undefined);
  readonly mention = signal<Mention | undefined>(undefined);
  readonly isBotMenuOpen = signal(false);
  /** The turn that a stop would end. */
  readonly running = computed(() =>
    this.#page.chat.threads.open.value.path.value.findLast((turn) => !turn.ended)
  );
  readonly isEmpty = computed(() =>
    this.text.value.trim() === "" && this.images.value.length === 0
  );
  /** Characters past the limit; negative below it. */
  readonly excess = computed(() => this.text.value.length - MAX_TEXT_LENGTH);
  readonly canSend = computed(() => !this.isEmpty.value && this.excess.value <= 0);
  readonly canStop = computed(() => this.running.value !== undefined && this.isEmpty.value);

  constructor(page: Page, thread: Thread) {
    this.#page = page;
    this.#thread = thread;
  }

  /** Shows the draft of a conversation. */
  open(thread: Thread): void {
    this.#thread = thread;
    const { localSettings } = this.#page;
    this.text.value = localSettings.get(this.#name("draft")) ?? "";
    this.target.value = localSettings.get(this.#name("target"));
    this.images.value = [];
    this.editing.value = undefined;
    this.mention.value = undefined;
  }

  focus(): void {
    this.field?.focus();
  }

  /** Changes the text. A draft is stored, an edited question is not. */
  write(text: string): void {
    this.text.value = text;
    if (!this.editing.value) this.#page.localSettings.set(this.#name("draft"), text);
  }

  send(): void {
    if (!this.canSend.value) return;
    this.#page.chat.sender.send(this.#thread, {
      text: this.text.value.trim(),
      images: this.images.value,
      target: this.target.value,
      versionOf: this.editing.value,
    });
    this.#page.localSettings.set(this.#name("draft"), undefined);
    this.images.value = [];
    this.editing.value = undefined;
    this.text.value = "";
    this.mention.value = undefined;
    this.focus();
  }

  stop(): void {
    if (this.running.value) void this.#page.chat.sender.stop(this.running.value);
  }

  edit(turn: PageTurn): void {
    this.editing.value = turn;
    this.text.value = turn.question.text;
    this.images.value = turn.question.images;
    this.focus();
    const { length } = this.text.value;
    setTimeout(() => this.field?.setSelectionRange(length, length));
  }

  /** Edits the last question that was answered. Returns whether there is one. */
  editLast(): boolean {
    const last = this.#thread.path.value.findLast((turn) =>
      !turn.pushed && turn.ended && turn.id.value !== ""
    );
    if (last) this.edit(last);
    return last !== undefined;
  }

  stopEditing(): void {
    this.editing.value = undefined;
    this.images.value = [];
    this.text.value = this.#page.localSettings.get(this.#name("draft")) ?? "";
    this.focus();
  }

  quote(quoted: string): void {
    const lines = quoted.trim().split("\n").map((line) => `> ${line}`).join("\n");
    this.write(`${this.text.value ? `${this.text.value}\n\n` : ""}${lines}\n\n`);
    this.focus();
  }

  async addFiles(files: readonly File[]): Promise<void> {
    const words = this.#page.words.value;
    for (const file of files) {
      if (this.images.value.length >= MAX_IMAGES) {
        this.#page.toast(words.tooManyImages(MAX_IMAGES));
        return;
      }
      const image = await prepareImage(file);
      if (image === "not an image") this.#page.toast(words.notAnImage(file.name));
      else if (image === "too large") this.#page.toast(words.imageTooLarge(file.name));
      else this.images.value = [...this.images.value, image];
    }
    this.focus();
  }

  removeImage(index: number): void {
    this.images.value = this.images.value.filter((_, other) => other !== index);
  }

  openBotMenu(): void {
    this.isBotMenuOpen.value = true;
  }

  chooseBot(bot: BotJson | undefined): void {
    this.target.value = bot?.id;
    this.#page.localSettings.set(this.#name("target"), bot?.id);
    this.isBotMenuOpen.value = false;
    this.focus();
  }

  /** Looks for an `@word` at the caret. */
  findMention(): void {
    const field = this.field!;
    this.mention.value = mentionAt(field.value, field.selectionStart);
  }

  /** Chooses a bot and takes its `@word` out of the text. */
  chooseMention(bot: BotJson): void {
    const { from, query } = this.mention.value!;
    const rest = this.text.value.slice(from + 1 + query.length).replace(/^ /, "");
    this.write(this.text.value.slice(0, from) + rest);
    this.mention.value = undefined;
    this.chooseBot(bot);
  }

  /** The name of a stored setting of this conversation. */
  #name(setting: "draft" | "target"): string {
    return `${setting}.${this.#page.chat.person}.${this.#thread.id.value || "new"}`;
  }
}
