/**
 * The treatment of buttons. The protocol has none, and OpenClaw writes them below the text as a
 * list. The text of a request for approval already explains how to answer it, so its list is left
 * out.
 */

/** As much of a presentation as is looked at. */
export interface Presentation {
  readonly title?: string;
  readonly blocks: readonly {
    readonly type: string;
    readonly buttons?: readonly {
      readonly action?: { readonly type: string; readonly approvalId?: string };
    }[];
  }[];
}

/**
 * The payload without its buttons where its text holds their commands, or nothing: then OpenClaw
 * does as it always does.
 */
export function withoutRepeats<P extends { readonly text?: string }>(
  payload: P,
  shown: Presentation,
): P | null {
  const { text = "" } = payload;
  const buttons = shown.blocks.flatMap(({ buttons = [] }) => buttons);
  if (shown.title || buttons.length === 0 || shown.blocks.some(({ type }) => type !== "buttons")) {
    return null;
  }
  const told = buttons.every(({ action }) =>
    action?.type === "approval" && action.approvalId !== undefined &&
    text.includes(`/approve ${action.approvalId}`)
  );
  return told ? payload : null;
}
