import { describe, expect, it } from "vitest";
import { candidateOf } from "../src/pages/runs/comparisons";
import { chartsOf, curvesOf, keysOf } from "../src/pages/runs/curves_data";
import { layoutOf } from "../src/pages/runs/lineage_layout";
import { readSettings } from "../src/pages/runs/settings";

const node = (id: string, kind = "sft") => ({ id, kind, name: id, run: "r", complete: true });

describe("lineage", () => {
  it("puts everything right of what it came from", () => {
    const edges: [string, string, string][] = [
      ["base", "sft", "base"],
      ["sft", "reward", "model"],
      ["sft", "ppo", "policy"],
      ["reward", "ppo", "reward"],
      ["file", "ppo", "data"],
    ];
    const layout = layoutOf({ nodes: ["base", "sft", "reward", "ppo"].map((id) => node(id)).concat(node("file", "data")), edges });
    const column = new Map(layout.boxes.map((box) => [box.id, box.column]));
    for (const { from, to } of layout.edges) expect(from.column).toBeLessThan(to.column);
    expect(column.get("file")).toBe(2); // right before its reader
    const places = layout.boxes.map((box) => `${box.column}.${box.row}`);
    expect(new Set(places).size).toBe(places.length);
  });

  it("ends where a damaged file claims a circle, and leaves out edges to nowhere", () => {
    const layout = layoutOf({ nodes: [node("a"), node("b")], edges: [["a", "b", "x"], ["b", "a", "x"], ["gone", "a", "x"]] });
    expect(layout.boxes).toHaveLength(2);
    expect(layout.edges).toHaveLength(2);
  });
});

describe("curves", () => {
  it("puts what was held out into the picture of its quantity, the main ones first", () => {
    const charts = chartsOf(["step", "learning_rate", "validation_loss", "loss", "kl", "tokens"]);
    expect(charts.map((chart) => chart.name)).toEqual(["loss", "kl", "learning_rate"]);
    expect(charts[0]?.keys).toEqual(["loss", "validation_loss"]);
  });

  it("makes one point of two lines of a step and leaves gaps", () => {
    const rows = [{ step: 1, loss: 2 }, { step: 2, loss: 1 }, { step: 2, validation_loss: 1.5 }, { step: 3, loss: Number.NaN }];
    expect(keysOf(rows)).toEqual(["step", "loss", "validation_loss"]);
    expect(curvesOf(rows, ["loss", "validation_loss"])).toEqual({
      xs: [1, 2, 3],
      values: [
        [2, 1, null],
        [null, 1.5, null],
      ],
    });
  });
});

it("reads settings as a recipe has them and says which lines are none", () => {
  const { settings, wrong } = readSettings('ppo.iterations = 20\nreward.lora=true\n# note\nppo.optimizer = "muon"\nppo.x = 1e-3\nwhat');
  expect(settings).toEqual({ "ppo.iterations": 20, "reward.lora": true, "ppo.optimizer": "muon", "ppo.x": 0.001 });
  expect(wrong).toEqual(["what"]);
});

it("knows a model of a run from a served one", () => {
  expect(candidateOf("village/ppo", [{ name: "village" }])).toEqual({ run: "village", stage: "ppo" });
  expect(candidateOf("sft", [{ name: "village" }])).toEqual({ model: "sft" });
});
