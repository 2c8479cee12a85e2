/**
 * This is a QR code as a drawing: one path, dark on light in both themes, because not every app
 * reads it the other way round.
 */
import type { JSX } from "preact";
import { qrCode } from "./qr.ts";

/** The quiet zone that the standard asks for, in modules. */
const QUIET = 4;

export function QrCode({ text, label }: { text: string; label: string }): JSX.Element {
  const rows = qrCode(text);
  const size = rows.length + 2 * QUIET;
  const path = rows.flatMap((row, y) =>
    row.flatMap((dark, x) => dark ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : [])
  );
  return (
    <svg
      class="qr"
      role="img"
      aria-label={label}
      viewBox={`0 0 ${size} ${size}`}
      shape-rendering="crispEdges"
    >
      <rect width={size} height={size} fill="#fff" />
      <path d={path.join("")} fill="#000" />
    </svg>
  );
}
