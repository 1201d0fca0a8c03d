// Labelling and blind comparisons: what the label and comparison routes take and give.
import { type Answer, call, type Given } from "../../http";
import type { Language } from "../../preferences";

type Handed = NonNullable<Answer<"post", "/api/v1/label/next">["task"]>;
/** A task with what was done of it before: the server keeps a draft without reading it. */
export type Task = Omit<Handed, "draft"> & { draft: Partial<Draft> | null };
export type Kind = Task["kind"];
export const KINDS: Kind[] = ["rank", "rate_answer", "rate_chat", "demonstration", "prompt"];
export type Said = Task["messages"][number];

/** What a person has done so far. `order` and `ties` as in rank.ts. */
export interface Draft {
  text: string;
  rating: number | null;
  flags: string[];
  good: boolean | null;
  order: number[];
  ties: boolean[];
  comment: string;
  seconds: number;
}

export type Judgement = Given<"post", "/api/v1/label/{task}/submit">;
export type Progress = Answer<"get", "/api/v1/label/progress">;
export type Agreement = Answer<"get", "/api/v1/label/agreement">;
export type Labeler = Agreement["labelers"][number];
export type AgreementKind = "ranking" | "answer_rating" | "chat_rating";
export type Comparison = Answer<"get", "/api/v1/comparisons">["comparisons"][number];
export type Vote = Given<"post", "/api/v1/comparisons/pairs/{pair}/vote">["vote"];

const of = (task: string): { path: { task: string } } => ({ path: { task } });

export const labelling = {
  next: async (kinds: Kind[]) => (await call("post", "/api/v1/label/next", { body: { kinds } })).task as Task | null,
  saveDraft: (task: string, draft: Draft, signal: AbortSignal) =>
    call("post", "/api/v1/label/{task}/draft", { ...of(task), body: { draft: { ...draft } }, signal }),
  submit: (task: string, judgement: Judgement) =>
    call("post", "/api/v1/label/{task}/submit", { ...of(task), body: judgement }),
  skip: (task: string, reason: string) => call("post", "/api/v1/label/{task}/skip", { ...of(task), body: { reason } }),
  undo: async () => (await call("post", "/api/v1/label/undo")).task as Task | null,
  guidelines: async (language: Language) =>
    (await call("get", "/api/v1/label/guidelines", { query: { language } })).markdown,
  progress: () => call("get", "/api/v1/label/progress"),
  agreement: (kind: AgreementKind) => call("get", "/api/v1/label/agreement", { query: { kind } }),
  comparisons: async () => (await call("get", "/api/v1/comparisons")).comparisons,
  nextPair: async (comparison: string) =>
    (await call("post", "/api/v1/comparisons/{comparison}/next", { path: { comparison } })).pair,
  vote: (pair: string, vote: Vote) =>
    call("post", "/api/v1/comparisons/pairs/{pair}/vote", { path: { pair }, body: { vote } }),
};
