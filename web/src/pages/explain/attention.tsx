// Attention of one layer and head: as lines between tokens or as a matrix, and the chosen token's weights in words.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { useDrawing, useInnerWidth, useRepaint } from "../../parts/canvas";
import { percent } from "../../words";
import { drawLines, drawMatrix } from "./drawing";
import { HeadChoice, LayerChoice } from "./heads_bar";
import { largest, matrixOf, rowOf, scrolledTo } from "./maths";
import { head, layer, opened, selected, weights } from "./state";
import { named } from "./token_name";
import { say } from "./words";

const ROW = 26;

export function Attention() {
  const [shape, setShape] = useState<"lines" | "matrix">("lines");
  const text = opened.value;
  const found = weights.value;
  if (!text) return <p class="hint">{say("opening")}</p>;
  const matrix = found ? matrixOf(found, text.heads, text.length, head.value) : null;
  return (
    <>
      <p class="note">{say("notExplanation")}</p>
      <div class="explain-columns">
        <div class="card box">
          <header class="row between">
            <h2>{head.value < 0 ? say("allHeads") : say("headNumber", { head: head.value + 1 })}</h2>
            <div class="segments" role="group" aria-label={say("showAs")}>
              {(["lines", "matrix"] as const).map((one) => (
                <button key={one} type="button" aria-pressed={shape === one} onClick={() => setShape(one)}>
                  {say(one)}
                </button>
              ))}
            </div>
          </header>
          {!matrix ? (
            <p class="hint">{say("opening")}</p>
          ) : shape === "lines" ? (
            <Lines matrix={matrix} />
          ) : (
            <Matrix matrix={matrix} />
          )}
        </div>
        <aside class="explain-aside">
          <LayerChoice />
          <HeadChoice />
          <LooksAt />
        </aside>
      </div>
    </>
  );
}

function Lines({ matrix }: { matrix: Float32Array }) {
  const text = opened.value;
  const length = text?.length ?? 0;
  const [hovered, setHovered] = useState<number | null>(null);
  const chosen = Math.min(hovered ?? selected.value, length - 1);
  const middle = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useInnerWidth(middle, 260);
  const repaint = useRepaint();
  useDrawing(
    canvas,
    (own) => drawLines(own, { matrix, length, rowHeight: ROW, width, chosen }),
    [matrix, length, width, chosen, repaint],
  );
  const tokens = text?.tokens ?? [];
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    // Hovering scrolls nothing: only what is chosen comes into view.
    const frame = box.current;
    if (frame) frame.scrollTop = scrolledTo(selected.value * ROW, ROW, frame.scrollTop, frame.clientHeight);
  }, [selected.value, text?.id]);
  return (
    <div ref={box} class="lines-box" tabIndex={0} role="group" aria-label={say("linesLabel")}>
      <div class="attention-lines" onMouseLeave={() => setHovered(null)}>
        <ol class="lines-from">
          {tokens.map((token, at) => (
            <li
              key={at}
              class={at === chosen ? "chosen" : ""}
              onMouseEnter={() => setHovered(at)}
              onClick={() => (selected.value = at)}
            >
              <code>{named(token)}</code>
            </li>
          ))}
        </ol>
        <div ref={middle} class="lines-middle">
          <canvas ref={canvas} aria-hidden="true" />
        </div>
        <ol class="lines-to">
          {tokens.map((token, at) => {
            const share = at <= chosen ? (matrix[chosen * length + at] ?? 0) : 0;
            return (
              <li key={at} class={at > chosen ? "unseen" : ""} style={{ "--share": `${Math.round(share * 100)}%` }}>
                <code>{named(token)}</code>
              </li>
            );
          })}
        </ol>
      </div>
    </div>
  );
}

function Matrix({ matrix }: { matrix: Float32Array }) {
  const text = opened.value;
  const length = text?.length ?? 1;
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useInnerWidth(box);
  const size = Math.max(120, Math.min(width, length * 28, 720));
  const [at, setAt] = useState<[number, number] | null>(null);
  const repaint = useRepaint();
  useDrawing(canvas, (own) => drawMatrix(own, matrix, length, size), [matrix, length, size, repaint]);
  const [row, column] = at ?? [selected.value, 0];
  const tokens = text?.tokens ?? [];
  const name = (place: number) => (tokens[place] ? named(tokens[place]) : "");
  const told =
    column > row
      ? say("cellUnseen", { query: name(row), key: name(column) })
      : say("cell", { query: name(row), key: name(column), share: percent(matrix[row * length + column] ?? 0) });
  const cellOf = (event: MouseEvent): [number, number] => {
    const frame = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const cell = (value: number) => Math.max(0, Math.min(length - 1, Math.floor((value / frame.width) * length)));
    return [cell(event.clientY - frame.top), cell(event.clientX - frame.left)];
  };
  return (
    <div ref={box} class="matrix">
      <div
        class="matrix-frame"
        style={{ width: `${size}px`, height: `${size}px` }}
        tabIndex={0}
        role="group"
        aria-label={say("matrixLabel")}
        onMouseMove={(event) => setAt(cellOf(event))}
        onClick={(event) => (selected.value = cellOf(event)[0])}
        onKeyDown={(event) => {
          const steps: Record<string, [number, number]> = {
            ArrowUp: [-1, 0],
            ArrowDown: [1, 0],
            ArrowLeft: [0, -1],
            ArrowRight: [0, 1],
          };
          const step = steps[event.key];
          if (event.key === "Enter") selected.value = row;
          if (!step) return;
          event.preventDefault();
          const keep = (value: number) => Math.max(0, Math.min(length - 1, value));
          setAt([keep(row + step[0]), keep(column + step[1])]);
        }}
      >
        <canvas ref={canvas} aria-hidden="true" />
        <i
          class="matrix-row"
          style={{ top: `${(row / length) * 100}%`, height: `${100 / length}%` }}
        />
        <i
          class="matrix-column"
          style={{ left: `${(column / length) * 100}%`, width: `${100 / length}%` }}
        />
      </div>
      <p class="matrix-told numbers" aria-live="polite">
        {told}
      </p>
      <p class="hint">{say("matrixHint")}</p>
    </div>
  );
}

/** The same numbers in words and bars: nobody has to read them off a picture. */
function LooksAt() {
  const text = opened.value;
  const found = weights.value;
  if (!text || !found) return null;
  const row = rowOf(found, text.heads, text.length, head.value, selected.value);
  const first = largest(row, 8);
  const name = text.tokens[selected.value];
  return (
    <section class="card box" aria-label={say("looksAtLabel")} aria-live="polite">
      <h2>
        {say("looksAt", { layer: layer.value + 1 })} <code>{name ? named(name) : ""}</code>
      </h2>
      <ol class="bars">
        {first.map((place) => {
          const token = text.tokens[place];
          return (
            <li key={place}>
              <code class="bar-name">{token ? named(token) : ""}</code>
              <span class="bar" aria-hidden="true">
                <i style={{ width: `${(row[place] ?? 0) * 100}%` }} />
              </span>
              <span class="numbers">{percent(row[place] ?? 0)}</span>
            </li>
          );
        })}
      </ol>
      {first[0] === 0 && selected.value > 1 && <p class="hint">{say("sink")}</p>}
    </section>
  );
}
