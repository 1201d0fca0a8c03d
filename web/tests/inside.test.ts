import { describe, expect, it } from "vitest";
import { floats } from "../src/pages/explain/api";
import { boundsOf, largest, matrixOf, moved, nearest, rowOf, scrolledTo, sideBySide, zoomed } from "../src/pages/explain/maths";
import { turnsTo } from "../src/pages/explain/state";

// Two heads, two tokens: [head][query][key].
const WEIGHTS = new Uint8Array([255, 0, 51, 204, 255, 0, 255, 0]);

describe("attention", () => {
  it("reads a row of one head or the mean of all", () => {
    expect(rowOf(WEIGHTS, 2, 2, 0, 1)).toEqual([0.2, 0.8]);
    expect(rowOf(WEIGHTS, 2, 2, 1, 1)).toEqual([1, 0]);
    expect(rowOf(WEIGHTS, 2, 2, -1, 1)[0]).toBeCloseTo(0.6);
    expect([...matrixOf(WEIGHTS, 2, 2, -1)].map((value) => Math.round(value * 10) / 10)).toEqual([1, 0, 0.6, 0.4]);
  });

  it("scrolls no further than a row needs to be seen", () => {
    expect(scrolledTo(260, 26, 0, 130)).toBe(156);
    expect(scrolledTo(26, 26, 156, 130)).toBe(26);
    expect(scrolledTo(182, 26, 156, 130)).toBe(156);
  });

  it("finds the largest and leaves out what is nothing", () => {
    expect(largest([0, 0.2, 0, 0.7, 0.2], 3)).toEqual([3, 1, 4]);
    expect(largest([0, 0], 3)).toEqual([]);
  });
});

describe("the map", () => {
  const points = new Float32Array([0, 0, 10, 10, 10, 0]);

  it("finds the nearest point within reach", () => {
    expect(nearest(points, 9.5, 9, 2, 2)).toBe(1);
    expect(nearest(points, 5, 5, 2, 2)).toBe(-1);
  });

  it("zooms about a fixed point and moves by shares", () => {
    const whole = { left: 0, right: 10, low: 0, high: 20 };
    const half = zoomed(whole, 0.5, 0.2, 0.25);
    expect(half.left + (half.right - half.left) * 0.2).toBeCloseTo(2);
    expect(half.high - (half.high - half.low) * 0.25).toBeCloseTo(15);
    expect(moved(whole, 0.1, -0.5)).toEqual({ left: 1, right: 11, low: -10, high: 10 });
  });

  it("is not squeezed by one far outlier", () => {
    const many = new Float32Array(2 * 3000).map((_, place) => Math.sin(place));
    many[0] = 1e6;
    expect(boundsOf(many).right).toBeLessThan(2);
  });
});

it("reads floats little-endian whatever the machine", () => {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat32(0, 1.5, true);
  view.setFloat32(4, -2, true);
  expect([...floats(view.buffer)]).toEqual([1.5, -2]);
});

it("sets two distributions beside each other without losing a token", () => {
  const one = (id: number, p: number) => ({ id, text: `t${id}`, p });
  const rows = sideBySide([one(1, 0.6), one(2, 0.3)], [one(3, 0.7), one(1, 0.1)]);
  expect(rows.map((row) => [row.id, row.before, row.after])).toEqual([
    [3, null, 0.7],
    [1, 0.6, 0.1],
    [2, 0.3, null],
  ]);
});

it("walks from a message back to the beginning of its branch", () => {
  const message = (id: string, parent: string | null) => ({ id, parent, role: "user" as const, content: id, model: null, finish_reason: null, created_at: "", feedback: null });
  const tree = [message("a", null), message("b", "a"), message("c", "a"), message("d", "c")];
  expect(turnsTo(tree, "d").map((turn) => turn.id)).toEqual(["a", "c", "d"]);
  expect(turnsTo([message("x", "y"), message("y", "x")], "x")).toHaveLength(2); // a damaged tree ends all the same
});
