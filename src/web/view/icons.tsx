/** The icons: one stroke width, a grid of 20, the colour of the text around them. */
import type { JSX } from "preact";

const PATHS = {
  send: "M10 16V4.5M4.8 9.5 10 4.2l5.2 5.3",
  stop: "M6 6h8v8H6z",
  plus: "M10 4v12M4 10h12",
  pen: "M4 16h3.2L16 7.2 12.8 4 4 12.8zM10.8 6l3.2 3.2",
  list: "M3.5 4.5h13v11h-13zM8 4.5v11",
  search: "M8.8 14.1a5.3 5.3 0 1 0 0-10.6 5.3 5.3 0 0 0 0 10.6zM12.7 12.7l4 4",
  gear:
    "M10 12.6a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2zM10 2.5v2.2M10 15.3v2.2M17.5 10h-2.2M4.7 10H2.5M15.3 4.7l-1.6 1.6M6.3 13.7l-1.6 1.6M15.3 15.3l-1.6-1.6M6.3 6.3 4.7 4.7",
  close: "m5 5 10 10M15 5 5 15",
  more: "M5 10h.01M10 10h.01M15 10h.01",
  pin: "M7.5 3.5h5l-.6 5 2.6 2.8h-9l2.6-2.8zM10 11.3V17",
  trash: "M4 5.5h12M8 5.5V3.8h4v1.7M5.5 5.5l.7 11h7.6l.7-11M8.5 8.5v5M11.5 8.5v5",
  download: "M10 3.5v9M6.3 9 10 12.7 13.7 9M4 16.5h12",
  copy: "M7 7h9v9.5H7zM4 13V3.5h9",
  check: "m4.5 10.5 3.6 3.6 7.4-8",
  again: "M15.8 8A6.2 6.2 0 1 0 16.2 11.500M16 3.800V8h-4.200",
  quote:
    "M4 12.500V9.500C4 7 5.300 5.500 8 5M4 9.500h4v4H4zM11.500 12.500V9.500c0-2.500 1.300-4 4-4.500M11.500 9.500h4v4h-4z",
  image: "M3.500 4h13v12h-13zM3.500 13.500l4-4 3.500 3.500 2-2 3.500 3.500M12.700 7.700h.010",
  left: "M12 5 7 10l5 5",
  right: "m8 5 5 5-5 5",
  down: "M10 4v11.500M5 10.800l5 5 5-5",
  chevron: "m5.500 8 4.500 4.500L14.500 8",
  eye:
    "M2.500 10S5 5 10 5s7.500 5 7.500 5-2.500 5-7.500 5-7.500-5-7.500-5zM10 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  out: "M8 3.500H4v13h4M12.500 6.500 16 10l-3.500 3.500M16 10H8",
  keyboard:
    "M2.500 5.500h15v9h-15zM5.500 8.500h.010M8.500 8.500h.010M11.500 8.500h.010M14.500 8.500h.010M6.500 11.500h7",
  bolt: "M11 2.500 4.500 11H10l-1 6.500L15.500 9H10z",
  chart: "M3.500 16.500h13M5.500 13.500v-4M10 13.500v-9M14.500 13.500v-6",
} as const;

export type IconName = keyof typeof PATHS;

/** Decoration: the label of the control around it has the meaning. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      stroke-width={name === "more" ? 2.2 : 1.5}
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The mark of the house: lines from everywhere meet in one point. */
export function Mark({ size = 28 }: { size?: number }): JSX.Element {
  return (
    <svg class="mark" width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden="true">
      <g stroke="currentColor" stroke-width="2.2" stroke-linecap="round">
        <path d="M16 16 6 7M16 16 5 18.500M16 16l-4 11M16 16l11 7.500M16 16l10.500-8" />
      </g>
      <circle cx="16" cy="16" r="4.600" fill="currentColor" />
      <g fill="currentColor">
        <circle cx="6" cy="7" r="2.200" />
        <circle cx="5" cy="18.500" r="2.200" />
        <circle cx="12" cy="27" r="2.200" />
        <circle cx="27" cy="23.500" r="2.200" />
        <circle cx="26.500" cy="8" r="2.200" />
      </g>
    </svg>
  );
}
