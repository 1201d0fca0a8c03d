// Line icons, 20 by 20, drawn here: no icon font, no second request. They are decoration; the button carries the name.
const PATHS = {
  send: "M10 16V4.5M5 9.2 10 4.2l5 5",
  stop: "M6 6h8v8H6z",
  plus: "M10 4.5v11M4.5 10h11",
  search: "M8.8 14.1a5.3 5.3 0 1 0 0-10.6 5.3 5.3 0 0 0 0 10.6zM12.8 12.8l3.7 3.7",
  pencil: "M4 16l.8-3.4 8.4-8.4a1.4 1.4 0 0 1 2 0l.6.6a1.4 1.4 0 0 1 0 2L7.4 15.2 4 16z",
  trash: "M4.5 6h11M8 6V4.3h4V6M6 6l.6 9.7h6.8L14 6M8.6 8.8v4.2M11.4 8.8v4.2",
  download: "M10 4v8.2M6.4 9l3.6 3.5L13.6 9M4.5 15.8h11",
  copy: "M7.2 7.2h8.3v8.3H7.2zM4.5 12.8V4.5h8.3",
  check: "M4.5 10.6l3.6 3.6 7.4-8",
  redo: "M15.4 8.2A5.8 5.8 0 1 0 15.8 11M15.8 4.6v3.8H12",
  up: "M6.5 16H4.6V9.2h1.9M6.5 9.2l3-5.2c1.2 0 1.8.9 1.5 2l-.6 2.4h3.9c1 0 1.7.9 1.4 1.9l-1.2 4.4c-.2.8-.8 1.3-1.6 1.3H6.5z",
  down: "M13.5 4h1.9v6.8h-1.9M13.5 10.8l-3 5.2c-1.2 0-1.8-.9-1.5-2l.6-2.4H5.7c-1 0-1.7-.9-1.4-1.9l1.2-4.4C5.7 4.5 6.3 4 7.1 4h6.4z",
  lock: "M5 9.2h10v7H5zM7 9.2V6.8a3 3 0 0 1 6 0v2.4",
  unlock: "M5 9.2h10v7H5zM7 9.2V6.6a3 3 0 0 1 5.8-1.1",
  clock: "M10 16.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM10 6.4V10l2.4 1.4",
  left: "M12 5l-5 5 5 5",
  right: "M8 5l5 5-5 5",
  close: "M5.5 5.5l9 9M14.5 5.5l-9 9",
  menu: "M3.5 6h13M3.5 10h13M3.5 14h13",
  sliders: "M3.5 6.5h6.2M13.3 6.5h3.2M3.5 13.5h3.2M10.3 13.5h6.2M11.5 4.7v3.6M8.5 11.7v3.6",
  sun: "M10 13.2a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4zM10 2.8v1.5M10 15.7v1.5M2.8 10h1.5M15.7 10h1.5M4.9 4.9l1.1 1.1M14 14l1.1 1.1M15.1 4.9 14 6M6 14l-1.1 1.1",
  moon: "M16 11.6A6.3 6.3 0 0 1 8.4 4 6.3 6.3 0 1 0 16 11.6z",
  auto: "M10 3.5a6.5 6.5 0 1 0 0 13zM10 3.5a6.5 6.5 0 0 1 0 13",
  look: "M3 10s2.6-4.6 7-4.6S17 10 17 10s-2.6 4.6-7 4.6S3 10 3 10zM10 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  code: "M7 6l-4 4 4 4M13 6l4 4-4 4",
  drafts: "M3.5 5h5.2v10H3.5zM11.3 5h5.2v10h-5.2z",
  history: "M4.2 10a5.9 5.9 0 1 0 1.9-4.3L4.2 7.5M4.2 4.2v3.3h3.3M10 7v3.3l2.2 1.3",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, filled = false }: { name: IconName; filled?: boolean }) {
  return (
    <svg class={filled ? "icon filled" : "icon"} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
