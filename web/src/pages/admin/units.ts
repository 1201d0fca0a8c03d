// Amounts and days as people read them.
import { language } from "../../preferences";
import { number } from "../../words";
import type { Metric } from "./sums";

/** Energy is in watt-hours, time in seconds; cost has the unit of `serve --price-use`. */
export function shownAmount(value: number, metric: Metric): string {
  if (metric === "energy") return energy(value);
  if (metric === "seconds") return duration(value);
  if (metric === "cost") return number(value, 2);
  return number(value);
}

/** A request takes joules, a day watt-hours, a training kilowatt-hours. */
function energy(wattHours: number): string {
  const joules = wattHours * 3600;
  if (joules < 3600) return `${number(joules, joules > 0 && joules < 100 ? 1 : 0)} J`;
  return wattHours >= 1000 ? `${number(wattHours / 1000, 2)} kWh` : `${number(wattHours, wattHours < 10 ? 1 : 0)} Wh`;
}

export function duration(seconds: number): string {
  if (seconds < 90) return `${number(seconds)} s`;
  if (seconds < 5400) return `${number(seconds / 60)} min`;
  return `${number(seconds / 3600, 1)} h`;
}

/** The server's days are UTC: "2025-05-03" must not become the 2nd further west. */
export function utcDay(day: string, isShort = false): string {
  const style: Intl.DateTimeFormatOptions = isShort ? { day: "numeric", month: "short" } : { dateStyle: "medium" };
  return new Intl.DateTimeFormat(language.value, { ...style, timeZone: "UTC" }).format(new Date(`${day}T00:00:00Z`));
}
