// All tokens as points: hover names one, a click takes it, the wheel zooms, dragging and the arrow keys move.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { colourOf, css, prepare, useDrawing, useInnerWidth, useRepaint } from "../../parts/canvas";
import { Icon } from "../../parts/icons";
import type { Piece } from "./api";
import { useNames } from "./embeddings";
import { type Bounds, boundsOf, moved, nearest, zoomed } from "./maths";
import { named } from "./token_name";
import { say } from "./words";

/** What a label of the map takes, about, in pixels. */
const LABEL_WIDTH = 44;
const LABEL_HEIGHT = 13;

const REACH = 9;
const MOST_LABELS = 60;

interface Props {
  model: string;
  points: Float32Array;
  marked: number[];
  chosen: Piece;
  onChoose: (token: Piece) => void;
}

export function EmbeddingMap({ model, points, marked, chosen, onChoose }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useInnerWidth(box);
  const height = Math.round(Math.min(560, Math.max(300, width * 0.72)));
  const [bounds, setBounds] = useState<Bounds>(() => boundsOf(points));
  const [hovered, setHovered] = useState(-1);
  const [names, askNames] = useNames(model);
  const drag = useRef<{ x: number; y: number; bounds: Bounds; hasMoved: boolean } | null>(null);
  const repaint = useRepaint();
  useLayoutEffect(() => setBounds(boundsOf(points)), [points]);
  const inView = idsInView(points, bounds, MOST_LABELS);
  const labels = [...new Set([chosen.id, ...marked, ...inView])];
  useEffect(() => {
    const timer = setTimeout(() => askNames(labels), 150);
    return () => clearTimeout(timer);
  }, [labels.join()]);
  useEffect(() => {
    if (hovered >= 0) askNames([hovered]);
  }, [hovered]);
  const view = { width, height, bounds };
  useDrawing(
    canvas,
    (own) => draw(own, points, view, { chosen, marked, hovered, labels: inView, names }),
    [points, width, height, bounds, chosen.id, marked.join(), hovered, names, repaint],
  );
  const shareOf = (event: MouseEvent): [number, number] => {
    const frame = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height];
  };
  const find = (event: MouseEvent): number => {
    const [x, y] = shareOf(event);
    const unitX = (bounds.right - bounds.left) / width;
    const unitY = (bounds.high - bounds.low) / height;
    const at = [bounds.left + x * width * unitX, bounds.high - y * height * unitY] as const;
    return nearest(points, at[0], at[1], REACH * unitX, REACH * unitY);
  };
  const onMove = (event: PointerEvent) => {
    const from = drag.current;
    if (!from) return setHovered(find(event));
    const dx = (from.x - event.clientX) / width;
    const dy = (event.clientY - from.y) / height;
    if (Math.abs(dx) + Math.abs(dy) > 0.01) from.hasMoved = true;
    setBounds(moved(from.bounds, dx, dy));
  };
  const onUp = (event: PointerEvent) => {
    const wasMoved = drag.current?.hasMoved;
    drag.current = null;
    const id = find(event);
    if (!wasMoved && id >= 0) onChoose(names.get(id) ?? { id, text: `[${id}]`, bytes: "", control: false });
  };
  const told = hovered >= 0 ? names.get(hovered) : chosen;
  return (
    <div ref={box} class="map">
      <div
        class="map-frame"
        style={{ height: `${height}px` }}
        tabIndex={0}
        role="group"
        aria-label={say("mapLabel")}
        onPointerMove={onMove}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          drag.current = { x: event.clientX, y: event.clientY, bounds, hasMoved: false };
        }}
        onPointerUp={onUp}
        onPointerLeave={() => setHovered(-1)}
        onWheel={(event) => {
          event.preventDefault();
          const [x, y] = shareOf(event);
          setBounds(zoomed(bounds, event.deltaY > 0 ? 1.2 : 1 / 1.2, x, y));
        }}
        onKeyDown={(event) => {
          const next = byKey(event.key, bounds);
          if (!next) return;
          event.preventDefault();
          setBounds(next);
        }}
      >
        <canvas ref={canvas} aria-hidden="true" />
      </div>
      <div class="row between">
        <p class="map-told" aria-live="polite">
          <code>{told ? named(told) : ""}</code> {told && <span class="hint numbers">{`#${told.id}`}</span>}
        </p>
        <div class="row">
          <button type="button" class="plain small square" aria-label={say("zoomIn")} title={say("zoomIn")} onClick={() => setBounds(zoomed(bounds, 1 / 1.5))}>
            <Icon name="plus" />
          </button>
          <button type="button" class="plain small" onClick={() => setBounds(zoomed(bounds, 1.5))}>
            {say("zoomOut")}
          </button>
          <button type="button" class="plain small" onClick={() => setBounds(around(points, chosen.id))}>
            {say("goToToken")}
          </button>
          <button type="button" class="plain small" onClick={() => setBounds(boundsOf(points))}>
            {say("wholeMap")}
          </button>
        </div>
      </div>
    </div>
  );
}

function byKey(key: string, bounds: Bounds): Bounds | null {
  const steps: Record<string, [number, number]> = {
    ArrowLeft: [-0.1, 0],
    ArrowRight: [0.1, 0],
    ArrowUp: [0, 0.1],
    ArrowDown: [0, -0.1],
  };
  const step = steps[key];
  if (step) return moved(bounds, ...step);
  if (key === "+" || key === "=") return zoomed(bounds, 1 / 1.3);
  if (key === "-") return zoomed(bounds, 1.3);
  return null;
}

/** A tenth of the map about one token. */
function around(points: Float32Array, id: number): Bounds {
  const whole = boundsOf(points);
  const x = points[id * 2] ?? 0;
  const y = points[id * 2 + 1] ?? 0;
  const wide = (whole.right - whole.left) / 16;
  const high = (whole.high - whole.low) / 16;
  return { left: x - wide, right: x + wide, low: y - high, high: y + high };
}

function idsInView(points: Float32Array, bounds: Bounds, most: number): number[] {
  const found: number[] = [];
  for (let id = 0; id < points.length / 2; id++) {
    const x = points[id * 2] ?? 0;
    const y = points[id * 2 + 1] ?? 0;
    if (x > bounds.left && x < bounds.right && y > bounds.low && y < bounds.high) found.push(id);
    if (found.length > most * 12) return []; // too crowded for names: zoom in
  }
  const step = Math.max(1, Math.floor(found.length / most));
  return found.filter((_, place) => place % step === 0).slice(0, most);
}

interface Marks {
  chosen: Piece;
  marked: number[];
  hovered: number;
  labels: number[];
  names: ReadonlyMap<number, Piece>;
}

function draw(
  canvas: HTMLCanvasElement,
  points: Float32Array,
  { width, height, bounds }: { width: number; height: number; bounds: Bounds },
  { chosen, marked, hovered, labels, names }: Marks,
): void {
  const context = prepare(canvas, width, height);
  if (!context) return;
  const ink = colourOf(canvas, "ink");
  const soft = colourOf(canvas, "ink-soft");
  const strong = colourOf(canvas, "accent");
  const gold = colourOf(canvas, "gold");
  const place = (id: number): [number, number] => [
    (((points[id * 2] ?? 0) - bounds.left) / (bounds.right - bounds.left)) * width,
    ((bounds.high - (points[id * 2 + 1] ?? 0)) / (bounds.high - bounds.low)) * height,
  ];
  const count = points.length / 2;
  context.fillStyle = css(soft, count > 20_000 ? 0.18 : 0.35);
  for (let id = 0; id < count; id++) {
    const [x, y] = place(id);
    if (x > -3 && y > -3 && x < width + 3 && y < height + 3) context.fillRect(x - 1, y - 1, 2, 2);
  }
  context.font = "12px ui-monospace, Menlo, Consolas, monospace";
  const written: [number, number][] = [];
  const label = (id: number, colour: string, isDot: boolean) => {
    const [x, y] = place(id);
    const token = id === chosen.id ? chosen : names.get(id);
    context.fillStyle = colour;
    if (isDot) {
      context.beginPath();
      context.arc(x, y, 4, 0, 2 * Math.PI);
      context.fill();
    }
    // A label that would lie on another one is left out; what is pointed at is always named.
    const isFree = written.every(([left, top]) => Math.abs(left - x) > LABEL_WIDTH || Math.abs(top - y) > LABEL_HEIGHT);
    if (!token || (!isFree && id !== hovered && id !== chosen.id)) return;
    written.push([x, y]);
    context.fillText(named(token).slice(0, 24), x + 7, y + 4);
  };
  // The most important first: they take the room.
  label(chosen.id, css(strong), true);
  if (hovered >= 0) label(hovered, css(ink), true);
  for (const id of marked) label(id, css(gold), true);
  for (const id of labels) label(id, css(soft, 0.85), false);
}
