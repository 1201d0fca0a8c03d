// People, keys, usage, feedback and the queue: what the admin routes take and give.
import { ask, own, part, type Role, send } from "../../api";

export interface Person {
  id: string;
  name: string;
  role: Role;
  created_at: string;
  disabled_at: string | null;
}

export interface Invite {
  id: string;
  role: Role;
  note: string;
  created_at: string;
  expires_at: string;
  used_at: string | null;
  revoked_at: string | null;
}

export interface Key {
  id: string;
  name: string;
  shown: string;
  person: string | null;
  created_at: string;
  last_used_at: string | null;
  revoked_at: string | null;
  requests_per_minute: number | null;
  quota_tokens: number | null;
  quota_period: "total" | "month";
  models: string[];
  left: number | null;
}

export interface NewKey {
  name: string;
  requests_per_minute?: number;
  quota_tokens?: number;
  quota_period?: "total" | "month";
  models?: string[];
}

export interface Spent {
  requests: number;
  tokens_in: number;
  tokens_out: number;
  tokens_cached: number;
  seconds: number;
  energy_estimated_j: number;
  cost: number;
}

export interface UsageRow extends Spent {
  day: string;
  model: string;
  key: string | null;
  person: string | null;
}

export interface Settings {
  retention_days: number | null;
  daily_caps: Partial<Record<Role, number | null>>;
  guidelines: string;
}

export type State = "waiting" | "approved" | "rejected" | "removed";
export const STATES: State[] = ["waiting", "approved", "rejected", "removed"];
export const FEEDBACK_KINDS = [
  "thumb",
  "chat_rating",
  "choice",
  "ranking",
  "answer_rating",
  "demonstration",
  "prompt",
  "flag",
] as const;
export type FeedbackKind = (typeof FEEDBACK_KINDS)[number];

export interface FeedbackRow {
  id: string;
  kind: FeedbackKind;
  state: State;
  labeler: string;
  person: string | null;
  role: string;
  origin: string;
  consent: boolean;
  simulated: boolean;
  category: string;
  model: string;
  score: number | null;
  content: Record<string, unknown>;
  seconds: number | null;
  created_at: string;
  decided_at: string | null;
  trained_on: string[];
}

export type Counts = Partial<Record<FeedbackKind, Partial<Record<State, number>>>>;

export interface FeedbackPage {
  rows: FeedbackRow[];
  more: boolean;
  counts: Counts;
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

export type JudgedKind = "ranking" | "answer_rating" | "chat_rating";

export interface Outlier {
  labeler: string;
  name: string | null;
  judgements: number;
  reasons: string[];
}

export const FORMATS = ["preference", "unpaired", "sft", "rankings", "csv", "oasst"] as const;
export type Format = (typeof FORMATS)[number];

export interface TrainedRun {
  run: string;
  rows: number;
  removed: number;
}

export const TASK_KINDS = ["rank", "rate_answer", "rate_chat", "demonstration", "prompt"] as const;
export type TaskKind = (typeof TASK_KINDS)[number];

export interface Task {
  id: string;
  kind: TaskKind;
  state: "open" | "closed";
  category: string;
  content: Record<string, unknown>;
  gold: Record<string, unknown> | null;
  source: string;
  overlap: number;
  done: number;
  priority: number;
  created_at: string;
}

export interface Added {
  new: number;
  known: number;
}

export interface Progress {
  kinds: { kind: TaskKind; tasks: number; open: number; judgements: number; wanted: number; held: number }[];
  coverage: Record<string, number>;
  categories: string[];
}

export interface SharedChat {
  id: string;
  title: string;
  model: string | null;
  updated_at: string;
}

export interface Gone {
  chats: number;
  feedback: number;
  runs: string[];
}

const admin = (path: string): URL => own(`admin/${path}`);
const person = (id: string, rest = ""): URL => admin(`people/${part(id)}${rest}`);

export const office = {
  people: async () => (await ask<{ people: Person[] }>(admin("people"))).people,
  changePerson: (id: string, change: { role?: Role; disabled?: boolean }) => ask<Person>(person(id), "PATCH", change),
  setPassword: (id: string, password: string) => ask<unknown>(person(id, "/password"), "POST", { password }),
  deletePerson: (id: string) => ask<Gone>(person(id), "DELETE"),
  exportPerson: (id: string) => person(id, "/export"),
  runsOf: async (id: string) => (await ask<{ runs: string[] }>(person(id, "/runs"))).runs,

  invites: async () => (await ask<{ invites: Invite[] }>(admin("invites"))).invites,
  invite: (fields: { role: Role; hours: number; note: string }) =>
    ask<{ invite: Invite; token: string; path: string }>(admin("invites"), "POST", fields),
  withdraw: (id: string) => ask<undefined>(admin(`invites/${part(id)}`), "DELETE"),

  keys: async () => (await ask<{ keys: Key[] }>(admin("keys"))).keys,
  addKey: (key: NewKey) => ask<{ key: Key; secret: string }>(admin("keys"), "POST", key),
  revokeKey: (id: string) => ask<undefined>(admin(`keys/${part(id)}`), "DELETE"),

  usage: (days: number) => ask<{ rows: UsageRow[]; total: Spent }>(admin(`usage?days=${days}`)),

  settings: () => ask<Settings>(admin("settings")),
  changeSettings: (change: Partial<Settings>) => ask<Settings>(admin("settings"), "PATCH", change),
  guidelines: async () => (await ask<{ markdown: string }>(own("label/guidelines"))).markdown,

  feedback: (kind: FeedbackKind | "", state: State | "all", after = "0") =>
    ask<FeedbackPage>(admin(`feedback?limit=50&state=${state}&after=${part(after)}${kind && `&kind=${kind}`}`)),
  decide: (ids: string[], approve: boolean) =>
    ask<{ changed: number }>(admin("feedback/decide"), "POST", { ids, approve }),
  remove: (ids: string[]) => ask<{ rows: number; runs: string[] }>(admin("feedback/remove"), "POST", { ids }),
  outliers: async () => (await ask<{ outliers: Outlier[] }>(admin("feedback/outliers"))).outliers,
  agreement: (kind: JudgedKind) => ask<Agreement>(own(`label/agreement?kind=${kind}`)),
  exportFeedback: (format: Format, simulated: boolean) =>
    admin(`feedback/export?format=${format}&simulated=${simulated}`),
  importFeedback: (file: { content: string; name: string; simulated: boolean }) =>
    ask<Added>(admin("feedback/import"), "POST", file),
  trainedRuns: async () => (await ask<{ runs: TrainedRun[] }>(admin("feedback/runs"))).runs,

  tasks: (kind: TaskKind | "", state: "open" | "closed" | "", after = "0") =>
    ask<{ tasks: Task[]; more: boolean }>(
      admin(`tasks?limit=50&after=${part(after)}${kind && `&kind=${kind}`}${state && `&state=${state}`}`),
    ),
  closeTasks: (ids: string[], closed: boolean) =>
    ask<{ changed: number }>(admin("tasks/close"), "POST", { ids, closed }),
  askForPrompts: (briefs: Record<string, string>, each: number) =>
    ask<Added>(admin("tasks/prompts"), "POST", { briefs, each }),
  queueRun: (from: { run: string; stage: string; as: "rank" | "demonstration"; overlap: number; gold: boolean; limit: number }) =>
    ask<Added>(admin("tasks/from_run"), "POST", from),
  progress: () => ask<Progress>(own("label/progress")),
  runs: async () =>
    (await ask<{ runs: { name: string; stages: { name: string; kind: string; complete: boolean }[] }[] }>(own("runs")))
      .runs,

  sharedChats: async () => (await ask<{ chats: SharedChat[] }>(admin("shared_chats"))).chats,
  sharedChat: (id: string) =>
    ask<{ title: string; system: string; messages: { id: string; role: string; content: string }[] }>(
      admin(`shared_chats/${part(id)}`),
    ),
};

/** Fetch a file and hand it to the browser; a refusal becomes an error that the page can show. */
export async function save(address: URL): Promise<void> {
  const response = await send(address, "GET");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = fileName(response.headers.get("content-disposition") ?? "");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The name in a Content-Disposition header; the one in UTF-8 wins. */
export function fileName(disposition: string): string {
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(disposition)?.[1];
  if (encoded) return decodeURIComponent(encoded);
  return /filename="?([^";]+)/i.exec(disposition)?.[1] ?? "download";
}
