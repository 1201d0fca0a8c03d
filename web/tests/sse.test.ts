import { expect, test } from "vitest";
import { EventSplitter, jsonEvents } from "../src/sse";

function split(...parts: string[]): string[] {
  const splitter = new EventSplitter();
  return [...parts.flatMap((part) => splitter.push(part)), ...splitter.end()];
}

function bodyOf(parts: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
}

async function all(body: ReadableStream<Uint8Array>): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const event of jsonEvents(body)) found.push(event);
  return found;
}

test("events arrive the same however the text is cut, with each kind of line end", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const text = `: ping${end}${end}data: one${end}${end}event: x${end}data: two${end}data:lines${end}${end}`;
    for (let at = 0; at <= text.length; at++) {
      expect(split(text.slice(0, at), text.slice(at))).toEqual(["one", "two\nlines"]);
    }
    expect(split(...text)).toEqual(["one", "two\nlines"]);
  }
});

test("a last event without its empty line is not lost", () => {
  expect(split("data: one\n\ndata: two")).toEqual(["one", "two"]);
});

test("only one space after the colon is taken away", () => {
  expect(split("data:  two spaces\n\n")).toEqual([" two spaces"]);
});

test("characters cut between two pieces are put together", async () => {
  const bytes = new TextEncoder().encode('data: {"text":"Bäcker 🥖"}\n\ndata: [DONE]\n\n');
  for (let at = 0; at <= bytes.length; at++) {
    expect(await all(bodyOf([bytes.slice(0, at), bytes.slice(at)]))).toEqual([{ text: "Bäcker 🥖" }]);
  }
});

test("nothing after [DONE] is read", async () => {
  const text = 'data: {"a":1}\n\ndata: [DONE]\n\ndata: {"b":2}\n\n';
  expect(await all(bodyOf([new TextEncoder().encode(text)]))).toEqual([{ a: 1 }]);
});
