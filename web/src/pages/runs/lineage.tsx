// What came from what, as boxes and lines; a stage of this run can be chosen.
import type { Lineage } from "./api";
import { layoutOf } from "./lineage_layout";
import { kindName, say } from "./words";

const WIDE = 132;
const HIGH = 40;
const GAP_X = 46;
const GAP_Y = 16;
const EDGE = 8;
const MOST_LETTERS = 17;

interface Props {
  run: string;
  lineage: Lineage;
  chosen: string | null;
  onChoose: (stage: string) => void;
}

export function LineageDrawing({ run, lineage, chosen, onChoose }: Props) {
  const { boxes, columns, rows, edges } = layoutOf(lineage);
  const x = (column: number) => EDGE + column * (WIDE + GAP_X);
  const y = (row: number) => EDGE + row * (HIGH + GAP_Y);
  const width = x(columns) - GAP_X + EDGE;
  const height = y(rows) - GAP_Y + EDGE;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={say("lineage")}>
      <svg class="lineage" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label={say("lineage")}>
        {edges.map(({ from, to, role }) => {
          const start = [x(from.column) + WIDE, y(from.row) + HIGH / 2] as const;
          const end = [x(to.column), y(to.row) + HIGH / 2] as const;
          const bend = Math.max(24, (end[0] - start[0]) / 2);
          const isNear = chosen !== null && [from.id, to.id].includes(`${run}/${chosen}`);
          return (
            <path
              key={`${from.id}>${to.id}>${role}`}
              class={isNear ? "near" : ""}
              d={`M${start[0]} ${start[1]}C${start[0] + bend} ${start[1]} ${end[0] - bend} ${end[1]} ${end[0]} ${end[1]}`}
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
              tabIndex={isOwn ? 0 : undefined}
              aria-pressed={isOwn ? box.name === chosen : undefined}
              aria-label={say("nodeName", {
                kind: kindName(box.kind),
                name: box.name,
                run: isOwn || !box.run ? "" : ` (${box.run})`,
              })}
              onClick={press}
              onKeyDown={(event) => {
                if (event.key !== "Enter" && event.key !== " ") return;
                event.preventDefault();
                press();
              }}
            >
              <title>{box.run && !isOwn ? `${box.run}/${box.name}` : box.name}</title>
              <rect width={WIDE} height={HIGH} rx={9} />
              <text class="node-name" x={11} y={17}>
                {text}
              </text>
              <text class="node-kind" x={11} y={31}>
                {box.run && !isOwn ? box.run.slice(0, 20) : kindName(box.kind)}
              </text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}
