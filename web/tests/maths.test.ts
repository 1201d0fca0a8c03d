import { expect, test } from "vitest";
import { atTemperature, entropy, likelihoodLevel, perplexity, reshape } from "../src/pages/playground/maths";

const REST = { temperature: 1, top_k: 0, top_p: 1, min_p: 0 };
const CHANCES = { a: 0.5, b: 0.25, c: 0.15, d: 0.1 };
const candidates = Object.entries(CHANCES).map(([text, chance]) => ({ text, logp: Math.log(chance) }));
const after = (settings: Partial<typeof REST>) => reshape(candidates, { ...REST, ...settings }).map((row) => row.after);
const closeTo = (found: number[], wanted: number[]) => {
  expect(found.length).toBe(wanted.length);
  found.forEach((value, place) => expect(value).toBeCloseTo(wanted[place] ?? NaN, 10));
};

test("temperature 1 changes nothing", () => {
  closeTo(after({}), [0.5, 0.25, 0.15, 0.1]);
});

test("tokens that are not listed count: settings that change nothing show the model's own probabilities", () => {
  const listed = candidates.slice(0, 2); // 0.5 and 0.25; a quarter is not listed
  const shown = (settings: Partial<typeof REST>) => reshape(listed, { ...REST, ...settings }).map((row) => row.after);
  closeTo(shown({}), [0.5, 0.25]);
  closeTo(shown({ top_k: 2 }), [2 / 3, 1 / 3]);
  closeTo(shown({ top_p: 0.75 }), [2 / 3, 1 / 3]);
  closeTo(shown({ top_p: 0.8 }), [0.5 / 0.8, 0.25 / 0.8]);
  closeTo(shown({ min_p: 0.6 }), [1, 0]);
  closeTo(shown({ temperature: 0 }), [1, 0]);
  closeTo(shown({ temperature: 0.5 }), [4 / 6, 1 / 6]); // the quarter as one more token of 0.25
});

test("temperature 0 takes the likeliest", () => {
  closeTo(after({ temperature: 0 }), [1, 0, 0, 0]);
  closeTo(atTemperature([-1, -1, -3], 0), [1, 0, 0]);
});

test("a low temperature sharpens as powers of the probabilities, a high one levels", () => {
  const sum = 0.5 ** 2 + 0.25 ** 2 + 0.15 ** 2 + 0.1 ** 2;
  closeTo(after({ temperature: 0.5 }), [0.25 / sum, 0.0625 / sum, 0.0225 / sum, 0.01 / sum]);
  after({ temperature: 1e6 }).forEach((chance) => expect(chance).toBeCloseTo(0.25, 4));
});

test("top-k keeps k tokens and shares their mass anew", () => {
  closeTo(after({ top_k: 2 }), [2 / 3, 1 / 3, 0, 0]);
});

test("top-p keeps the smallest set that reaches the mass", () => {
  closeTo(after({ top_p: 0.6 }), [2 / 3, 1 / 3, 0, 0]);
  closeTo(after({ top_p: 0.5 }), [1, 0, 0, 0]);
  closeTo(after({ top_p: 0.01 }), [1, 0, 0, 0]);
});

test("min-p is measured against the likeliest token", () => {
  closeTo(after({ min_p: 0.3 }), [0.5 / 0.9, 0.25 / 0.9, 0.15 / 0.9, 0]);
});

test("what temperature did to reported probabilities is undone before it is done again", () => {
  const heated = atTemperature(candidates.map((one) => one.logp), 0.5);
  const reported = candidates.map((one, place) => ({ text: one.text, logp: Math.log(heated[place] ?? 0) }));
  closeTo(reshape(reported, REST, 0.5).map((row) => row.before), [0.5, 0.25, 0.15, 0.1]);
  closeTo(reshape(reported, REST, 0.5).map((row) => row.after), [0.5, 0.25, 0.15, 0.1]);
});

test("rows are ordered by probability and say what was left out", () => {
  const rows = reshape([...candidates].reverse(), { ...REST, top_k: 1 });
  expect(rows.map((row) => row.text).join("")).toBe("abcd");
  expect(rows.map((row) => row.isKept)).toEqual([true, false, false, false]);
});

test("entropy is in bits", () => {
  expect(entropy([0.25, 0.25, 0.25, 0.25])).toBeCloseTo(2);
  expect(entropy([1, 0])).toBe(0); // not -0: it is printed
});

test("perplexity of even choices is their number", () => {
  expect(perplexity(2 * Math.log(1 / 8), 2)).toBeCloseTo(8);
  expect(perplexity(0, 0)).toBeNaN();
});

test("levels run from surprising to certain", () => {
  expect([0.001, 0.05, 0.2, 0.4, 0.7, 0.99].map((chance) => likelihoodLevel(Math.log(chance)))).toEqual([0, 1, 2, 3, 4, 5]);
});
