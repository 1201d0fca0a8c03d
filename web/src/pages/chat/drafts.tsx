// Two to four answers side by side. The reward model's scores stay hidden until the person has chosen.
import { computed } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Message } from "../../api";
import { Icon } from "../../parts/icons";
import { Markdown } from "../../parts/markdown";
import { number } from "../../words";
import { toComposer } from "./composer";
import { Ending } from "./message";
import { LearningNote } from "./sharing";
import { chooseDraft, closeDrafts, drafts, type Drafts, messages, running } from "./state";
import { letter, say } from "./words";
import "./drafts.css";

const shown = computed(() => {
  const ids = drafts.value?.ids ?? [];
  return ids.flatMap((id) => messages.value.find((message) => message.id === id) ?? []);
});

export function DraftBoard({ board }: { board: Drafts }) {
  const ref = useRef<HTMLElement>(null);
  const isWriting = running.value !== null;
  const canChoose = !isWriting && !board.chosen;
  useLayoutEffect(() => {
    if (!canChoose) return;
    ref.current?.scrollIntoView({ block: "end" });
    if (!isOccupied()) ref.current?.querySelector("article")?.focus({ preventScroll: true });
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || target.closest(`${TYPED}, dialog`)) return;
      const id = board.ids[Number(event.key) - 1];
      if (id) void chooseDraft(id);
      else if (event.key.length === 1 && event.key !== " ") toComposer(); // whoever just writes on is not held up
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [board, canChoose]);
  useLayoutEffect(() => {
    if (board.chosen && !isOccupied()) toComposer();
  }, [board.chosen]);
  return (
    <section class="drafts" aria-label={say("drafts")} ref={ref}>
      <div class="drafts-lead">
        <p role="status">{isWriting ? say("chooseWait") : board.chosen ? verdict(board) : say("chooseLead")}</p>
        {!isWriting && <LearningNote judged="choice" />}
        {!isWriting && (
          <button type="button" class="quiet small" onClick={closeDrafts}>
            {say(board.chosen ? "close" : "chooseLater")}
          </button>
        )}
      </div>
      <div class="drafts-cards" data-count={board.ids.length}>
        {shown.value.map((message, place) => (
          <DraftCard key={message.id} message={message} place={place} board={board} canChoose={canChoose} />
        ))}
      </div>
    </section>
  );
}

const TYPED = "input:not([type=checkbox]), textarea, select";

/** Somebody is writing, or busy elsewhere than with the answers. */
function isOccupied(): boolean {
  const active = document.activeElement as HTMLElement | null;
  if (active instanceof HTMLTextAreaElement && active.closest(".composer")) return active.value !== "";
  return !!active?.closest(`${TYPED}, dialog, aside`);
}

interface CardProps {
  message: Message;
  place: number;
  board: Drafts;
  canChoose: boolean;
}

function DraftCard({ message, place, board, canChoose }: CardProps) {
  const isChosen = board.chosen === message.id;
  const score = board.scores?.[message.id];
  return (
    <article
      class={isChosen ? "draft card chosen" : "draft card"}
      aria-label={say("draft", { letter: letter(place) })}
      tabIndex={-1}
    >
      <header>
        <strong>{say("draft", { letter: letter(place) })}</strong>
        {score !== undefined && <span class="score numbers">{say("score", { score: number(score, 2) })}</span>}
      </header>
      <div class="draft-text" tabIndex={0}>
        <Markdown text={message.content} copy={say("copy")} copied={say("copied")} />
        <Ending reason={message.finish_reason} />
      </div>
      <footer>
        {isChosen ? (
          <span class="draft-chosen">
            <Icon name="check" />
            {say("chosen")}
          </span>
        ) : (
          !board.chosen && (
            <button type="button" class="plain" disabled={!canChoose} onClick={() => void chooseDraft(message.id)}>
              {say("choose")}
              <kbd aria-hidden="true">{place + 1}</kbd>
            </button>
          )
        )}
      </footer>
    </article>
  );
}

function verdict(board: Drafts): string {
  if (!board.scores) return "…";
  const scored = board.ids.filter((id) => board.scores?.[id] !== undefined);
  if (scored.length < 2) return say("noScore");
  const best = scored.reduce((first, second) => (score(board, second) > score(board, first) ? second : first));
  // Drafts with the same score are as good to the reward model: also when they say the same.
  const isAgreed = board.chosen !== null && score(board, board.chosen) >= score(board, best);
  return isAgreed ? say("agrees") : say("disagrees", { letter: letter(board.ids.indexOf(best)) });
}

const score = (board: Drafts, id: string): number => board.scores?.[id] ?? -Infinity;
