// One row of feedback: the text as plain text, hidden characters made visible, and where it comes from.
import { useState } from "preact/hooks";
import { categoryName } from "../label/words";
import type { FeedbackRow } from "./api";
import { type Judged, pieces, type Reading, readingOf, type Verdict } from "./content";
import type { Decide } from "./review";
import { teach } from "./teaching_words";
import { moment, say } from "./words";

const LONG = 600;

interface Props {
  row: FeedbackRow;
  /** Who judged, where the account still exists. */
  name: string | undefined;
  actions: ("approve" | "reject" | "remove")[];
  isPicked: boolean;
  onPick: (isOn: boolean) => void;
  decide: Decide;
}

export function RowCard({ row, name, actions, isPicked, onPick, decide }: Props) {
  const title = `${teach(row.kind)} ${row.id}`;
  return (
    <li>
      <article class={isPicked ? "card feedback-row picked" : "card feedback-row"} tabIndex={0} data-row={row.id} aria-label={title}>
        <header class="row between">
          <label class="check">
            <input
              type="checkbox"
              checked={isPicked}
              aria-label={teach("pick", { title })}
              onChange={(event) => onPick(event.currentTarget.checked)}
            />
            <strong>{teach(row.kind)}</strong>
          </label>
          <Origin row={row} name={name} />
        </header>
        {row.consent || row.state === "removed" ? <Content row={row} /> : <p class="hint">{teach("noConsent")}</p>}
        <footer class="row between">
          <p class="hint">
            {row.trained_on.length > 0 ? teach("learnedBy", { runs: row.trained_on.join(", ") }) : teach("learnedByNone")}
          </p>
          <div class="row">
            {actions.map((what) => (
              <button
                key={what}
                type="button"
                class={what === "approve" ? "plain small" : "quiet small"}
                aria-label={teach("actOn", { action: teach(what), title })}
                onClick={() => void decide([row], what)}
              >
                {teach(what)}
              </button>
            ))}
          </div>
        </footer>
      </article>
    </li>
  );
}

function Origin({ row, name }: Pick<Props, "row" | "name">) {
  const role = row.role === "admin" || row.role === "labeler" || row.role === "chatter" ? say(row.role) : row.role;
  return (
    <p class="row origin">
      {row.simulated && <span class="badge">{teach("simulated")}</span>}
      {row.category && <span class="badge">{categoryName(row.category)}</span>}
      {row.model && <span class="badge">{row.model}</span>}
      <span class="hint">
        {(name ?? row.labeler) && <bdi>{name ?? row.labeler} · </bdi>}
        {[role, teach(`from_${originOf(row.origin)}`), moment(row.created_at)].filter(Boolean).join(" · ")}
      </span>
    </p>
  );
}

const originOf = (origin: string) => (origin === "chat" || origin === "task" ? origin : "import");

function Content({ row }: { row: FeedbackRow }) {
  const reading = readingOf(row);
  if (row.state === "removed") return <p class="hint">{teach("emptied")}</p>;
  return (
    <div class="feedback-content">
      {reading.talk.map((turn, at) => (
        <Said key={at} who={speakerOf(turn.role)} text={turn.content} class={turn.role === "user" ? "asked" : ""} />
      ))}
      {reading.answers.map((answer, at) => (
        <Said key={`answer ${at}`} who={answerName(answer, reading)} text={answer.text} isBest={answer.rank === 1} />
      ))}
      {(reading.verdict || reading.tags.length > 0) && (
        <p class="row verdict">
          {reading.verdict && <VerdictBadge verdict={reading.verdict} />}
          {reading.tags.map((tag) => (
            <span key={tag} class="badge">
              {tag.replaceAll("_", " ")}
            </span>
          ))}
        </p>
      )}
      {reading.comment && <Said who={teach("comment")} text={reading.comment} class="remark" />}
    </div>
  );
}

function speakerOf(role: string): string {
  return role === "user" ? teach("asked") : role === "system" ? teach("system") : role === "assistant" ? teach("answered") : role;
}

function answerName(answer: Judged, reading: Reading): string {
  const place = answer.rank === null ? (reading.answers.length > 1 ? "·" : teach("answered")) : teach("place", { rank: answer.rank });
  return answer.model ? `${place} · ${answer.model}` : place;
}

function VerdictBadge({ verdict }: { verdict: Verdict }) {
  switch (verdict.kind) {
    case "thumb":
      return <span class={verdict.up ? "badge good" : "badge bad"}>{teach(verdict.up ? "thumbUp" : "thumbDown")}</span>;
    case "chat":
      return <span class={verdict.good ? "badge good" : "badge bad"}>{teach(verdict.good ? "goodChat" : "badChat")}</span>;
    case "rating":
      return <span class={verdict.rating > 4 ? "badge good" : verdict.rating < 4 ? "badge bad" : "badge"}>{teach("rated", { rating: verdict.rating })}</span>;
    case "flag":
      return <span class="badge bad">{verdict.reason || teach("flag")}</span>;
    default:
      return <span class="badge bad">{teach(verdict.kind)}</span>;
  }
}

interface SaidProps {
  who: string;
  text: string;
  class?: string;
  isBest?: boolean;
}

/** Text of strangers: never markup, each piece isolated so that it cannot turn its surroundings around. */
export function Said({ who, text, class: extra = "", isBest = false }: SaidProps) {
  const [isOpen, setOpen] = useState(false);
  const isLong = text.length > LONG;
  const shown = isLong && !isOpen ? text.slice(0, LONG) : text;
  return (
    <div class={`said ${extra} ${isBest ? "best" : ""}`}>
      <span class="field-name">{who}</span>
      <div class="said-text" dir="auto">
        {pieces(shown).map((piece, at) =>
          piece.isHidden ? (
            <mark key={at} class="hidden-sign" title={teach("hiddenSign")}>
              {piece.text}
            </mark>
          ) : (
            piece.text
          ),
        )}
        {isLong && !isOpen && "… "}
        {isLong && (
          <button type="button" class="quiet small" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            {teach(isOpen ? "less" : "all", { count: text.length })}
          </button>
        )}
      </div>
    </div>
  );
}
