/** Names of bots and people, made safe to show. */

/** Control characters, and what turns the direction of the text around it. */
const UNSEEN =
  // deno-lint-ignore no-control-regex -- they are what is taken out
  /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** A bot's name as it may be shown: no control characters, no direction tricks, not endless. */
export function sanitizeName(name: string): string {
  const plain = name.replace(UNSEEN, "");
  return plain.length > 60 ? `${plain.slice(0, 59)}…` : plain;
}
