// One row of feedback as something to read: what was asked, what was answered, what was said of it.
import type { FeedbackRow } from "./api";

export interface Said {
  role: string;
  content: string;
}

export interface Judged {
  text: string;
  /** 1 is best; null where nothing was put in order. */
  rank: number | null;
  model: string;
}

export interface Reading {
  talk: Said[];
  answers: Judged[];
  verdict: Verdict | null;
  tags: string[];
  comment: string;
}

export type Verdict =
  | { kind: "thumb"; up: boolean }
  | { kind: "chat"; good: boolean }
  | { kind: "rating"; rating: number }
  | { kind: "all_bad" | "cannot_judge" }
  | { kind: "flag"; reason: string };

/** Imported rows may hold anything: what has not the expected shape is left out, never guessed. */
export function readingOf(row: Pick<FeedbackRow, "kind" | "content">): Reading {
  const { content } = row;
  const talk = turns(content.messages ?? content.prompt);
  return {
    talk,
    answers: answersOf(content),
    verdict: verdictOf(row),
    tags: [...texts(content.reasons), ...texts(content.flags)],
    comment: text(content.comment),
  };
}

function answersOf(content: Record<string, unknown>): Judged[] {
  if (typeof content.answer === "string") return [{ text: content.answer, rank: null, model: "" }];
  const models = list(content.models);
  const ranks = list(content.ranks);
  const isOrdered = (content.verdict ?? "ranked") === "ranked";
  const found = list(content.answers).map((answer, at) => ({
    text: text(answer),
    rank: isOrdered && typeof ranks[at] === "number" ? ranks[at] : null,
    model: text(models[at]),
  }));
  return found.sort((a, b) => (a.rank ?? 99) - (b.rank ?? 99));
}

function verdictOf({ kind, content }: Pick<FeedbackRow, "kind" | "content">): Verdict | null {
  if (kind === "thumb" && typeof content.up === "boolean") return { kind: "thumb", up: content.up };
  if (kind === "chat_rating" && typeof content.good === "boolean") return { kind: "chat", good: content.good };
  if (kind === "answer_rating" && typeof content.rating === "number") return { kind: "rating", rating: content.rating };
  if (kind === "flag") return { kind: "flag", reason: text(content.reason) };
  if (content.verdict === "all_bad" || content.verdict === "cannot_judge") return { kind: content.verdict };
  return null;
}

export function turns(value: unknown): Said[] {
  return list(value).flatMap((one) => {
    if (typeof one !== "object" || one === null) return [];
    const { role, content } = one as Record<string, unknown>;
    return typeof content === "string" ? [{ role: text(role), content }] : [];
  });
}

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const texts = (value: unknown): string[] => list(value).filter((one): one is string => typeof one === "string");

// Controls, direction marks and invisible letters can hide in a text what it teaches a model.
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** A text in pieces, hidden characters each on their own as "U+202E". */
export function pieces(value: string): { text: string; isHidden: boolean }[] {
  const found: { text: string; isHidden: boolean }[] = [];
  let at = 0;
  for (const match of value.matchAll(HIDDEN)) {
    if (match.index > at) found.push({ text: value.slice(at, match.index), isHidden: false });
    const code = (match[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    found.push({ text: `U+${code}`, isHidden: true });
    at = match.index + match[0].length;
  }
  if (at < value.length) found.push({ text: value.slice(at), isHidden: false });
  return found;
}
