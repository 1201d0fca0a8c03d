// Screen readers get streamed text by whole sentences: single tokens would stutter.

/** Without the marks of Markdown, which would be read out one by one. */
export const spoken = (text: string): string => text.replace(/[*_`#>|~]+/g, " ").replace(/\s+/g, " ").trim();

/** Whole sentences in `text` after position `from`, and where the next search starts. */
export function newSentences(text: string, from: number): { sentences: string; next: number } {
  const tail = text.slice(from);
  const ends = [...tail.matchAll(/[.!?:…]["'”’)]?(?=\s)|\n/g)];
  const last = ends.at(-1);
  if (!last) return { sentences: "", next: from };
  const length = last.index + last[0].length;
  return { sentences: tail.slice(0, length).trim(), next: from + length };
}
