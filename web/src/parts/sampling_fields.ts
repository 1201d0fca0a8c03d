// The sampling settings: their ranges and defaults, and how they are kept in the browser.
import type { Sampling } from "../api";

export const DEFAULT_SAMPLING: Sampling = {
  temperature: 0.7,
  top_p: 1,
  top_k: 0,
  min_p: 0,
  max_tokens: 256,
  presence_penalty: 0,
  frequency_penalty: 0,
  repetition_penalty: 1,
};

export interface Field {
  name: Exclude<keyof Sampling, "stop" | "seed">;
  least: number;
  most: number;
  step: number;
  /** Rarely touched: folded away. */
  rare?: boolean;
}

export const FIELDS: Field[] = [
  { name: "temperature", least: 0, most: 2, step: 0.05 },
  { name: "max_tokens", least: 1, most: 2048, step: 1 },
  { name: "top_p", least: 0.01, most: 1, step: 0.01 },
  { name: "top_k", least: 0, most: 100, step: 1 },
  { name: "min_p", least: 0, most: 0.5, step: 0.01 },
  { name: "presence_penalty", least: -2, most: 2, step: 0.1, rare: true },
  { name: "frequency_penalty", least: -2, most: 2, step: 0.1, rare: true },
  { name: "repetition_penalty", least: 1, most: 2, step: 0.05, rare: true },
];

/** A number from a field, within its range; what is no number leaves the old value. */
export function readNumber(text: string, field: Pick<Field, "least" | "most" | "step">, old: number): number {
  const value = Number(text.replace(",", "."));
  if (text.trim() === "" || !Number.isFinite(value)) return old;
  const limited = Math.min(field.most, Math.max(field.least, value));
  return field.step >= 1 ? Math.round(limited) : limited;
}

/** Stop strings, one a line; "\n" stands for a line break. */
export function readStops(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.replaceAll("\\n", "\n"));
}

export function showStops(stops: string[] | undefined): string {
  return (stops ?? []).map((stop) => stop.replaceAll("\n", "\\n")).join("\n");
}
