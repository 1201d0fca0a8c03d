// Usage added up: by day and model for the chart, by one column for the table.
import type { Labeler, Spent, UsageRow } from "./api";

export const METRICS = ["requests", "tokens", "seconds", "energy", "cost"] as const;
export type Metric = (typeof METRICS)[number];
export const COLUMNS = ["day", "model", "key", "person"] as const;
export type Column = (typeof COLUMNS)[number];
/** As many colours as can be told apart; the rest is one band. */
export const MOST_BANDS = 5;

export function amount(row: Spent, metric: Metric): number {
  if (metric === "tokens") return row.tokens_in + row.tokens_out;
  if (metric === "energy") return row.energy_estimated_j / 3600; // joules to watt-hours
  return row[metric];
}

/** The last `count` days up to `today`, as the server names them (UTC). */
export function lastDays(count: number, today = new Date()): string[] {
  const end = Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate());
  return Array.from({ length: count }, (_, at) => new Date(end - (count - 1 - at) * 86_400_000).toISOString().slice(0, 10));
}

export interface Stack {
  /** Largest first; null stands for all others together. */
  bands: (string | null)[];
  days: { day: string; parts: number[]; total: number }[];
}

export function stacked(rows: UsageRow[], days: string[], metric: Metric): Stack {
  const totals = new Map<string, number>();
  for (const row of rows) totals.set(row.model, (totals.get(row.model) ?? 0) + amount(row, metric));
  const names = [...totals].sort(([a, x], [b, y]) => y - x || a.localeCompare(b)).map(([name]) => name);
  const bands: (string | null)[] = names.length > MOST_BANDS ? [...names.slice(0, MOST_BANDS - 1), null] : names;
  const places = new Map(days.map((day, at) => [day, at]));
  const columns = days.map((day) => ({ day, parts: bands.map(() => 0), total: 0 }));
  for (const row of rows) {
    const column = columns[places.get(row.day) ?? -1];
    if (!column) continue;
    const band = bands.indexOf(row.model);
    const at = band < 0 ? bands.length - 1 : band;
    column.parts[at] = (column.parts[at] ?? 0) + amount(row, metric);
    column.total += amount(row, metric);
  }
  return { bands, days: columns };
}

export type Sum = Spent & { name: string | null };

/** One line per value of a column: days newest first, anything else by tokens. */
export function grouped(rows: UsageRow[], by: Column): Sum[] {
  const sums = new Map<string | null, Sum>();
  for (const row of rows) {
    const sum = sums.get(row[by]) ?? { ...nothing(), name: row[by] };
    for (const name of Object.keys(nothing()) as (keyof Spent)[]) sum[name] += row[name];
    sums.set(row[by], sum);
  }
  const tokens = (one: Sum) => amount(one, "tokens");
  return [...sums.values()].sort((a, b) =>
    by === "day" ? (b.name ?? "").localeCompare(a.name ?? "") : tokens(b) - tokens(a) || b.requests - a.requests,
  );
}

const nothing = (): Spent => ({
  requests: 0,
  tokens_in: 0,
  tokens_out: 0,
  tokens_cached: 0,
  seconds: 0,
  energy_estimated_j: 0,
  cost: 0,
});

/** Round marks from 0 to at least `most`, about four of them. */
export function marks(most: number): number[] {
  if (!(most > 0)) return [0, 1];
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999) ?? 10 * power;
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, at) => at * step);
}

/** Seconds on a task: the median of the labelers' own medians, each as often as they judged; null if nobody was timed. */
export function usualTime(labelers: Pick<Labeler, "judgements" | "seconds">[]): number | null {
  const times = labelers
    .flatMap(({ judgements, seconds }) => (seconds === null ? [] : [{ judgements, seconds }]))
    .sort((one, other) => one.seconds - other.seconds);
  const half = times.reduce((sum, one) => sum + one.judgements, 0) / 2;
  let before = 0;
  return times.find((one) => (before += one.judgements) >= half)?.seconds ?? null;
}
