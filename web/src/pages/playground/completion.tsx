// One completion: the prompt in grey, then the model's tokens, coloured by how likely each was.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { CopyButton } from "../../parts/copy";
import { walk } from "../../parts/roving";
import { visible } from "../../parts/visible";
import { number, percent } from "../../words";
import { likelihoodLevel, perplexity } from "./maths";
import { type Piece, textOf, tokensOf } from "./pieces";
import { Alternatives } from "./alternatives";
import { adopt, type Column, focus, hasColours, undoBranch } from "./state";
import { say } from "./words";

const LEAVE_MS = 180; // time to move the pointer from a token to its alternatives

export function Completion({ column }: { column: Column }) {
  const [open, setOpen] = useState<{ place: number; isPinned: boolean } | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const body = useRef<HTMLDivElement>(null);
  const show = (place: number, isPinned: boolean) => {
    clearTimeout(timer.current);
    setOpen((old) => (old?.isPinned && !isPinned ? old : { place, isPinned }));
  };
  const hideSoon = () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setOpen((old) => (old?.isPinned ? old : null)), LEAVE_MS);
  };
  const close = () => {
    const place = open?.place;
    setOpen(null);
    if (place !== undefined) pieceAt(body.current, place)?.focus();
  };
  useLayoutEffect(() => {
    if (!open) return;
    // A press anywhere else closes the pinned list.
    const onPress = (event: PointerEvent) => {
      if (!body.current?.contains(event.target as Node)) setOpen(null);
    };
    addEventListener("pointerdown", onPress);
    return () => removeEventListener("pointerdown", onPress);
  }, [open]);
  const openPiece = open && column.pieces[open.place];
  return (
    <section class="completion card" aria-label={say("completion", { model: column.model })} aria-busy={column.controller !== null}>
      <header>
        <strong>{title(column)}</strong>
        <Stats column={column} />
      </header>
      <div
        class="completion-text"
        ref={body}
        onKeyDown={(event) => {
          if (event.key === "Escape" && open) {
            event.stopPropagation();
            close();
          } else walk(event, body.current, ".piece");
        }}
      >
        <span class="given">{column.prompt}</span>
        {column.pieces.map((piece, place) => (
          <Token
            key={place}
            piece={piece}
            isOpen={open?.place === place}
            isReachable={place === (open?.place ?? 0)}
            onShow={(isPinned) => {
              show(place, isPinned);
              if (isPinned) focus.value = { column: column.id, place };
            }}
            onLeave={hideSoon}
          />
        ))}
        {column.controller && <span class="caret" />}
        {open && openPiece && openPiece.top.length > 0 && (
          <Alternatives
            key={open.place}
            piece={openPiece}
            place={open.place}
            column={column}
            anchor={() => pieceAt(body.current, open.place)}
            onEnter={() => clearTimeout(timer.current)}
            onLeave={hideSoon}
            onClose={close}
          />
        )}
      </div>
      <Footer column={column} />
    </section>
  );
}

function title(column: Column): string {
  if (column.shots === null) return column.model;
  if (column.shots === 0) return say("zeroShot");
  return column.shots === 1 ? say("oneShot") : say("manyShot", { count: column.shots });
}

function Stats({ column }: { column: Column }) {
  const known = column.pieces.filter((piece) => piece.logp !== null);
  const logp = known.reduce((sum, piece) => sum + (piece.logp ?? 0), 0);
  const ending = { length: say("cut"), cancelled: say("cancelled"), stop: say("ended") }[column.finish ?? ""];
  return (
    <span class="hint numbers">
      {column.pieces.length > 0 && say("stats", { count: tokensOf(column.pieces) })}
      {known.length > 0 && ` · ${say("perplexity", { value: number(perplexity(logp, tokensOf(known)), 1) })}`}
      {ending && ` · ${ending}`}
    </span>
  );
}

function Footer({ column }: { column: Column }) {
  if (!column.pieces.length || column.controller) return null;
  return (
    <footer>
      <CopyButton text={() => textOf(column.pieces)} label={say("copy")} done={say("copied")} class="quiet small" wordy />
      <button type="button" class="quiet small" onClick={() => adopt(column)}>
        {say("adopt")}
      </button>
      {column.past.length > 0 && (
        <button type="button" class="quiet small" onClick={() => undoBranch(column.id)}>
          {say("undo")}
        </button>
      )}
    </footer>
  );
}

interface TokenProps {
  piece: Piece;
  isOpen: boolean;
  isReachable: boolean;
  onShow: (isPinned: boolean) => void;
  onLeave: () => void;
}

/** A span, not a button element: its text must wrap and keep its line breaks like any text. */
function Token({ piece, isOpen, isReachable, onShow, onLeave }: TokenProps) {
  const level = hasColours.value && piece.logp !== null ? ` level-${likelihoodLevel(piece.logp)}` : "";
  const chance = piece.logp === null ? "" : percent(Math.exp(piece.logp));
  return (
    <span
      class={`piece${level}${isOpen ? " open" : ""}${piece.isChosen ? " chosen" : ""}`}
      role="button"
      tabIndex={isReachable ? 0 : -1}
      aria-expanded={isOpen}
      aria-label={say("token", { text: visible(piece.text), chance })}
      onPointerEnter={(event) => event.pointerType === "mouse" && onShow(false)}
      onPointerLeave={onLeave}
      onClick={() => onShow(true)}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        onShow(true);
      }}
    >
      {piece.text}
    </span>
  );
}

function pieceAt(body: HTMLElement | null, place: number): HTMLElement | null {
  return body?.querySelectorAll<HTMLElement>(".piece")[place] ?? null;
}
