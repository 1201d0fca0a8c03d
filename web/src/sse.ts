// Server-Sent Events read from a fetch body: EventSource cannot POST.

/** Splits text that arrives in arbitrary pieces into the `data` of each event. Comments and other fields are ignored. */
export class EventSplitter {
  private rest = "";
  private data: string[] = [];

  push(text: string): string[] {
    this.rest += text;
    const events: string[] = [];
    let line: string | null;
    while ((line = this.nextLine()) !== null) {
      if (line === "") {
        if (this.data.length) events.push(this.data.join("\n"));
        this.data = [];
      } else if (line.startsWith("data:")) {
        this.data.push(line.slice(line[5] === " " ? 6 : 5));
      }
    }
    return events;
  }

  /** What a stream that ended without a last empty line still holds. */
  end(): string[] {
    return this.push("\n\n");
  }

  private nextLine(): string | null {
    const at = this.rest.search(/[\r\n]/);
    if (at < 0) return null;
    // "\r" at the very end may be half of "\r\n": wait for the next piece.
    if (this.rest[at] === "\r" && at === this.rest.length - 1) return null;
    const line = this.rest.slice(0, at);
    this.rest = this.rest.slice(at + (this.rest.startsWith("\r\n", at) ? 2 : 1));
    return line;
  }
}

/** The JSON objects of a stream, until `[DONE]` or its end. Characters split between pieces are put together. */
export async function* jsonEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const splitter = new EventSplitter();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const events = done ? splitter.end() : splitter.push(decoder.decode(value, { stream: true }));
      for (const event of events) {
        if (event.startsWith("[DONE]")) return;
        yield JSON.parse(event);
      }
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => undefined); // already closed or aborted: nothing is left to free
  }
}
