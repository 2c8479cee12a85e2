/** Lists in what comes in from outside. */
import { z } from "zod";

/** Items of a list, unless a list says otherwise: messages of one request, parts of one message. */
export const MAX_ITEMS = 10_000;

/**
 * A list whose length is looked at before its items: each wrong one of a million items would be
 * described first, only to be thrown away.
 */
export function boundedArray<T extends z.ZodType>(
  item: T,
  { least = 0, most = MAX_ITEMS, error = "must be a list" } = {},
) {
  return z.preprocess((value, context) => {
    if (!Array.isArray(value) || value.length <= most) return value;
    context.addIssue({ code: "custom", message: `must have at most ${most} items` });
    return z.NEVER;
  }, z.array(item, { error }).min(least, "must not be empty").max(most));
}
