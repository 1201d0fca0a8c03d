// Receipts in units that people read.
import { number } from "../../words";

export function duration(seconds: number): string {
  if (seconds < 90) return `${number(seconds, seconds < 10 ? 1 : 0)} s`;
  if (seconds < 5400) return `${number(seconds / 60, 1)} min`;
  return `${number(seconds / 3600, 1)} h`;
}

export function size(bytes: number): string {
  return bytes < 1e9 ? `${number(bytes / 1e6)} MB` : `${number(bytes / 1e9, 2)} GB`;
}

export function energy(joules: number): string {
  return joules < 3600 ? `${number(joules, joules > 0 && joules < 100 ? 1 : 0)} J` : `${number(joules / 3600, 2)} Wh`;
}

export function amount(value: number): string {
  if (value >= 1e12) return `${number(value / 1e12, 1)} T`;
  if (value >= 1e9) return `${number(value / 1e9, 1)} G`;
  if (value >= 1e6) return `${number(value / 1e6, 1)} M`;
  return number(value);
}
