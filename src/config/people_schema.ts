/**
 * The settings `users` and `limits`: the people of the configuration.
 */
import { z } from "zod";
import { hashProblem } from "../core/people/password_hash.ts";
import { text, whole } from "./validators.ts";

/**
 * Whether somebody may be called so: `alice~2` is the id of the second account of the name alice.
 */
export function isName(name: string): boolean {
  const at = name.lastIndexOf("~");
  return at < 0 || !/^\d+$/.test(name.slice(at + 1));
}

export const limitsSchema = z.looseObject({
  messagesPerMinute: whole(1, 1_000_000).optional(),
  messagesPerDay: whole(1, 100_000_000).optional(),
  turnsAtOnce: whole(1, 100_000).optional(),
  imageBytesPerDay: whole(0, Number.MAX_SAFE_INTEGER, "bytes").optional(),
  streamsAtOnce: whole(1, 1_000_000).optional().meta({
    description: "Event streams open at once. Default: 10000.",
  }),
  conversations: whole(1, 10_000_000).optional().meta({ description: "Conversations kept." }),
}, { error: 'must be an object such as {"messagesPerMinute":30}' });

export const userSchema = z.looseObject({
  // A hash that was cut when it was copied would else be taken for a plain password.
  password: text("must be a password or its argon2id hash", 1).check((c) => {
    const problem = hashProblem(c.value);
    if (problem !== undefined) c.issues.push({ code: "custom", message: problem, input: c.value });
  }).meta({
    description:
      "The password, or its hash as `$argon2id$…` (`nexus hash` makes one). Plain text is warned about.",
  }),
  displayName: text("must be a name").optional().meta({ description: "What people and bots see." }),
  role: z.enum(["admin", "member"], { error: 'must be "admin" or "member"' }).optional().meta({
    description:
      "`admin` may see and change everything. Default: admin for the name `admin`, else member.",
  }),
  bots: z.array(text("must be a bot id or pool name", 1), {
    error: "must be a list of bot ids and pool names",
  })
    .optional()
    .meta({ description: "The bots and pools this person may use. Default: all." }),
  limits: limitsSchema.optional().meta({
    description: "What this person may ask; what is absent here is as in `limits` for all.",
  }),
}, { error: 'must be an object such as {"password":"…","displayName":"…"}' });
