// Bars by day, one colour per model. The arrow keys walk through the days; the line below says what the bar shows.
import { useRef, useState } from "preact/hooks";
import { useInnerWidth } from "../../parts/canvas";
import type { UsageRow } from "./api";
import { marks, type Metric, type Stack, stacked } from "./sums";
import { shownAmount, utcDay } from "./units";
import { say } from "./words";

const HEIGHT = 220;
const LEFT = 52;
const BOTTOM = 22;
const TOP = 8;

interface Props {
  rows: UsageRow[];
  days: string[];
  metric: Metric;
}

export function UsageChart({ rows, days, metric }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useInnerWidth(frame);
  const [chosen, setChosen] = useState<number | null>(null);
  const stack = stacked(rows, days, metric);
  const at = Math.min(chosen ?? days.length - 1, days.length - 1);
  const told = tell(stack, at, metric);
  const onKey = (event: KeyboardEvent) => {
    const places: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: days.length - 1 };
    const next = places[event.key];
    if (next === undefined) return;
    event.preventDefault();
    setChosen(Math.max(0, Math.min(days.length - 1, next)));
  };
  const onMove = (event: PointerEvent) => {
    const inside = event.clientX - (frame.current?.getBoundingClientRect().left ?? 0) - LEFT;
    const day = Math.floor((inside / Math.max(1, width - LEFT)) * days.length);
    setChosen(day >= 0 && day < days.length ? day : null);
  };
  return (
    <>
      <div
        ref={frame}
        class="usage-chart"
        role="slider"
        tabIndex={0}
        aria-label={say("chartLabel", { metric: say(metric) })}
        aria-valuemin={0}
        aria-valuemax={days.length - 1}
        aria-valuenow={at}
        aria-valuetext={told}
        onKeyDown={onKey}
        onPointerMove={onMove}
        onPointerLeave={() => setChosen(null)}
      >
        <Bars stack={stack} metric={metric} width={width} chosen={chosen} />
      </div>
      <p class="hint numbers" aria-hidden="true">
        {told}
      </p>
      <ul class="chart-legend">
        {stack.bands.map((band, place) => (
          <li key={band ?? ""}>
            <i class={`band-${place}`} />
            <bdi>{band ?? say("others")}</bdi>
          </li>
        ))}
      </ul>
    </>
  );
}

interface BarsProps {
  stack: Stack;
  metric: Metric;
  width: number;
  chosen: number | null;
}

function Bars({ stack, metric, width, chosen }: BarsProps) {
  const { days } = stack;
  const lines = marks(Math.max(...days.map((one) => one.total), 0));
  const top = lines.at(-1) ?? 1;
  const tall = HEIGHT - BOTTOM - TOP;
  const y = (value: number) => TOP + tall * (1 - value / top);
  const step = (width - LEFT) / days.length;
  const bar = Math.max(1, Math.min(34, step * 0.72));
  const every = Math.max(1, Math.ceil(64 / step));
  return (
    <svg width={width} height={HEIGHT} viewBox={`0 0 ${width} ${HEIGHT}`} aria-hidden="true">
      {lines.map((value) => (
        <g key={value} class="grid">
          <line x1={LEFT} x2={width} y1={y(value)} y2={y(value)} />
          <text x={LEFT - 8} y={y(value) + 3.5} text-anchor="end">
            {shownAmount(value, metric)}
          </text>
        </g>
      ))}
      {days.map((one, at) => {
        const x = LEFT + step * at + (step - bar) / 2;
        let sum = 0;
        return (
          <g key={one.day} class={chosen !== null && chosen !== at ? "column dim" : "column"}>
            {one.parts.map((part, place) => {
              sum += part;
              return part > 0 && <rect key={place} class={`band-${place}`} x={x} y={y(sum)} width={bar} height={Math.max(0.5, (tall * part) / top)} />;
            })}
            {(days.length - 1 - at) % every === 0 && step * at > 20 && (
              <text x={Math.min(x + bar / 2, width - 18)} y={HEIGHT - 6} text-anchor="middle">
                {utcDay(one.day, true)}
              </text>
            )}
          </g>
        );
      })}
    </svg>
  );
}

function tell(stack: Stack, at: number, metric: Metric): string {
  const column = stack.days[at];
  if (!column) return "";
  const parts = column.parts
    .map((part, place) => (part > 0 ? `${stack.bands[place] ?? say("others")} ${shownAmount(part, metric)}` : ""))
    .filter(Boolean);
  const whole = `${utcDay(column.day)}: ${shownAmount(column.total, metric)}`;
  return parts.length > 1 ? `${whole} (${parts.join(", ")})` : parts.length ? `${whole} (${parts[0]})` : whole;
}
