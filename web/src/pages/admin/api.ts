// People, keys, usage, feedback and the queue: what the admin routes take and give.
import { type Answer, call, fetched, type Given } from "../../http";
import type { Language } from "../../preferences";

export type Person = Answer<"get", "/api/v1/admin/people">["people"][number];
export type Invite = Answer<"get", "/api/v1/admin/invites">["invites"][number];
export type Key = Answer<"get", "/api/v1/admin/keys">["keys"][number];
export type NewKey = Given<"post", "/api/v1/admin/keys">;
export type Usage = Answer<"get", "/api/v1/admin/usage">;
export type UsageRow = Usage["rows"][number];
export type Spent = Omit<UsageRow, "day" | "model" | "key" | "person">;
export type Settings = Answer<"get", "/api/v1/admin/settings">;

type Rows = Answer<"get", "/api/v1/admin/feedback">;
export type State = Rows["rows"][number]["state"];
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
export type FeedbackRow = Omit<Rows["rows"][number], "kind"> & { kind: FeedbackKind };
export type Counts = Partial<Record<FeedbackKind, Partial<Record<State, number>>>>;

export interface FeedbackPage {
  rows: FeedbackRow[];
  more: boolean;
  counts: Counts;
}

export type Agreement = Answer<"get", "/api/v1/label/agreement">;
export type Labeler = Agreement["labelers"][number];
export type JudgedKind = "ranking" | "answer_rating" | "chat_rating";
export type Outlier = Answer<"get", "/api/v1/admin/feedback/outliers">["outliers"][number];
export const FORMATS = ["preference", "unpaired", "sft", "rankings", "csv", "oasst"] as const;
export type Format = (typeof FORMATS)[number];
export type TrainedRun = Answer<"get", "/api/v1/admin/feedback/runs">["runs"][number];

export type Task = Answer<"get", "/api/v1/admin/tasks">["tasks"][number];
export type TaskKind = Task["kind"];
export const TASK_KINDS: TaskKind[] = ["rank", "rate_answer", "rate_chat", "demonstration", "prompt"];
export type Added = Answer<"post", "/api/v1/admin/tasks">;
export type Progress = Answer<"get", "/api/v1/label/progress">;
export type SharedChat = Answer<"get", "/api/v1/admin/shared_chats">["chats"][number];
export type Gone = Answer<"delete", "/api/v1/admin/people/{person}">;

const of = (person: string): { path: { person: string } } => ({ path: { person } });

export const office = {
  people: async () => (await call("get", "/api/v1/admin/people")).people,
  changePerson: (id: string, body: Given<"patch", "/api/v1/admin/people/{person}">) =>
    call("patch", "/api/v1/admin/people/{person}", { ...of(id), body }),
  setPassword: (id: string, password: string) =>
    call("post", "/api/v1/admin/people/{person}/password", { ...of(id), body: { password } }),
  deletePerson: (id: string) => call("delete", "/api/v1/admin/people/{person}", of(id)),
  exportPerson: (id: string) => fetched("/api/v1/admin/people/{person}/export", of(id)),
  runsOf: async (id: string) => (await call("get", "/api/v1/admin/people/{person}/runs", of(id))).runs,

  invites: async () => (await call("get", "/api/v1/admin/invites")).invites,
  invite: (body: Given<"post", "/api/v1/admin/invites">) => call("post", "/api/v1/admin/invites", { body }),
  withdraw: (invite: string) => call("delete", "/api/v1/admin/invites/{invite}", { path: { invite } }),

  keys: async () => (await call("get", "/api/v1/admin/keys")).keys,
  addKey: (body: NewKey) => call("post", "/api/v1/admin/keys", { body }),
  revokeKey: (key: string) => call("delete", "/api/v1/admin/keys/{key}", { path: { key } }),

  usage: (days: number) => call("get", "/api/v1/admin/usage", { query: { days } }),

  settings: () => call("get", "/api/v1/admin/settings"),
  changeSettings: (body: Given<"patch", "/api/v1/admin/settings">) => call("patch", "/api/v1/admin/settings", { body }),
  guidelines: async (language: Language) =>
    (await call("get", "/api/v1/label/guidelines", { query: { language } })).markdown,

  feedback: async (kind: FeedbackKind | "", state: State | "all", after = "0") => {
    const query = { limit: 50, state, after: Number(after), ...(kind && { kind }) };
    return (await call("get", "/api/v1/admin/feedback", { query })) as FeedbackPage;
  },
  decide: (ids: string[], approve: boolean) => call("post", "/api/v1/admin/feedback/decide", { body: { ids, approve } }),
  remove: (ids: string[]) => call("post", "/api/v1/admin/feedback/remove", { body: { ids } }),
  outliers: async () => (await call("get", "/api/v1/admin/feedback/outliers")).outliers,
  agreement: (kind: JudgedKind) => call("get", "/api/v1/label/agreement", { query: { kind } }),
  exportFeedback: (format: Format, simulated: boolean) =>
    fetched("/api/v1/admin/feedback/export", { query: { format, simulated } }),
  importFeedback: (body: Given<"post", "/api/v1/admin/feedback/import">) =>
    call("post", "/api/v1/admin/feedback/import", { body }),
  trainedRuns: async () => (await call("get", "/api/v1/admin/feedback/runs")).runs,

  tasks: (kind: TaskKind | "", state: Task["state"] | "", after = "0") => {
    const query = { limit: 50, after: Number(after), ...(kind && { kind }), ...(state && { state }) };
    return call("get", "/api/v1/admin/tasks", { query });
  },
  closeTasks: (ids: string[], closed: boolean) => call("post", "/api/v1/admin/tasks/close", { body: { ids, closed } }),
  askForPrompts: (briefs: Record<string, string>, each: number) =>
    call("post", "/api/v1/admin/tasks/prompts", { body: { briefs, each } }),
  queueRun: (body: Given<"post", "/api/v1/admin/tasks/from_run">) =>
    call("post", "/api/v1/admin/tasks/from_run", { body }),
  queueChats: (body: Given<"post", "/api/v1/admin/tasks/from_chats">) =>
    call("post", "/api/v1/admin/tasks/from_chats", { body }),
  takeSimulated: (body: Given<"post", "/api/v1/admin/feedback/from_run">) =>
    call("post", "/api/v1/admin/feedback/from_run", { body }),
  progress: () => call("get", "/api/v1/label/progress"),
  runs: async () => (await call("get", "/api/v1/runs")).runs,

  sharedChats: async () => (await call("get", "/api/v1/admin/shared_chats")).chats,
  sharedChat: (chat: string) => call("get", "/api/v1/admin/shared_chats/{chat}", { path: { chat } }),
};

/** Hand a fetched file to the browser. */
export async function save(found: Promise<Response>): Promise<void> {
  const response = await found;
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
