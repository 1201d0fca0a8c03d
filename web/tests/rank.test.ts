import { describe, expect, it } from "vitest";
import { asShown, isAsShown, moveTo, numbersOf, rankingOf, ranksOf, toggleTie } from "../src/pages/label/rank";

describe("an order with ties", () => {
  it("gives ranks in the order shown, the best 1", () => {
    const moved = moveTo(asShown(4), 3, 0);
    expect(moved.order).toEqual([3, 0, 1, 2]);
    expect(ranksOf(moved)).toEqual([2, 3, 4, 1]);
  });

  it("lets tied answers share a rank and counts on without a gap", () => {
    const tied = toggleTie(asShown(4), 2);
    expect(numbersOf(tied)).toEqual([1, 2, 2, 3]);
    expect(ranksOf(toggleTie(tied, 2))).toEqual([1, 2, 3, 4]);
    expect(toggleTie(tied, 0)).toEqual(tied);
  });

  it("takes an answer out of its group and leaves the rest of the group tied", () => {
    const three = toggleTie(toggleTie(asShown(4), 1), 2); // 0 = 1 = 2, 3
    const moved = moveTo(three, 1, 3);
    expect(moved.order).toEqual([0, 2, 3, 1]);
    expect(numbersOf(moved)).toEqual([1, 1, 2, 3]);
    expect(numbersOf(moveTo(three, 0, 3))).toEqual([1, 1, 2, 3]);
  });

  it("lets an answer that lands inside a group join it", () => {
    const pair = toggleTie(asShown(4), 1); // 0 = 1, 2, 3
    expect(numbersOf(moveTo(pair, 3, 1))).toEqual([1, 1, 1, 2]);
  });

  it("never loses or doubles an answer, wherever it is moved", () => {
    let ranking = asShown(6);
    for (let step = 0; step < 400; step++) {
      const [from, to] = [(step * 7) % 6, ((step * 11) % 8) - 1];
      ranking = step % 3 ? moveTo(ranking, from, to) : toggleTie(ranking, from);
      expect([...ranking.order].sort()).toEqual([0, 1, 2, 3, 4, 5]);
      expect(ranking.ties[0]).toBe(false);
      expect(ranking.ties.length).toBe(6);
      const numbers = numbersOf(ranking);
      expect(numbers[0]).toBe(1);
      expect(numbers.every((rank, place) => place === 0 || rank - (numbers[place - 1] ?? 0) === (ranking.ties[place] ? 0 : 1))).toBe(true);
    }
  });

  it("takes a draft only where it fits the task", () => {
    expect(rankingOf({ order: [2, 0, 1], ties: [false, true, false] }, 3).order).toEqual([2, 0, 1]);
    expect(isAsShown(rankingOf({ order: [0, 0, 1], ties: [] }, 3))).toBe(true);
    expect(isAsShown(rankingOf({ order: [0, 1], ties: [] }, 3))).toBe(true);
    expect(isAsShown(rankingOf(null, 3))).toBe(true);
    expect(rankingOf({ order: [1, 0], ties: [true, true] }, 2).ties).toEqual([false, true]);
  });
});
