// Labelling and blind comparisons: what the label and comparison routes take and give.
import { ask, own, part } from "../../api";

export type Kind = "prompt" | "demonstration" | "rate_answer" | "rate_chat" | "rank";
export const KINDS: Kind[] = ["rank", "rate_answer", "rate_chat", "demonstration", "prompt"];

export interface Said {
  role: string;
  content: string;
}

export interface Task {
  id: string;
  kind: Kind;
  category: string;
  brief: string;
  messages: Said[];
  answers: string[];
  draft: Partial<Draft> | null;
  expires_at: string;
  flags: string[];
  submission: string;
}

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

export interface Judgement {
  submission: string;
  seconds: number;
  text?: string;
  rating?: number;
  flags?: string[];
  good?: boolean;
  ranks?: number[];
  all_bad?: boolean;
  cannot_judge?: boolean;
  flagged?: string;
  comment?: string;
}

export interface Progress {
  kinds: { kind: Kind; tasks: number; open: number; judgements: number; wanted: number; held: number }[];
  mine: { today: number; total: number };
  coverage: Record<string, number>;
  categories: string[];
  flags: string[];
}

export interface Labeler {
  labeler: string;
  name: string | null;
  is_me: boolean;
  judgements: number;
  pairwise: number | null;
  pairs: number;
  tau: number | null;
  gold_pairwise: number | null;
  gold_pairs: number;
  seconds: number | null;
  first_is_best: number | null;
}

export interface Agreement {
  judgements: number;
  shared_items: number;
  pairwise: number | null;
  pairs: number;
  tau: number | null;
  alpha: number | null;
  labelers: Labeler[];
}

export type AgreementKind = "ranking" | "answer_rating" | "chat_rating";

export interface Comparison {
  id: string;
  name: string;
  pairs: number;
  voted: number;
  closed: boolean;
  created_at: string;
  model_a?: string;
  model_b?: string;
}

export interface Pair {
  id: string;
  prompt: Said[];
  left: string;
  right: string;
}

export type Vote = "left" | "right" | "tie" | "both_bad";

const on = (task: string, what: string): URL => own(`label/${part(task)}/${what}`);

export const labelling = {
  next: async (kinds: Kind[]) =>
    (await ask<{ task: Task | null }>(own("label/next"), "POST", kinds.length ? { kinds } : {})).task,
  saveDraft: (task: string, draft: Draft) => ask<{ expires_at: string }>(on(task, "draft"), "POST", { draft }),
  submit: (task: string, judgement: Judgement) =>
    ask<{ id: string; state: string }>(on(task, "submit"), "POST", judgement),
  skip: (task: string, reason: string) => ask<unknown>(on(task, "skip"), "POST", { reason }),
  undo: async () => (await ask<{ task: Task | null }>(own("label/undo"), "POST", {})).task,
  guidelines: async () => (await ask<{ markdown: string }>(own("label/guidelines"))).markdown,
  progress: () => ask<Progress>(own("label/progress")),
  agreement: (kind: AgreementKind) => ask<Agreement>(own(`label/agreement?kind=${kind}`)),
  comparisons: async () => (await ask<{ comparisons: Comparison[] }>(own("comparisons"))).comparisons,
  nextPair: async (id: string) =>
    (await ask<{ pair: Pair | null }>(own(`comparisons/${part(id)}/next`), "POST", {})).pair,
  vote: (pair: string, vote: Vote) => ask<unknown>(own(`comparisons/pairs/${part(pair)}/vote`), "POST", { vote }),
};
