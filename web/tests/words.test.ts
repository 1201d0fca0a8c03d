import { beforeAll, expect, test } from "vitest";
import { language } from "../src/preferences";
import { dictionaries, fill, percent } from "../src/words";

// Every module that holds texts; the page modules themselves need a browser.
const modules = import.meta.glob(["../src/**/*words.ts", "../src/parts/sampling_controls.tsx"]);

beforeAll(async () => {
  await Promise.all(Object.values(modules).map((load) => load()));
});

test("every text exists in both languages, with the same values to fill in", () => {
  expect(dictionaries.length).toBeGreaterThanOrEqual(5);
  const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
  for (const { en, de } of dictionaries) {
    expect(Object.keys(de).sort()).toEqual(Object.keys(en).sort());
    for (const [key, text] of Object.entries(en)) {
      expect(text.trim(), key).not.toBe("");
      expect(de[key]?.trim(), key).toBeTruthy();
      expect(holes(de[key] ?? ""), key).toEqual(holes(text));
    }
  }
});

test("texts without letters of their own aside, German is not left in English", () => {
  const same = dictionaries.flatMap(({ en, de }) =>
    Object.entries(en).filter(([key, text]) => de[key] === text && text.split(" ").length > 3).map(([key]) => key),
  );
  // The two sample sentences are data: each stands in its own language on both sides.
  expect(same).toEqual(["sampleEnglish", "sampleGerman"]);
});

test("values are filled in, numbers in the language's own way", () => {
  language.value = "en";
  expect(fill("{count} of {all}, {name}", { count: 1234, all: "x" })).toBe("1,234 of x, {name}");
  language.value = "de";
  expect(fill("{count}", { count: 1234 })).toBe("1.234");
  language.value = "en";
});

test("shares are shown with the digits that matter", () => {
  expect(percent(0.6278)).toBe("62.8 %");
  expect(percent(1)).toBe("100 %");
  expect(percent(0.0001)).toBe("< 0.1 %");
  expect(percent(0)).toBe("0 %");
});
