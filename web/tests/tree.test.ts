import { expect, test } from "vitest";
import { draftsOf, pathOf, pick, picksTo, versionsOf } from "../src/pages/chat/tree";

const link = (id: string, parent: string | null) => ({ id, parent });
// q1 ─┬ a1 ── q2 ── a3        q1b (the edited first question) ── a4
//     └ a2
const TREE = [link("q1", null), link("a1", "q1"), link("a2", "q1"), link("q2", "a1"), link("a3", "q2"), link("q1b", null), link("a4", "q1b")];
const ids = (path: { id: string }[]) => path.map((message) => message.id).join(" ");

test("without picks the newest version of every turn is shown", () => {
  expect(ids(pathOf(TREE, {}))).toBe("q1b a4");
});

test("a tip leads to the path that ends in it", () => {
  expect(ids(pathOf(TREE, picksTo(TREE, "a3")))).toBe("q1 a1 q2 a3");
});

test("a tip in the middle opens its branch down to the newest end", () => {
  expect(ids(pathOf(TREE, picksTo(TREE, "a1")))).toBe("q1 a1 q2 a3");
});

test("picking another version changes the path from there on and nothing before", () => {
  const picks = picksTo(TREE, "a3");
  expect(ids(pathOf(TREE, pick(picks, link("a2", "q1"))))).toBe("q1 a2");
  expect(ids(pathOf(TREE, pick(picks, link("q1b", null))))).toBe("q1b a4");
});

test("going back to a branch finds the picks made inside it", () => {
  const away = pick(picksTo(TREE, "a3"), link("a2", "q1"));
  expect(ids(pathOf(TREE, pick(away, link("a1", "q1"))))).toBe("q1 a1 q2 a3");
});

test("versions are the siblings in the order in which they were made", () => {
  const { all, place } = versionsOf(TREE, link("a2", "q1"));
  expect(ids(all)).toBe("a1 a2");
  expect(place).toBe(1);
  expect(versionsOf(TREE, link("q1b", null)).all.length).toBe(2);
});

test("a pick of a message that is gone falls back to the newest", () => {
  expect(ids(pathOf(TREE, { "": "gone" }))).toBe("q1b a4");
  expect(picksTo(TREE, "gone")).toEqual({});
});

test("a circle in a damaged tree ends", () => {
  const circle = [link("a", null), link("b", "a"), link("a", "b")];
  expect(ids(pathOf(circle, {}))).toBe("a b");
  expect(picksTo([link("x", "y"), link("y", "x")], "x")).toBeDefined();
});

test("two to four answers by models can be judged against each other; what a person wrote, or one alone, cannot", () => {
  const said = (id: string, finish_reason: string) => ({ ...link(id, "q"), role: "assistant" as const, finish_reason });
  const answers = ["a", "b", "c", "d", "e"].map((id) => said(id, "stop"));
  const drafts = (...all: typeof answers) => ids(draftsOf(all, all[0]!));
  expect(drafts(...answers.slice(0, 4))).toBe("a b c d");
  expect(drafts(...answers)).toBe("");
  expect(drafts(answers[0]!)).toBe("");
  expect(drafts(answers[0]!, said("mine", "edited"))).toBe("");
  expect(drafts(...answers.slice(0, 2), said("mine", "edited"))).toBe("a b");
});
