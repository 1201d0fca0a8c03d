// What came from what, as boxes and lines; a stage of this run can be chosen.
import type { Lineage } from "./api";
import { layoutOf } from "./lineage_layout";
import { kindName, say } from "./words";

const WIDE = 106;
const HIGH = 38;
const GAP_X = 26;
const GAP_Y = 18;
const EDGE = 2;
const TOP = GAP_Y;
const MOST_LETTERS = 14;

interface Props {
  run: string;
  lineage: Lineage;
  chosen: string | null;
  onChoose: (stage: string) => void;
}

export function LineageDrawing({ run, lineage, chosen, onChoose }: Props) {
  const { boxes, columns, rows, edges } = layoutOf(lineage);
  const x = (column: number) => EDGE + column * (WIDE + GAP_X);
  const y = (row: number) => TOP + row * (HIGH + GAP_Y);
  const width = x(columns) - GAP_X + EDGE;
  const height = y(rows) - GAP_Y + EDGE;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={say("scrolls", { name: say("lineage") })}>
      <svg class="lineage" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label={say("lineage")}>
        {edges.map(({ from, to, role }) => {
          const isNear = chosen !== null && [from.id, to.id].includes(`${run}/${chosen}`);
          return (
            <path
              key={`${from.id}>${to.id}>${role}`}
              class={isNear ? "near" : ""}
              d={wayOf(from, to, x, y)}
            >
              <title>{`${from.name} → ${to.name} (${role})`}</title>
            </path>
          );
        })}
        {boxes.map((box) => {
          const isOwn = box.run === run;
          const text = box.name.length > MOST_LETTERS ? `${box.name.slice(0, MOST_LETTERS - 1)}…` : box.name;
          const press = () => isOwn && onChoose(box.name);
          return (
            <g
              key={box.id}
              class={`node ${box.kind === "data" ? "data" : isOwn ? "own" : "foreign"}`}
              transform={`translate(${x(box.column)} ${y(box.row)})`}
              role={isOwn ? "button" : "img"}
              tabindex={isOwn ? 0 : undefined}
              aria-pressed={isOwn ? box.name === chosen : undefined}
              onClick={press}
              onKeyDown={(event) => {
                if (event.key !== "Enter" && event.key !== " ") return;
                event.preventDefault();
                press();
              }}
            >
              <title>
                {say("nodeName", {
                  kind: kindName(box.kind),
                  name: box.name,
                  run: isOwn || !box.run ? "" : ` (${box.run})`,
                })}
              </title>
              <rect width={WIDE} height={HIGH} rx={9} />
              <text class="node-name" x={9} y={16}>
                {text}
              </text>
              <text class="node-kind" x={9} y={30}>
                {box.run && !isOwn ? box.run.slice(0, 16) : kindName(box.kind)}
              </text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}

type Scale = (place: number) => number;

/** Next door: a curve. Further away: along the free lane above a row, so that no line runs behind a box. */
function wayOf(from: Place, to: Place, x: Scale, y: Scale): string {
  const [x1, y1] = [x(from.column) + WIDE, y(from.row) + HIGH / 2];
  const [x2, y2] = [x(to.column), y(to.row) + HIGH / 2];
  const curve = (ax: number, ay: number, bx: number, by: number) =>
    `C${(ax + bx) / 2} ${ay} ${(ax + bx) / 2} ${by} ${bx} ${by}`;
  if (to.column - from.column <= 1) return `M${x1} ${y1}${curve(x1, y1, x2, y2)}`;
  const lane = y(Math.max(from.row, to.row)) - GAP_Y / 2;
  return `M${x1} ${y1}${curve(x1, y1, x1 + GAP_X, lane)}H${x2 - GAP_X}${curve(x2 - GAP_X, lane, x2, y2)}`;
}

interface Place {
  column: number;
  row: number;
}
