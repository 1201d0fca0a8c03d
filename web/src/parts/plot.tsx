// Curves with a cursor: uPlot with the colours of the page. Loaded only by the pages that draw some.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import "./plot.css";
import { colourOf, css, useInnerWidth, useRepaint } from "./canvas";

export interface Curve {
  label: string;
  values: (number | null)[];
  /** Rare points are joined and shown as dots. */
  isSparse?: boolean;
}

interface Props {
  label: string;
  xs: number[];
  curves: Curve[];
  height?: number;
  digits?: (value: number) => string;
}

const COLOURS = ["accent", "gold", "danger", "ink-soft"];

export function Plot({ label, xs, curves, height = 190, digits = String }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const width = useInnerWidth(box, 320);
  const repaint = useRepaint();
  const names = curves.map((curve) => curve.label).join("\n");
  const data = [xs, ...curves.map((curve) => curve.values)] as uPlot.AlignedData;
  useLayoutEffect(() => {
    const parent = box.current;
    if (!parent) return;
    const made = new uPlot(options(curves, width, height, digits), data, parent);
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [names, repaint]);
  useEffect(() => plot.current?.setSize({ width, height }), [width, height]);
  useEffect(() => {
    plot.current?.setData(data);
    showLast(plot.current);
  }, [xs, ...curves.map((curve) => curve.values), names, repaint]);
  return <div ref={box} class="plot" role="img" aria-label={label} onMouseLeave={() => showLast(plot.current)} />;
}

/** The newest values stand below the picture while no pointer asks for others. */
function showLast(plot: uPlot | null): void {
  const idxs = plot?.data.map((values) => values.length - 1 - [...values].reverse().findIndex((value) => value !== null));
  if (plot && idxs) plot.setLegend({ idxs }, false);
}

function options(curves: Curve[], width: number, height: number, digits: (value: number) => string): uPlot.Options {
  const probe = document.createElement("canvas");
  document.body.append(probe);
  const colour = (name: string) => css(colourOf(probe, name));
  const lines = COLOURS.map(colour);
  const soft = colour("ink-soft");
  const grid = colour("line");
  probe.remove();
  const axis: uPlot.Axis = {
    stroke: soft,
    grid: { stroke: grid, width: 1 },
    ticks: { show: false },
    font: "11px ui-sans-serif, system-ui, sans-serif",
    size: 44,
  };
  return {
    width,
    height,
    padding: [8, 16, 0, 0], // the last mark of the axis needs its half
    scales: { x: { time: false } },
    axes: [{ ...axis, size: 26 }, { ...axis, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : digits(tick))) }],
    legend: { live: true, markers: { width: 0, fill: (self, at) => (self.series[at]?.stroke as () => string)?.() ?? soft } },
    cursor: { y: false, points: { size: 6 } },
    series: [
      {},
      ...curves.map((curve, at): uPlot.Series => {
        const own = lines[at % lines.length] ?? soft;
        return {
          label: curve.label,
          stroke: own,
          width: 1.75,
          spanGaps: true,
          points: { show: curve.isSparse ?? false, size: 5, fill: own },
          value: (_, value) => (value === null || value === undefined ? "–" : digits(value)),
        };
      }),
    ],
  };
}
