// Runs, promotions, jobs and comparisons: what their routes take and give.
import { addressOf, type Answer, call, type Given } from "../../http";

export type RunSummary = Answer<"get", "/api/v1/runs">["runs"][number];
export type State = RunSummary["state"];
type OneRun = Answer<"get", "/api/v1/runs/{run}">;
export type Stage = OneRun["stages"][number];
export type LineageNode = OneRun["lineage"]["nodes"][number];
/** Edges go from one node to another, as something. */
export interface Lineage {
  nodes: LineageNode[];
  edges: [string, string, string][];
}
export type Run = Omit<OneRun, "lineage"> & { lineage: Lineage };
/** A list of two in the description, which cannot tell how long a list is. */
type Interval<Bound> = [Bound, Bound];
export type Row = Record<string, number | string | null>;
export type Day = Answer<"get", "/api/v1/runs/models/days">["days"][number];
export type Promotion = Answer<"get", "/api/v1/promotions">["history"][number];
type Facts = Answer<"get", "/api/v1/admin/training">;
type Reached = Omit<NonNullable<Facts["last"]>, "interval"> & { interval: Interval<number | null> };
export type Training = Omit<Facts, "last"> & { last: Reached | null };
export type Job = Answer<"get", "/api/v1/admin/jobs">["jobs"][number];
export type JobKind = Job["kind"];
/** As admins see it: voters are not told which models are compared. */
export type Comparison = Answer<"post", "/api/v1/comparisons">;
type Tally = Answer<"get", "/api/v1/comparisons/{comparison}/result">;
export type Result = Omit<Tally, "interval"> & { interval: Interval<number> | null };
/** A served model by its name, or a stage of a run. */
export type Contender = Given<"post", "/api/v1/comparisons">["model_a"];

export const watching = {
  runs: async () => (await call("get", "/api/v1/runs")).runs,
  run: async (run: string) => (await call("get", "/api/v1/runs/{run}", { path: { run } })) as Run,
  metrics: async (run: string, stage: string, after: number, signal: AbortSignal) => {
    const path = "/api/v1/runs/{run}/{stage}/metrics";
    const found = await call("get", path, { path: { run, stage }, query: { after, limit: 2000 }, signal });
    return { ...found, rows: found.rows as Row[] };
  },
  samples: async (run: string, stage: string) =>
    (await call("get", "/api/v1/runs/{run}/{stage}/samples", { path: { run, stage } })).markdown,
  reportAddress: (run: string) => addressOf("/api/v1/runs/{run}/report.html", { path: { run } }),
  days: async (days: number) => (await call("get", "/api/v1/runs/models/days", { query: { days } })).days,

  promotions: () => call("get", "/api/v1/promotions"),
  promote: (body: Given<"post", "/api/v1/promotions">) => call("post", "/api/v1/promotions", { body }),
  rollBack: (model: string) => call("post", "/api/v1/promotions/{model}/rollback", { path: { model } }),

  training: async () => (await call("get", "/api/v1/admin/training")) as Training,
  jobs: async () => (await call("get", "/api/v1/admin/jobs")).jobs,
  job: (job: string) => call("get", "/api/v1/admin/jobs/{job}", { path: { job } }),
  startJob: (body: Given<"post", "/api/v1/admin/jobs">) => call("post", "/api/v1/admin/jobs", { body }),
  cancelJob: (job: string) => call("post", "/api/v1/admin/jobs/{job}/cancel", { path: { job } }),

  comparisons: async () => (await call("get", "/api/v1/comparisons")).comparisons as Comparison[],
  compare: (body: Given<"post", "/api/v1/comparisons">) => call("post", "/api/v1/comparisons", { body }),
  result: async (comparison: string) =>
    (await call("get", "/api/v1/comparisons/{comparison}/result", { path: { comparison } })) as Result,
  close: (comparison: string) => call("post", "/api/v1/comparisons/{comparison}/close", { path: { comparison } }),
};
