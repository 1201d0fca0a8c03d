import { expect, test } from "vitest";
import { newSentences } from "../src/pages/chat/sentences";
import { countsOf, hex, isPartial } from "../src/pages/tokens/bytes";
import { readNumber, readStops, showStops } from "../src/parts/sampling_fields";
import { addressOf, placeOf } from "../src/router";

test("a number is held within its range, and what is no number leaves the old one", () => {
  const field = { least: 0, most: 2, step: 0.05 };
  expect(readNumber("0,5", field, 1)).toBe(0.5);
  expect(readNumber("7", field, 1)).toBe(2);
  expect(readNumber("-1", field, 1)).toBe(0);
  expect(readNumber("warm", field, 1)).toBe(1);
  expect(readNumber("  ", field, 1)).toBe(1);
  expect(readNumber("2.6", { least: 1, most: 9, step: 1 }, 1)).toBe(3);
});

test("stop texts come back as they were written", () => {
  expect(readStops("\\n\nEnd.\n")).toEqual(["\n", "End."]);
  expect(readStops(showStops(["\n\n", " a"]))).toEqual(["\n\n", " a"]);
});

test("sentences are announced when they are whole, each once", () => {
  const text = "It is 3.5 m high. It fell";
  const first = newSentences(text, 0);
  expect(first.sentences).toBe("It is 3.5 m high.");
  expect(newSentences(text, first.next).sentences).toBe("");
  expect(newSentences(`${text}. `, first.next).sentences).toBe("It fell.");
});

test("the last part of the address names the page, under any prefix", () => {
  expect(placeOf(new URL("http://x/lab/chatwright/tokens")).route).toBe("tokens");
  expect(placeOf(new URL("http://x/")).route).toBe("chat");
  expect(placeOf(new URL("http://x/invite?token=abc")).query.get("token")).toBe("abc");
  expect(placeOf(new URL("http://x/nonsense")).route).toBe("chat");
  expect(new URL(addressOf("chat", { id: "a b" }), "http://x/lab/tokens").href).toBe("http://x/lab/chat?id=a+b");
});

test("bytes are shown as they are, characters counted as people do", () => {
  expect(hex(btoa("\xf0\x9f"))).toBe("F0 9F");
  expect(isPartial("\uFFFD")).toBe(true);
  const token = { id: 1, bytes: "", text: "", start: 0, end: 0, control: false };
  expect(countsOf("Bär🥖", [token, token])).toEqual({ tokens: 2, characters: 4, bytes: 8, bytesPerToken: 4 });
  expect(countsOf("", []).bytesPerToken).toBe(0);
});
