// Runs, promotions, jobs and comparisons: what their routes take and give.
import { ask, own, part } from "../../api";

export type State = "running" | "complete" | "stopped";

export interface RunSummary {
  name: string;
  folder: string;
  recipe: string | null;
  state: State;
  started_at: string | null;
  finished_at: string | null;
  stages: { name: string; kind: string; complete: boolean }[];
  served: string[];
}

export interface Stage {
  name: string;
  kind: string;
  state: State;
  started_at: string | null;
  config: Record<string, unknown>;
  receipt: Record<string, unknown> | null;
  seed: number | null;
  parents: Record<string, string | null>;
  has_samples: boolean;
  metrics: string[];
  served_as: string[];
}

export interface LineageNode {
  id: string;
  kind: string;
  name: string;
  run: string | null;
  complete: boolean;
}

export interface Lineage {
  nodes: LineageNode[];
  edges: [string, string, string][];
}

export interface Run {
  name: string;
  folder: string;
  recipe: string | null;
  state: State;
  summary: Record<string, unknown> | null;
  has_report: boolean;
  stages: Stage[];
  lineage: Lineage;
}

export type Row = Record<string, number | string | null>;

export interface Day {
  day: string;
  model: string;
  requests: number;
  tokens_in: number;
  tokens_out: number;
  up: number;
  down: number;
  reward_score: number | null;
  refusals: number;
}

export interface Promotion {
  id: string;
  model: string;
  folder: string;
  note: string;
  promoted_at: string;
  rolled_back_at: string | null;
}

export interface Training {
  comparisons: number;
  rankings: number;
  simulated: number;
  demonstrations: number;
  waiting: number;
  enough: number;
  last: { run: string; accuracy: number; interval: [number | null, number | null]; comparisons: number | null } | null;
  sources: { run: string; sft: boolean; reward: boolean }[];
}

export type JobKind = "reward" | "ppo" | "loop";

export interface Job {
  id: string;
  kind: JobKind;
  state: "queued" | "running" | "done" | "failed" | "stopped";
  run: string | null;
  error: string;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  log?: string;
}

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

export interface Result {
  model_a: string;
  model_b: string;
  pairs: number;
  votes: number;
  wins: number;
  losses: number;
  ties: number;
  both_bad: number;
  left_share: number | null;
  win_rate: number | null;
  interval: [number, number] | null;
}

/** A served model by its name, or a stage of a run. */
export type Contender = string | { run: string; stage: string };

const on = (run: string, rest = ""): URL => own(`runs/${part(run)}${rest}`);

export const watching = {
  runs: async () => (await ask<{ runs: RunSummary[] }>(own("runs"))).runs,
  run: (name: string) => ask<Run>(on(name)),
  metrics: (run: string, stage: string, after: number, signal: AbortSignal) =>
    ask<{ rows: Row[]; next: number; state: State }>(
      on(run, `/${part(stage)}/metrics?after=${after}&limit=2000`),
      "GET",
      undefined,
      signal,
    ),
  samples: async (run: string, stage: string) =>
    (await ask<{ markdown: string }>(on(run, `/${part(stage)}/samples`))).markdown,
  reportAddress: (run: string) => on(run, "/report.html").toString(),
  days: async (days: number) => (await ask<{ days: Day[] }>(own(`runs/models/days?days=${days}`))).days,

  promotions: () => ask<{ current: Record<string, Promotion>; history: Promotion[] }>(own("promotions")),
  promote: (request: { model: string; run: string; stage: string; note: string }) =>
    ask<Promotion>(own("promotions"), "POST", request),
  rollBack: (model: string) => ask<unknown>(own(`promotions/${part(model)}/rollback`), "POST", {}),

  training: () => ask<Training>(own("admin/training")),
  jobs: async () => (await ask<{ jobs: Job[] }>(own("admin/jobs"))).jobs,
  job: (id: string) => ask<Job>(own(`admin/jobs/${part(id)}`)),
  startJob: (request: {
    kind: JobKind;
    run: string;
    with_simulated: boolean;
    settings: Record<string, string | number | boolean>;
    submission: string;
  }) => ask<Job>(own("admin/jobs"), "POST", request),
  cancelJob: (id: string) => ask<Job>(own(`admin/jobs/${part(id)}/cancel`), "POST", {}),

  comparisons: async () => (await ask<{ comparisons: Comparison[] }>(own("comparisons"))).comparisons,
  compare: (request: { model_a: Contender; model_b: Contender; count: number; max_tokens: number }) =>
    ask<Comparison>(own("comparisons"), "POST", request),
  result: (id: string) => ask<Result>(own(`comparisons/${part(id)}/result`)),
  close: (id: string) => ask<unknown>(own(`comparisons/${part(id)}/close`), "POST", {}),
};
