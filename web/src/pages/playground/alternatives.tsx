// What else the model had in mind in one place. A click goes on from there.
import { useLayoutEffect, useRef } from "preact/hooks";
import { visible } from "../../parts/visible";
import { percent } from "../../words";
import { canContinue, leadOf, type Piece, shownToken } from "./pieces";
import { branch, type Column } from "./state";
import { say } from "./words";

const EDGE_PX = 8;

interface Props {
  piece: Piece;
  place: number;
  column: Column;
  anchor: () => HTMLElement | null;
  onEnter: () => void;
  onLeave: () => void;
  onClose: () => void;
}

export function Alternatives({ piece, place, column, anchor, onEnter, onLeave, onClose }: Props) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (box.current) placeBelow(box.current, anchor());
  }, [piece]);
  const rank = piece.top.findIndex((one) => one.text === leadOf(piece)) + 1;
  const covered = piece.top.reduce((sum, one) => sum + Math.exp(one.logp), 0);
  const most = Math.exp(piece.top[0]?.logp ?? 0);
  return (
    <div
      ref={box}
      class="alternatives card"
      role="group"
      aria-label={say("alternatives")}
      onPointerEnter={onEnter}
      onPointerLeave={onLeave}
    >
      <p class="alternatives-head">
        <code>{visible(piece.text)}</code>
        <span class="numbers">
          {piece.logp !== null && percent(Math.exp(piece.logp))} · {rank ? say("rank", { rank }) : say("notListed")}
          {piece.isChosen && ` · ${say("keptByYou")}`}
        </span>
      </p>
      <ul>
        {piece.top.map((one) => (
          <li key={one.text}>
            <button
              type="button"
              class={one.text === leadOf(piece) ? "alternative same" : "alternative"}
              disabled={!canContinue(one.text)}
              onClick={() => {
                onClose();
                branch(column.id, place, one);
              }}
            >
              <i style={{ width: `${(100 * Math.exp(one.logp)) / most}%` }} />
              <span class="for-readers">{say("branchTo")} </span>
              <code>{shownToken(one.text)}</code> <span class="numbers">{percent(Math.exp(one.logp))}</span>
            </button>
          </li>
        ))}
      </ul>
      <p class="hint">{say("covered", { share: percent(Math.min(1, covered)) })}</p>
    </div>
  );
}

/** Under the token, inside the window. */
function placeBelow(box: HTMLElement, anchor: HTMLElement | null): void {
  const frame = box.offsetParent?.getBoundingClientRect();
  const last = [...(anchor?.getClientRects() ?? [])].at(-1);
  if (!frame || !last) return;
  const limit = document.documentElement.clientWidth - box.offsetWidth - EDGE_PX;
  const left = Math.max(EDGE_PX, Math.min(last.left, limit));
  box.style.left = `${left - frame.left}px`;
  box.style.top = `${last.bottom - frame.top + 4}px`;
}
