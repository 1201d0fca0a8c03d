// How alike positions are: learned vectors by cosine, rotary ones by what two turns leave of a product.
import { useRef } from "preact/hooks";
import { useDrawing, useInnerWidth, useRepaint } from "../../parts/canvas";
import { useLoaded } from "../../parts/loaded";
import { number } from "../../words";
import { inside } from "./api";
import { drawSigned } from "./drawing";
import { opened } from "./state";
import { say } from "./words";

export function PositionsView() {
  const model = opened.value?.model ?? "";
  const found = useLoaded(() => inside.positions(model), [model]);
  const value = found.value;
  if (found.failure) return <p class="failure">{found.failure}</p>;
  if (!value) return <p class="hint">{say("opening")}</p>;
  if (value.kind === "none" || !value.length) return <p class="empty">{say("noPositions")}</p>;
  return (
    <>
      <p class="lead">{say(value.kind === "learned" ? "learnedLead" : "rotaryLead")}</p>
      <div class="pair">
        <section class="card box" aria-label={say("positionMatrix")}>
          <h2>{say("positionMatrix")}</h2>
          <Square rows={value.similarity} />
        </section>
        <section class="card box" aria-label={say("byDistance")}>
          <h2>{say("byDistance")}</h2>
          <Curve values={value.by_distance} />
          <p class="hint numbers">
            {say("distanceLine", {
              first: number(value.by_distance[1] ?? 0, 2),
              far: value.by_distance.length - 1,
              last: number(value.by_distance.at(-1) ?? 0, 2),
            })}
          </p>
        </section>
      </div>
    </>
  );
}

function Square({ rows }: { rows: number[][] }) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useInnerWidth(box, 320);
  const size = Math.min(width, 420);
  const repaint = useRepaint();
  useDrawing(canvas, (own) => drawSigned(own, rows, size, size), [rows, size, repaint]);
  return (
    <div ref={box}>
      <canvas ref={canvas} class="rounded" role="img" aria-label={say("positionMatrixLabel", { count: rows.length })} />
    </div>
  );
}

/** A line from -1 to 1 (or what the values need), drawn as SVG. */
function Curve({ values }: { values: number[] }) {
  const low = Math.min(0, ...values);
  const high = Math.max(1e-9, ...values);
  const x = (place: number) => 30 + (place / Math.max(1, values.length - 1)) * 360;
  const y = (value: number) => 12 + ((high - value) / (high - low || 1)) * 180;
  return (
    <svg class="curve" viewBox="0 0 400 220" role="img" aria-label={say("byDistance")}>
      {[high, (high + low) / 2, low].map((value) => (
        <g key={value}>
          <line x1={30} x2={392} y1={y(value)} y2={y(value)} />
          <text x={0} y={y(value) + 4}>
            {number(value, 2)}
          </text>
        </g>
      ))}
      <path d={values.map((value, place) => `${place ? "L" : "M"}${x(place).toFixed(1)} ${y(value).toFixed(1)}`).join("")} />
      <text x={30} y={214}>
        0
      </text>
      <text x={392} y={214} text-anchor="end">
        {values.length - 1}
      </text>
    </svg>
  );
}
