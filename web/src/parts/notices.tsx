// Short messages between the bar and the page, and the quiet voice that reads streamed text to screen readers.
import { signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { explain, isAbort } from "../api";

interface Notice {
  id: number;
  text: string;
  kind: "info" | "error";
}

const notices = signal<Notice[]>([]);
const spoken = signal("");
/** Places that can show notices: the page, and every open dialog. Only the last does: what lies under a modal is inert. */
const places = signal<symbol[]>([]);
let last = 0;

export function notify(text: string, kind: Notice["kind"] = "info"): void {
  const id = ++last;
  notices.value = [...notices.value.slice(-2), { id, text, kind }];
  setTimeout(() => dismiss(id), kind === "error" ? 9000 : 3500);
}

export function report(error: unknown): void {
  if (!isAbort(error)) notify(explain(error), "error");
}

function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

/** Say something to screen readers only. */
export function announce(text: string): void {
  spoken.value = text;
}

export function Notices({ close }: { close: string }) {
  const own = useRef(Symbol("place"));
  useLayoutEffect(() => {
    const place = own.current;
    places.value = [...places.value, place];
    return () => {
      places.value = places.value.filter((other) => other !== place);
    };
  }, []);
  const isTop = places.value.at(-1) === own.current;
  return (
    <>
      <div class="notices" role="status">
        {isTop &&
          notices.value.map((notice) => (
            <div key={notice.id} class={`notice ${notice.kind}`}>
              <span>{notice.text}</span>
              <button type="button" class="quiet small" onClick={() => dismiss(notice.id)}>
                {close}
              </button>
            </div>
          ))}
      </div>
      <div class="for-readers" aria-live="polite">
        {isTop && spoken.value}
      </div>
    </>
  );
}
