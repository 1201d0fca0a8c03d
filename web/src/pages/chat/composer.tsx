// Where the person writes: grows with the text, sends on Enter, stops on Escape.
import { useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "../../parts/icons";
import { Meter } from "./meter";
import { model, running, sendMessage, stop } from "./state";
import { MOST_DRAFTS } from "./tree";
import { say } from "./words";

interface Props {
  text: string;
  onText: (text: string) => void;
  /** Answers that are asked for, 1 to 4. */
  count: number;
  onCount: (count: number) => void;
}

const TEXT = "composer-text";

/** Go on writing. Not on a touch screen, which would open its keyboard over half the page. */
export function toComposer(): void {
  if (matchMedia("(hover: hover)").matches) document.getElementById(TEXT)?.focus({ preventScroll: true });
}

export function Composer({ text, onText, count, onCount }: Props) {
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => grow(area.current), [text]);
  useLayoutEffect(() => {
    toComposer();
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && running.value && !document.querySelector("dialog[open]")) stop();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const isBusy = running.value !== null;
  const onStop = () => {
    stop();
    toComposer(); // the button goes away
  };
  const send = async () => {
    const trimmed = text.trim();
    if (!trimmed || isBusy || !model.value) return;
    onText("");
    if (!(await sendMessage(trimmed, count))) onText(text); // nothing a person wrote is lost
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <div class="composer-box card">
        <textarea
          ref={area}
          id={TEXT}
          rows={1}
          aria-label={say("message")}
          aria-description={say("keys")}
          placeholder={say("placeholder", { model: model.value?.id ?? "" })}
          value={text}
          onInput={(event) => onText(event.currentTarget.value)}
          onKeyDown={(event) => {
            // Enter also ends a composed character (Chinese, accents): that must not send.
            if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
              event.preventDefault();
              void send();
            }
          }}
        />
        <div class="composer-tools">
          <DraftCount count={count} onCount={onCount} />
          {isBusy ? (
            <button type="button" class="primary square round" aria-label={say("stop")} title={say("stop")} onClick={onStop}>
              <Icon name="stop" filled />
            </button>
          ) : (
            <button
              type="submit"
              class="primary square round"
              aria-label={say("send")}
              title={say("send")}
              disabled={!text.trim() || !model.value}
            >
              <Icon name="send" />
            </button>
          )}
        </div>
      </div>
      <Meter />
    </form>
  );
}

function DraftCount({ count, onCount }: { count: number; onCount: (count: number) => void }) {
  return (
    <div class="segments" role="group" aria-label={say("draftCount")} title={say("draftsHint")}>
      <span class="segments-icon">
        <Icon name="drafts" />
      </span>
      {Array.from({ length: MOST_DRAFTS }, (_, place) => place + 1).map((number) => (
        <button
          key={number}
          type="button"
          class="numbers"
          aria-pressed={count === number}
          onClick={() => onCount(number)}
        >
          {number}
        </button>
      ))}
    </div>
  );
}

function grow(area: HTMLTextAreaElement | null): void {
  if (!area) return;
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}
