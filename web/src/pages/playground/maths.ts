// What the sampling settings do to the next token's distribution. The same order as the engine's:
// temperature first, then top-k, top-p and min-p on what comes out of it.
import type { Sampling } from "../../api";

export interface Candidate {
  text: string;
  logp: number;
}

export interface Reshaped {
  text: string;
  /** Probability as the model gave it, among all tokens. */
  before: number;
  /** Probability with the settings, among all tokens; how those behave that are not listed is estimated. */
  after: number;
  isKept: boolean;
}

type Settings = Pick<Sampling, "temperature" | "top_k" | "top_p" | "min_p">;

export function reshape(candidates: readonly Candidate[], settings: Settings, heat = 1): Reshaped[] {
  const ordered = withoutHeat(candidates, heat).sort((first, second) => second.logp - first.logp);
  const tail = tailOf(ordered);
  const heated = atTemperature(ordered.map((one) => one.logp), settings.temperature, tail);
  const kept = keptOf(heated, settings);
  const listed = heated.reduce((sum, chance, place) => sum + (kept[place] ? chance : 0), 0);
  const mass = listed + unlistedMass(heated, kept, tail, settings);
  return ordered.map((one, place) => ({
    text: one.text,
    before: Math.exp(one.logp),
    after: kept[place] ? (heated[place] ?? 0) / mass : 0,
    isKept: kept[place] ?? false,
  }));
}

/** The likeliest token always stays; a token stays while what stands before it has not yet reached top-p. */
function keptOf(heated: readonly number[], { top_k, top_p, min_p }: Settings): boolean[] {
  const most = heated[0] ?? 0;
  let before = 0;
  return heated.map((chance, place) => {
    const isKept = place === 0 || ((top_k === 0 || place < top_k) && before < top_p && chance >= min_p * most);
    before += chance;
    return isKept && chance > 0;
  });
}

/** Tokens that are not listed, taken to be as likely as the last listed one each. */
interface Tail {
  logp: number;
  count: number;
}

const NO_TAIL: Tail = { logp: 0, count: 0 };

function tailOf(ordered: readonly Candidate[]): Tail {
  const logp = ordered.at(-1)?.logp ?? 0;
  const rest = 1 - ordered.reduce((sum, one) => sum + Math.exp(one.logp), 0);
  return { logp, count: rest > 1e-6 ? rest / Math.exp(logp) : 0 };
}

/** What of the unlisted tokens' probability passes the filters. */
function unlistedMass(heated: readonly number[], kept: readonly boolean[], tail: Tail, { top_k, top_p }: Settings): number {
  const listed = heated.reduce((sum, chance) => sum + chance, 0);
  const rest = Math.max(0, 1 - listed);
  if (!kept.at(-1) || listed >= top_p) return 0; // whoever is less likely than one that was left out is left out too
  const byCount = top_k === 0 || !tail.count ? 1 : Math.min(1, Math.max(0, top_k - heated.length) / tail.count);
  return Math.min(rest * byCount, top_p - listed);
}

/**
 * The engine reports log-probabilities after temperature. Multiplying undoes it up to a constant, which only the
 * unlisted tokens could tell: so these are shares of the listed ones, unless the temperature was 1.
 */
function withoutHeat(candidates: readonly Candidate[], heat: number): Candidate[] {
  if (heat === 1) return [...candidates];
  const chances = atTemperature(candidates.map((one) => one.logp * heat), 1);
  return candidates.map((one, place) => ({ text: one.text, logp: Math.log(chances[place] ?? 0) }));
}

/** Softmax of log-probabilities at a temperature; 0 puts everything on the first of the likeliest. */
export function atTemperature(logps: readonly number[], temperature: number, tail: Tail = NO_TAIL): number[] {
  if (!logps.length) return [];
  const most = Math.max(...logps);
  if (temperature <= 0) {
    const first = logps.indexOf(most);
    return logps.map((_, place) => (place === first ? 1 : 0));
  }
  const weights = logps.map((logp) => Math.exp((logp - most) / temperature));
  const unlisted = tail.count * Math.exp((tail.logp - most) / temperature);
  const sum = weights.reduce((total, weight) => total + weight, unlisted);
  return weights.map((weight) => weight / sum);
}

/** In bits: how many yes-or-no questions the choice is worth. */
export function entropy(chances: readonly number[]): number {
  return chances.reduce((sum, chance) => (chance > 0 ? sum - chance * Math.log2(chance) : sum), 0);
}

/** Six steps from surprising (0) to certain (5). */
export function likelihoodLevel(logp: number): number {
  const chance = Math.exp(logp);
  return LEVELS.filter((edge) => chance >= edge).length;
}
export const LEVELS = [0.02, 0.1, 0.25, 0.5, 0.8] as const;

/** Of so many tokens with this log-probability together. */
export function perplexity(logp: number, tokens: number): number {
  return tokens ? Math.exp(-logp / tokens) : Number.NaN;
}
