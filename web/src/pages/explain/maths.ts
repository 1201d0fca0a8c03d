// Arithmetic of the explain page; no drawing, no asking.
import type { Candidate } from "./api";

/** The weights of one query, as shares of 1; `head` -1 is the mean of all heads. */
export function rowOf(weights: Uint8Array, heads: number, length: number, head: number, query: number): number[] {
  const chosen = head < 0 ? Array.from({ length: heads }, (_, each) => each) : [head];
  return Array.from({ length }, (_, key) => {
    let sum = 0;
    for (const each of chosen) sum += weights[(each * length + query) * length + key] ?? 0;
    return sum / chosen.length / 255;
  });
}

/** The whole matrix of one head (or the mean of all), row by row, as shares of 1. */
export function matrixOf(weights: Uint8Array, heads: number, length: number, head: number): Float32Array {
  const matrix = new Float32Array(length * length);
  const chosen = head < 0 ? Array.from({ length: heads }, (_, each) => each) : [head];
  for (const each of chosen) {
    const from = each * length * length;
    for (let place = 0; place < matrix.length; place++) {
      matrix[place] = (matrix[place] ?? 0) + (weights[from + place] ?? 0) / 255 / chosen.length;
    }
  }
  return matrix;
}

/** Most of the weights are tiny: the root makes them visible. */
export const shade = (share: number): number => Math.sqrt(Math.min(1, Math.max(0, share)));

/** Places of the `count` largest values, largest first. */
export function largest(values: readonly number[], count: number): number[] {
  return values
    .map((value, place) => ({ value, place }))
    .filter(({ value }) => value > 0)
    .sort((one, other) => other.value - one.value || one.place - other.place)
    .slice(0, count)
    .map(({ place }) => place);
}

export interface Change {
  id: number;
  text: string;
  /** null: not among the tokens listed, so only known to be less likely than all of them. */
  before: number | null;
  after: number | null;
}

/** Before and after beside each other: everything that either list names, likeliest first. */
export function sideBySide(before: Candidate[], after: Candidate[]): Change[] {
  const rows = new Map<number, Change>();
  for (const one of before) rows.set(one.id, { id: one.id, text: one.text, before: one.p, after: null });
  for (const one of after) {
    const row = rows.get(one.id) ?? { id: one.id, text: one.text, before: null, after: null };
    rows.set(one.id, { ...row, after: one.p });
  }
  const most = (row: Change) => Math.max(row.before ?? 0, row.after ?? 0);
  return [...rows.values()].sort((one, other) => most(other) - most(one));
}

/** The point nearest to a place on the screen, or -1 where none is within reach. */
export function nearest(points: Float32Array, x: number, y: number, reachX: number, reachY: number): number {
  let best = -1;
  let least = 1;
  for (let place = 0; place < points.length / 2; place++) {
    const dx = ((points[place * 2] ?? 0) - x) / reachX;
    const dy = ((points[place * 2 + 1] ?? 0) - y) / reachY;
    const away = dx * dx + dy * dy;
    if (away < least) {
      least = away;
      best = place;
    }
  }
  return best;
}

export interface Bounds {
  left: number;
  right: number;
  low: number;
  high: number;
}

/** The part of the plane that holds nearly all points: one far outlier must not squeeze the rest into a dot. */
export function boundsOf(points: Float32Array, trimmed = 0.0005): Bounds {
  const axis = (offset: 0 | 1): [number, number] => {
    const values = Float32Array.from({ length: points.length / 2 }, (_, place) => points[place * 2 + offset] ?? 0).sort();
    const cut = Math.floor(values.length * trimmed);
    const low = values[cut] ?? 0;
    const high = values[values.length - 1 - cut] ?? 1;
    const room = (high - low || 1) * 0.05;
    return [low - room, high + room];
  };
  const [left, right] = axis(0);
  const [low, high] = axis(1);
  return { left, right, low, high };
}

/** A smaller or larger part of the plane about a fixed point given as shares of width and height. */
export function zoomed(bounds: Bounds, factor: number, shareX = 0.5, shareY = 0.5): Bounds {
  const x = bounds.left + (bounds.right - bounds.left) * shareX;
  const y = bounds.high - (bounds.high - bounds.low) * shareY;
  return {
    left: x - (x - bounds.left) * factor,
    right: x + (bounds.right - x) * factor,
    low: y - (y - bounds.low) * factor,
    high: y + (bounds.high - y) * factor,
  };
}

export function moved(bounds: Bounds, shareX: number, shareY: number): Bounds {
  const dx = (bounds.right - bounds.left) * shareX;
  const dy = (bounds.high - bounds.low) * shareY;
  return { left: bounds.left + dx, right: bounds.right + dx, low: bounds.low + dy, high: bounds.high + dy };
}

/** Where a box must be scrolled to so that a row is seen, with as little movement as may be. All in pixels. */
export function scrolledTo(row: number, height: number, scrolled: number, box: number): number {
  if (row < scrolled) return row;
  return row + height > scrolled + box ? row + height - box : scrolled;
}
