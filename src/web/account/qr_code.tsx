/**
 * A QR code as a drawing: one path, dark on light in both themes, because not every app reads an
 * inverted code.
 */
import type { JSX } from "preact";
import { encode } from "uqr";

/** The quiet zone that the standard asks for, in modules. */
const QUIET_ZONE = 4;

/**
 * The modules of the code with its quiet zone, row by row; `true` is dark. The lowest error
 * correction is enough for a screen. Throws where the text is too long for a code.
 */
export function qrModules(text: string): boolean[][] {
  return encode(text, { ecc: "L", border: QUIET_ZONE }).data;
}

export function QrCode({ text, label }: { text: string; label: string }): JSX.Element {
  const rows = qrModules(text);
  const path = rows.flatMap((row, y) =>
    row.flatMap((isDark, x) => isDark ? `M${x} ${y}h1v1h-1z` : [])
  );
  return (
    <svg
      class="qr"
      role="img"
      aria-label={label}
      viewBox={`0 0 ${rows.length} ${rows.length}`}
      shape-rendering="crispEdges"
    >
      <rect width={rows.length} height={rows.length} fill="#fff" />
      <path d={path.join("")} fill="#000" />
    </svg>
  );
}
