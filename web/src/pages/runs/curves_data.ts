// From lines of metrics to curves: which belong in one picture, and which are worth looking at first.
import type { Row } from "./api";

export interface Chart {
  name: string;
  keys: string[];
  isMain: boolean;
}

const X = "step";
const NEVER = new Set([X, "tokens", "episodes", "time", "seconds"]);
const MAIN = ["loss", "bits_per_byte", "accuracy", "score", "reward", "objective", "kl", "entropy", "win_rate"];
const VALIDATION = "validation_";

const bare = (key: string): string => (key.startsWith(VALIDATION) ? key.slice(VALIDATION.length) : key);

/** One picture for each quantity; what was measured on held-out data stands in the same one. */
export function chartsOf(keys: readonly string[]): Chart[] {
  const groups = new Map<string, string[]>();
  for (const key of keys) {
    if (NEVER.has(key)) continue;
    const name = bare(key);
    groups.set(name, [...(groups.get(name) ?? []), key].sort((one, other) => one.length - other.length));
  }
  const place = (name: string) => (MAIN.indexOf(name) + MAIN.length + 1) % (MAIN.length + 1);
  return [...groups]
    .map(([name, own]) => ({ name, keys: own, isMain: MAIN.includes(name) }))
    .sort((one, other) => place(one.name) - place(other.name) || one.name.localeCompare(other.name));
}

export function keysOf(rows: readonly Row[]): string[] {
  const keys = new Set<string>();
  for (const row of rows) for (const [key, value] of Object.entries(row)) if (typeof value === "number") keys.add(key);
  return [...keys];
}

/** Values along the steps; lines of one step are one point, what a line does not say is a gap. */
export function curvesOf(rows: readonly Row[], keys: readonly string[]): { xs: number[]; values: (number | null)[][] } {
  const points = new Map<number, Row>();
  rows.forEach((row, at) => {
    const step = typeof row[X] === "number" ? row[X] : at;
    points.set(step, { ...points.get(step), ...row });
  });
  const xs = [...points.keys()].sort((one, other) => one - other);
  const values = keys.map((key) =>
    xs.map((step) => {
      const value = points.get(step)?.[key];
      return typeof value === "number" && Number.isFinite(value) ? value : null;
    }),
  );
  return { xs, values };
}
