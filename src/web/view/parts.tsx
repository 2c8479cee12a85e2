/** Small components that the whole page uses: buttons, a menu, a dialog, the state of a bot. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { BotJson } from "../../wire/chat.ts";
import { sanitizeName } from "../bot_name.ts";
import type { Words } from "../words/words.ts";
import { useWords } from "./context.ts";
import { Icon, type IconName } from "./icons.tsx";

type ButtonProps = {
  icon: IconName;
  label: string;
  onClick?: (event: MouseEvent) => void;
  class?: string;
  disabled?: boolean;
  size?: number;
  pressed?: boolean;
  keys?: string;
};

/** A button that is only a drawing; its name is its label and its tip. */
export function IconButton(
  { icon, label, onClick, disabled, size, pressed, keys, ...rest }: ButtonProps,
): JSX.Element {
  return (
    <button
      type="button"
      class={`icon-button ${rest.class ?? ""}`}
      aria-label={label}
      aria-pressed={pressed}
      title={keys ? `${label} (${keys})` : label}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} size={size} />
    </button>
  );
}

export interface MenuItem {
  readonly label: string;
  readonly icon?: IconName;
  readonly danger?: boolean;
  readonly run: () => void;
}

/** A button with a list of actions. Arrow keys move, Escape closes and gives the focus back. */
export function Menu({ label, icon, items, up, size, ...rest }: {
  label: string;
  icon: IconName;
  items: readonly MenuItem[];
  up?: boolean;
  size?: number;
  class?: string;
}): JSX.Element {
  const [open, setOpen] = useState(false);
  const frame = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useOutsideClick(frame, open, () => setOpen(false));
  useEffect(() => {
    if (open) frame.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
  }, [open]);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <div class={`menu ${rest.class ?? ""}`} ref={frame} data-open={open}>
      <button
        ref={button}
        type="button"
        class="icon-button"
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={label}
        title={label}
        onClick={() => setOpen(!open)}
      >
        <Icon name={icon} size={size} />
      </button>
      {open && (
        <div
          class={`menu-list ${up ? "up" : ""}`}
          role="menu"
          aria-label={label}
          onKeyDown={(event) => {
            if (event.key === "Escape") {
              event.stopPropagation();
              close();
            } else moveFocus(event, "[role=menuitem]");
          }}
        >
          {items.map((item) => (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              tabIndex={-1}
              class={item.danger ? "danger" : ""}
              onClick={() => {
                close();
                item.run();
              }}
            >
              {item.icon && <Icon name={item.icon} />}
              {item.label}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

/** Up, Down, Home and End among the elements that match. */
export function moveFocus(
  event: KeyboardEvent & { currentTarget: EventTarget | null },
  selector: string,
): void {
  const all = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>(selector)];
  const at = all.indexOf(document.activeElement as HTMLElement);
  const to = event.key === "ArrowDown"
    ? (at + 1) % all.length
    : event.key === "ArrowUp"
    ? (at - 1 + all.length) % all.length
    : event.key === "Home"
    ? 0
    : event.key === "End"
    ? all.length - 1
    : -1;
  if (to < 0) return;
  event.preventDefault();
  all[to]?.focus();
}

/** Calls `leave` when the person clicks or focuses something outside. */
export function useOutsideClick(
  frame: { current: HTMLElement | null },
  on: boolean,
  leave: () => void,
): void {
  useEffect(() => {
    if (!on) return;
    const look = (event: Event) => {
      if (!frame.current?.contains(event.target as Node)) leave();
    };
    document.addEventListener("pointerdown", look);
    document.addEventListener("focusin", look);
    return () => {
      document.removeEventListener("pointerdown", look);
      document.removeEventListener("focusin", look);
    };
  }, [on]);
}

/** Opens a dialog element as a modal one. When it closes, the focus returns. */
export function useModal() {
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const dialog = element.current!;
    dialog.showModal();
    return () => {
      dialog.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  return element;
}

/**
 * A dialog in front of the page: the browser's own, which keeps the focus inside and closes on
 * Escape.
 */
export function Dialog({ title, children, onClose, ...rest }: {
  title: string;
  children: ComponentChildren;
  onClose: () => void;
  class?: string;
}): JSX.Element {
  const words = useWords();
  const element = useModal();
  const name = useId();
  return (
    <dialog
      ref={element}
      class={`dialog ${rest.class ?? ""}`}
      aria-labelledby={name}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        // The backdrop belongs to the dialog element itself.
        if (event.target === element.current) onClose();
      }}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={name}>{title}</h2>
          <IconButton icon="close" label={words.close} onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** A bot's name, isolated so that it cannot change the direction of the text around it. */
export function BotName({ name }: { name: string }): JSX.Element {
  return <bdi class="bot-name">{sanitizeName(name)}</bdi>;
}

export function botStateLabel(words: Words, bot: BotJson): string {
  switch (bot.state) {
    case "busy":
      return words.botBusy;
    case "resting":
      return words.botResting;
    case "draining":
      return words.botDraining;
    default:
      return words.botOnline;
  }
}

/** A dot for a state. The text beside it names the state. */
export function StateDot({ state }: { state: string }): JSX.Element {
  return <span class={`dot dot-${state}`} aria-hidden="true" />;
}

/** Copies, also where the page was reached over plain HTTP and the modern way is closed. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "off-screen";
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
