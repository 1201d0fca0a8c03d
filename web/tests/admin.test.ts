import { describe, expect, it } from "vitest";
import { fileName, type UsageRow } from "../src/pages/admin/api";
import { capFields, capsOf } from "../src/pages/admin/caps";
import { pieces, readingOf } from "../src/pages/admin/content";
import { stageOf } from "../src/pages/admin/invite_stage";
import { keyOf } from "../src/pages/admin/key_fields";
import { shownAmount } from "../src/pages/admin/units";
import { grouped, lastDays, marks, stacked, usualTime } from "../src/pages/admin/sums";

const used = (day: string, model: string, requests: number, more: Partial<UsageRow> = {}): UsageRow => ({
  day, model, requests, key: null, person: null, tokens_in: 10 * requests, tokens_out: requests, tokens_cached: 0,
  seconds: 0, energy_estimated_j: 7200, cost: 0, ...more,
});

describe("usage", () => {
  it("names days as the server does, whatever the time zone", () => {
    expect(lastDays(3, new Date("2026-03-01T23:30:00Z"))).toEqual(["2026-02-27", "2026-02-28", "2026-03-01"]);
  });

  it("stacks models by day, the largest first, with empty days kept", () => {
    const rows = [used("2026-01-01", "small", 1), used("2026-01-03", "big", 9), used("2026-01-03", "small", 2)];
    const stack = stacked(rows, ["2026-01-01", "2026-01-02", "2026-01-03"], "requests");
    expect(stack.bands).toEqual(["big", "small"]);
    expect(stack.days.map((one) => one.parts)).toEqual([[0, 1], [0, 0], [9, 2]]);
    expect(stack.days[2]?.total).toBe(11);
  });

  it("puts the smallest of many models into one band and loses nothing", () => {
    const rows = Array.from({ length: 8 }, (_, at) => used("2026-01-01", `m${at}`, at + 1));
    const stack = stacked(rows, ["2026-01-01"], "requests");
    expect(stack.bands).toEqual(["m7", "m6", "m5", "m4", null]);
    expect(stack.days[0]?.parts).toEqual([8, 7, 6, 5, 1 + 2 + 3 + 4]);
  });

  it("shows little energy in joules, more in watt-hours and kilowatt-hours", () => {
    const shown = [0, 0.001, 0.5, 2, 25, 1500].map((value) => shownAmount(value, "energy"));
    expect(shown).toEqual(["0 J", "3.6 J", "1,800 J", "2.0 Wh", "25 Wh", "1.50 kWh"]);
  });

  it("counts energy in watt-hours and leaves out days that are not shown", () => {
    const rows = [used("2026-01-01", "m", 1), used("2025-01-01", "m", 1)];
    expect(stacked(rows, ["2026-01-01"], "energy").days[0]?.total).toBe(2);
  });

  it("adds up by key, with what came without one on its own line", () => {
    const rows = [used("d", "m", 1, { key: "bot" }), used("e", "m", 5), used("f", "n", 2, { key: "bot" })];
    expect(grouped(rows, "key").map((one) => [one.name, one.requests, one.tokens_in])).toEqual([[null, 5, 50], ["bot", 3, 30]]);
    expect(grouped(rows, "day").map((one) => one.name)).toEqual(["f", "e", "d"]);
  });

  it("puts round marks that reach the top and do not overshoot by a whole step", () => {
    expect(marks(130)).toEqual([0, 50, 100, 150]);
    expect(marks(100)).toEqual([0, 25, 50, 75, 100]);
    expect(marks(0)).toEqual([0, 1]);
    for (const most of [0.003, 1, 7, 999, 123456]) {
      const found = marks(most);
      const step = (found[1] ?? 0) - (found[0] ?? 0);
      expect(found.at(-1)).toBeGreaterThanOrEqual(most * 0.999);
      expect((found.at(-1) ?? 0) - most).toBeLessThan(step);
    }
  });
});

describe("time on task", () => {
  it("is the middle one of all judgements, so that one hasty labeler with few of them changes nothing", () => {
    const hasty = { judgements: 2, seconds: 3 };
    expect(usualTime([{ judgements: 10, seconds: 40 }, hasty, { judgements: 6, seconds: 50 }])).toBe(40);
    expect(usualTime([hasty, { judgements: 5, seconds: null }])).toBe(3);
    expect(usualTime([])).toBeNull();
  });
});

describe("a row of feedback", () => {
  it("is read in the order of its ranks, each answer with its own model", () => {
    const content = { prompt: [{ role: "user", content: "?" }], answers: ["a", "b", "c"], ranks: [3, 1, 1], models: ["x", "y", "z"] };
    const { answers, talk } = readingOf({ kind: "ranking", content });
    expect(answers.map((one) => [one.text, one.rank, one.model])).toEqual([["b", 1, "y"], ["c", 1, "z"], ["a", 3, "x"]]);
    expect(talk).toEqual([{ role: "user", content: "?" }]);
  });

  it("shows no order where all were bad", () => {
    const { answers, verdict } = readingOf({ kind: "ranking", content: { answers: ["a", "b"], ranks: [1, 1], verdict: "all_bad" } });
    expect(answers.map((one) => one.rank)).toEqual([null, null]);
    expect(verdict).toEqual({ kind: "all_bad" });
  });

  it("leaves out what an imported file has in another shape", () => {
    const content = { prompt: "text", answers: [1, { a: 2 }], ranks: "no", reasons: [3, "kind"], comment: {}, up: "yes" };
    const found = readingOf({ kind: "thumb", content });
    expect(found).toEqual({
      talk: [], verdict: null, tags: ["kind"], comment: "",
      answers: [{ text: "", rank: null, model: "" }, { text: "", rank: null, model: "" }],
    });
  });

  it("makes characters visible that hide what a model would learn", () => {
    expect(pieces("a\u202eb\u200b")).toEqual([
      { text: "a", isHidden: false }, { text: "U+202E", isHidden: true },
      { text: "b", isHidden: false }, { text: "U+200B", isHidden: true },
    ]);
    expect(pieces("\u{e0041}x")[0]).toEqual({ text: "U+E0041", isHidden: true });
    expect(pieces("two\nlines\tand 👩‍🌾 ä")).toEqual([{ text: "two\nlines\tand 👩‍🌾 ä", isHidden: false }]);
  });
});

describe("forms", () => {
  it("keep the three meanings of a cap apart: the default, a number, no limit", () => {
    const caps = { chatter: 20, admin: null };
    const fields = capFields(caps);
    expect(fields.labeler).toEqual({ number: "", isUnlimited: false });
    expect(capsOf(fields)).toEqual(caps);
    expect(capsOf({ ...fields, chatter: { number: " ", isUnlimited: false } })).toEqual({ admin: null });
  });

  it("send a key without limits where fields are empty, and a period only with a quota", () => {
    const fields = new FormData();
    for (const [name, value] of [["name", " bot "], ["rate", ""], ["quota", ""], ["period", "month"]] as const) fields.set(name, value);
    expect(keyOf(fields)).toEqual({ name: "bot" });
    fields.set("quota", "500");
    fields.append("model", "ppo");
    expect(keyOf(fields)).toEqual({ name: "bot", quota_tokens: 500, quota_period: "month", models: ["ppo"] });
  });

  it("know an invitation's stage", () => {
    const invite = { id: "1", role: "chatter" as const, note: "", created_at: "", expires_at: "2026-01-02T00:00:00Z", used_at: null, revoked_at: null };
    const now = Date.parse("2026-01-01T00:00:00Z");
    expect(stageOf(invite, now)).toBe("open");
    expect(stageOf(invite, now + 86_400_000)).toBe("expired");
    expect(stageOf({ ...invite, revoked_at: "2026-01-01" }, now)).toBe("withdrawn");
    expect(stageOf({ ...invite, used_at: "2026-01-01" }, now + 1e12)).toBe("used");
  });

  it("take a file's name from its header, in any letters", () => {
    expect(fileName("attachment; filename=\"a-b.json\"; filename*=UTF-8''J%C3%BCrgen.json")).toBe("Jürgen.json");
    expect(fileName('attachment; filename="rows.csv"')).toBe("rows.csv");
  });
});
