import { afterEach, expect, test } from "vitest";
import text from "../openapi.json?raw";
import { refusals } from "../src/error_words";
import { ApiError, explain } from "../src/http";
import { language } from "../src/preferences";

const described = JSON.parse(text);
const codes: string[] = described.components.schemas.ErrorDetail.properties.code["x-codes"];

afterEach(() => {
  language.value = "en";
});

test("every code that the server can send has a German sentence, and no sentence is left over", () => {
  expect(codes.length).toBeGreaterThan(50);
  expect(Object.keys(refusals).sort()).toEqual([...codes].sort());
});

test("German sentences are filled in: the field, the time to wait, what the server said", () => {
  language.value = "de";
  for (const code of codes) {
    const said = explain(new ApiError("xyz", 400, code, "n", 7));
    expect(said, code).not.toMatch(/[{}]/);
    expect(said, code).toMatch(/[.]$/);
  }
  expect(explain(new ApiError("n is 3; the limit is 2.", 400, "integer_above_max_value", "n"))).toBe("Die Zahl „n“ ist zu groß.");
  expect(explain(new ApiError("…", 429, "too_many_logins", null, 600))).toContain("in 10 Minuten");
  expect(explain(new ApiError("…", 429, "rate_limit_exceeded"))).toContain("später noch einmal");
  expect(explain(new ApiError("502 Bad Gateway", 502))).toBe("Der Server hat das nicht angenommen. Er sagt: 502 Bad Gateway.");
  expect(explain(new TypeError("Failed to fetch"))).toBe("Der Server ist nicht zu erreichen.");
});

test("in English the server's own sentence is shown, whole", () => {
  expect(explain(new ApiError("there is no chat 5", 404, "not_found"))).toBe("There is no chat 5.");
  expect(explain(new ApiError("file.jsonl, line 3: torn", 400, "bad_file"))).toBe("file.jsonl, line 3: torn.");
  expect(explain(new TypeError("Failed to fetch"))).toBe("The server cannot be reached.");
});
