// The answers in an order: dragged by the handle, moved by keys or buttons, tied with the one above.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../../parts/icons";
import { Markdown } from "../../parts/markdown";
import { announce } from "../../parts/notices";
import { moveTo, numbersOf, type Ranking, toggleTie } from "./rank";
import { say } from "./words";

interface Props {
  answers: string[];
  ranking: Ranking;
  onChange: (ranking: Ranking) => void;
}

export function RankBoard({ answers, ranking, onChange }: Props) {
  const list = useRef<HTMLOListElement>(null);
  const [dragged, setDragged] = useState<number | null>(null);
  const wanted = useRef<number | null>(null);
  const numbers = numbersOf(ranking);
  useLayoutEffect(() => {
    if (wanted.current === null) return; // moving an element in the page takes the focus from it
    cards(list.current)[ranking.order.indexOf(wanted.current)]?.focus();
    wanted.current = null;
  }, [ranking]);
  const tell = (next: Ranking, answer: number) => {
    const place = next.order.indexOf(answer);
    const text = next.ties[place] ? "nowTied" : "nowAt";
    announce(say(text, { name: nameOf(answer), place: numbersOf(next)[place] ?? 0, count: answers.length }));
  };
  const put = (from: number, to: number) => {
    const answer = ranking.order[from];
    const next = moveTo(ranking, from, to);
    if (answer === undefined || next.order === ranking.order) return;
    wanted.current = answer;
    onChange(next);
    tell(next, answer);
  };
  const tie = (place: number) => {
    const next = toggleTie(ranking, place);
    onChange(next);
    tell(next, ranking.order[place] ?? 0);
  };
  const onKeyDown = (event: KeyboardEvent, place: number) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey) return; // a button inside has its own keys
    const isMove = event.shiftKey || event.altKey;
    const step = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    if (step && isMove) put(place, place + step);
    else if (step) cards(list.current)[place + step]?.focus();
    else if (event.key === "Home") cards(list.current)[0]?.focus();
    else if (event.key === "End") cards(list.current).at(-1)?.focus();
    else if (/^[1-9]$/.test(event.key) && !isMove) put(place, Number(event.key) - 1);
    else if (event.key === "=" || event.key === "t") tie(place);
    else return;
    event.preventDefault();
  };
  const onDrag = (event: PointerEvent) => {
    if (dragged === null) return;
    const place = ranking.order.indexOf(dragged);
    const all = cards(list.current);
    const middle = (at: number) => {
      const box = all[at]?.getBoundingClientRect();
      return box ? box.top + box.height / 2 : Number.NaN;
    };
    if (event.clientY < middle(place - 1)) onChange(moveTo(ranking, place, place - 1));
    else if (event.clientY > middle(place + 1)) onChange(moveTo(ranking, place, place + 1));
  };
  const drop = () => {
    if (dragged !== null) tell(ranking, dragged);
    setDragged(null);
  };
  return (
    <ol ref={list} class="rank-board" aria-label={say("ranking")}>
      {ranking.order.map((answer, place) => (
        <li
          key={answer}
          class={`rank-card card${ranking.ties[place] ? " tied" : ""}${dragged === answer ? " dragged" : ""}`}
          tabIndex={0}
          aria-label={say("rankOf", { name: nameOf(answer), place: numbers[place] ?? 0, count: answers.length })}
          aria-describedby="rank-keys"
          onKeyDown={(event) => onKeyDown(event, place)}
        >
          <div class="rank-side">
            <span
              class="rank-handle"
              title={say("drag")}
              onPointerDown={(event) => {
                event.preventDefault();
                event.currentTarget.setPointerCapture(event.pointerId);
                setDragged(answer);
              }}
              onPointerMove={onDrag}
              onPointerUp={drop}
              onPointerCancel={drop}
            >
              <b class="numbers">{numbers[place]}</b>
              <i aria-hidden="true" />
            </span>
          </div>
          <div class="rank-text">
            <Markdown text={answers[answer] ?? ""} copy={say("copy")} copied={say("copied")} />
          </div>
          <div class="rank-buttons">
            <button
              type="button"
              class="quiet small square"
              aria-label={say("moveUp", { name: nameOf(answer) })}
              title={say("better")}
              disabled={place === 0}
              onClick={() => put(place, place - 1)}
            >
              <Arrow turned={false} />
            </button>
            <button
              type="button"
              class="quiet small square"
              aria-label={say("moveDown", { name: nameOf(answer) })}
              title={say("worse")}
              disabled={place === ranking.order.length - 1}
              onClick={() => put(place, place + 1)}
            >
              <Arrow turned />
            </button>
            <button
              type="button"
              class="quiet small square tie-button"
              aria-label={say("tieWithAbove", { name: nameOf(answer) })}
              title={say("tie")}
              aria-pressed={ranking.ties[place] ?? false}
              disabled={place === 0}
              onClick={() => tie(place)}
            >
              =
            </button>
          </div>
        </li>
      ))}
    </ol>
  );
}

/** Letters, so that an answer's name never looks like its rank. */
const nameOf = (answer: number): string => String.fromCharCode(65 + answer);

function cards(list: HTMLElement | null): HTMLElement[] {
  return list ? [...list.querySelectorAll<HTMLElement>(":scope > li")] : [];
}

function Arrow({ turned }: { turned: boolean }) {
  return (
    <span class={turned ? "turned" : ""}>
      <Icon name="send" />
    </span>
  );
}
