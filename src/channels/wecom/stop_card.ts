/** The card that a WeCom app shows while its bot works: a button that stops the bot. */
import type { Json } from "../../core/store.ts";

/** The key of the button, and the beginning of its card's task id. */
export const STOP_KEY = "stop";

/**
 * A `button_interaction` card: 1 to 6 buttons, a title of some 36 characters, and a task id of
 * digits, letters and `_-@`, at most 128 bytes, that this app has not used before (path/90372). Its
 * button is replaced by words after a press, or when the answer is there.
 */
export function stopCard(text: string, button: string, messageId: string): Json {
  return {
    card_type: "button_interaction",
    main_title: { title: text },
    task_id: `${STOP_KEY}-${messageId}`,
    button_list: [{ text: button, style: 2, key: STOP_KEY }],
  };
}
