import { expect, test } from "vitest";
import { asCurl, asPython } from "../src/pages/playground/code";
import { canContinue, joined, leadOf, type Piece, piecesOf, shownToken, textOf, tokensOf, within } from "../src/pages/playground/pieces";
import { fewShotPrompt, shotCounts } from "../src/pages/playground/prompts";

const SHOTS = {
  instruction: "Give the opposite.",
  inputName: "Word",
  outputName: "Opposite",
  examples: [
    { input: "hot", output: "cold" },
    { input: "big", output: "small" },
  ],
  query: "full",
};

test("a few-shot prompt shows the examples and leaves the last answer open", () => {
  expect(fewShotPrompt(SHOTS, 0)).toBe("Give the opposite.\n\nWord: full\nOpposite:");
  expect(fewShotPrompt(SHOTS, 1)).toBe("Give the opposite.\n\nWord: hot\nOpposite: cold\n\nWord: full\nOpposite:");
  expect(fewShotPrompt({ ...SHOTS, instruction: " " }, 2).startsWith("Word: hot")).toBe(true);
});

test("zero, one and all examples are compared, each number once", () => {
  expect(shotCounts(SHOTS)).toEqual([0, 1, 2]);
  expect(shotCounts({ ...SHOTS, examples: SHOTS.examples.slice(0, 1) })).toEqual([0, 1]);
  expect(shotCounts({ ...SHOTS, examples: [] })).toEqual([0]);
});

test("a chunk becomes tokens with their alternatives, likeliest first", () => {
  const logprobs = { tokens: [" a", " b"], token_logprobs: [-1, null], top_logprobs: [{ " x": -2, " a": -1 }, null] };
  const pieces = piecesOf({ index: 0, text: " a b", finish_reason: null, logprobs }, 0.5);
  expect(textOf(pieces)).toBe(" a b");
  expect(pieces[0]?.top.map((one) => one.text)).toEqual([" a", " x"]);
  expect(pieces[0]?.heat).toBe(0.5);
  expect(pieces[1]).toMatchObject({ logp: null, top: [] });
});

test("a chunk without log-probabilities is one piece, an empty one is none", () => {
  expect(piecesOf({ index: 0, text: "hi", finish_reason: null }, 1)).toHaveLength(1);
  expect(piecesOf({ index: 0, text: "", finish_reason: "stop", logprobs: null }, 1)).toEqual([]);
});

/** Chunks of a stream, one token each, every token with its own name as the likeliest alternative. */
function streamed(names: string[]): Piece[] {
  return names
    .map((name) => ({ tokens: [name], token_logprobs: [-1], top_logprobs: [{ [name]: -1, " z": -3 }] }))
    .map((logprobs) => piecesOf({ index: 0, text: "", finish_reason: null, logprobs }, 1))
    .reduce<Piece[]>(joined, []);
}

test("a letter that is several tokens is one piece with its text and the first token's alternatives", () => {
  const pieces = streamed([" tr", "bytes:\\xc3", "bytes:\\xa4", "gt"]);
  expect(pieces.map((piece) => piece.text)).toEqual([" tr", "ä", "gt"]);
  expect(textOf(pieces)).toBe(" trägt");
  expect(pieces[1]).toMatchObject({ logp: -2, tokens: 2, lead: "bytes:\\xc3" });
  expect(pieces[1]?.top.findIndex((one) => pieces[1] && one.text === leadOf(pieces[1]))).toBe(0);
  expect(tokensOf(pieces)).toBe(4);
});

test("letters side by side stay apart where tokens do, and a token may hold the end of one and the start of the next", () => {
  const apart = streamed(["bytes:\\xc3", "bytes:\\xa4", "bytes:\\xf0\\x9f", "bytes:\\x98\\x80"]);
  expect(apart.map((piece) => piece.text)).toEqual(["ä", "😀"]);
  const across = streamed(["bytes:\\x20\\xc3", "bytes:\\xa4\\xc3", "bytes:\\xb6", "!"]);
  expect(across.map((piece) => piece.text)).toEqual([" äö", "!"]);
  expect(across[0]?.open).toBeUndefined();
});

test("bytes that make no letter are shown as such and swallow nothing", () => {
  expect(streamed(["bytes:\\xff", " the"]).map((piece) => piece.text)).toEqual(["\uFFFD", " the"]);
  expect(streamed(["bytes:"]).map((piece) => piece.text)).toEqual(["bytes:"]);
  expect(shownToken("bytes:\\xc3")).toBe("\\xc3");
  expect(shownToken(" a")).toBe("␣a");
});

test("what goes beyond the text is cut: the string it ended before, and names of control tokens", () => {
  const pieces = streamed([" cold", ".\n", "\n", "Word"]);
  expect(within(pieces, " cold.").map((piece) => piece.text)).toEqual([" cold", "."]);
  expect(textOf(within(streamed([" a", "<|end|>", " b"]), " a b"))).toBe(" a b");
  expect(within(pieces, textOf(pieces))).toEqual(pieces);
});

test("half a character cannot be gone on from", () => {
  expect([" the", "\uFFFD", "bytes:\\xf0", ""].map(canContinue)).toEqual([true, false, false, false]);
});

const REQUEST = { model: "m", prompt: `It's "so"\n$HOME`, max_tokens: 5, top_k: 3, stop: ["\n"], logit: null, flag: true };

test("curl gets the request in quotes that no shell looks into", () => {
  const code = asCurl("http://localhost:8000/v1", REQUEST);
  const body = /-d '([\s\S]*)'$/.exec(code)?.[1]?.replaceAll(`'\\''`, "'") ?? "";
  expect(JSON.parse(body)).toEqual(REQUEST);
});

test("Python gets known parameters by name and the others in extra_body", () => {
  const code = asPython("http://localhost:8000/v1", REQUEST);
  expect(code).toContain(`    prompt="It's \\"so\\"\\n$HOME",`);
  expect(code).toContain(`    stop=["\\n"],`);
  expect(code).toContain(`    extra_body={"top_k": 3, "logit": None, "flag": True},`);
});
