// Two to four answers side by side. The reward model's scores stay hidden until the person has chosen.
import { computed } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import type { Message } from "../../api";
import { Icon } from "../../parts/icons";
import { Markdown } from "../../parts/markdown";
import { number } from "../../words";
import { Ending } from "./message";
import { chooseDraft, drafts, type Drafts, messages, running } from "./state";
import { letter, say } from "./words";
import "./drafts.css";

const shown = computed(() => {
  const ids = drafts.value?.ids ?? [];
  return ids.flatMap((id) => messages.value.find((message) => message.id === id) ?? []);
});

export function DraftBoard({ board }: { board: Drafts }) {
  const isWriting = running.value !== null;
  const canChoose = !isWriting && !board.chosen;
  useLayoutEffect(() => {
    if (!canChoose) return;
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, textarea, select, dialog")) return;
      const id = board.ids[Number(event.key) - 1];
      if (id) void chooseDraft(id);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [board, canChoose]);
  return (
    <section class="drafts" aria-label={say("drafts")}>
      <p class="drafts-lead" role="status">
        {isWriting ? say("chooseWait") : board.chosen ? verdict(board) : say("chooseLead")}
      </p>
      <div class="drafts-cards" data-count={board.ids.length}>
        {shown.value.map((message, place) => (
          <DraftCard key={message.id} message={message} place={place} board={board} canChoose={canChoose} />
        ))}
      </div>
    </section>
  );
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
    <article class={isChosen ? "draft card chosen" : "draft card"} aria-label={say("draft", { letter: letter(place) })}>
      <header>
        <strong>{say("draft", { letter: letter(place) })}</strong>
        {score !== undefined && <span class="score numbers">{say("score", { score: number(score, 2) })}</span>}
      </header>
      <div class="draft-text">
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
