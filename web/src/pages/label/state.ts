// The labeler's desk: one task at a time, its draft, the time spent on it, and what is handed in.
import { effect, signal } from "@preact/signals";
import { ApiError, explain, isAbort } from "../../api";
import { announce, notify, report } from "../../parts/notices";
import { me } from "../../session";
import { type Draft, type Judgement, type Kind, labelling, type Progress, type Task } from "./api";
import { flush, mayPass, noteTrouble, put, trouble } from "./outbox";
import { rankingOf, ranksOf } from "./rank";
import { say } from "./words";

const SAVE_AFTER_MS = 1200;
const RENEW_EVERY_MS = 4 * 60_000;

export const kinds = signal<Kind[]>([]);
export const task = signal<Task | null>(null);
export const draft = signal<Draft>(emptyDraft(null));
export const isLoading = signal(false);
export const isSending = signal(false);
export const failure = signal<string | null>(null);
/** How the draft is kept: on the server, only here, not yet, or under a lease that ended. */
export const saving = signal<"saved" | "unsaved" | "here" | "lost">("saved");
export const progress = signal<Progress | null>(null);
export const canUndo = signal(false);

export const person = (): string => me.value?.person?.id ?? "local";

function emptyDraft(of: Task | null): Draft {
  const kept = of?.draft ?? {};
  const ranking = rankingOf({ order: kept.order ?? [], ties: kept.ties ?? [] }, of?.answers.length ?? 0);
  return {
    text: kept.text ?? "",
    rating: kept.rating ?? null,
    flags: kept.flags ?? [],
    good: kept.good ?? null,
    comment: kept.comment ?? "",
    seconds: kept.seconds ?? 0,
    ...ranking,
    // After an undo the server gives back what was said: ranks in the order shown.
    ...fromRanks(of),
  };
}

function fromRanks(of: Task | null): Partial<Draft> {
  const ranks = (of?.draft as { ranks?: number[] } | null)?.ranks;
  if (!ranks || of?.draft?.order || ranks.length !== of?.answers.length) return {};
  const order = ranks.map((_, place) => place).sort((one, other) => (ranks[one] ?? 0) - (ranks[other] ?? 0) || one - other);
  return { order, ties: order.map((answer, place) => place > 0 && ranks[answer] === ranks[order[place - 1] ?? 0]) };
}

// Time on task: only while the page is in view.
let lookedSince = 0;

export function secondsSoFar(): number {
  const now = performance.now();
  const more = lookedSince && document.visibilityState === "visible" ? (now - lookedSince) / 1000 : 0;
  return Math.round((draft.value.seconds + more) * 10) / 10;
}

function bookTime(): void {
  draft.value = { ...draft.value, seconds: secondsSoFar() };
  lookedSince = document.visibilityState === "visible" ? performance.now() : 0;
}

function show(next: Task | null): void {
  task.value = next;
  draft.value = emptyDraft(next);
  saving.value = "saved";
  lookedSince = performance.now();
}

let asked = 0;

/** The next task; work that waits to be sent goes first. Asked for twice, as by another kind, the last one counts. */
export async function next(): Promise<void> {
  const ticket = ++asked;
  isLoading.value = true;
  failure.value = null;
  try {
    const isThrough = await flush(person(), labelling.submit);
    const found = isThrough ? await labelling.next(kinds.value) : null;
    if (ticket !== asked) return;
    show(found);
    if (isThrough) progress.value = await labelling.progress();
  } catch (error) {
    if (ticket !== asked) return;
    if (mayPass(error)) noteTrouble(error);
    else failure.value = explain(error);
    show(null);
  } finally {
    if (ticket === asked) isLoading.value = false;
  }
}

let timer: ReturnType<typeof setTimeout> | undefined;
let underWay: AbortController | undefined;

/** A draft that comes after its judgement would be refused. */
function stopSaving(): void {
  clearTimeout(timer);
  underWay?.abort();
}

export function change(fields: Partial<Draft>): void {
  draft.value = { ...draft.value, ...fields };
  saving.value = "unsaved";
  clearTimeout(timer);
  timer = setTimeout(() => void save(), SAVE_AFTER_MS);
}

async function save(): Promise<void> {
  const own = task.value;
  if (!own) return;
  bookTime();
  underWay = new AbortController();
  try {
    await labelling.saveDraft(own.id, draft.value, underWay.signal);
    if (task.value === own && saving.value !== "lost") saving.value = "saved";
  } catch (error) {
    if (task.value !== own || isAbort(error)) return;
    saving.value = error instanceof ApiError && error.status === 409 ? "lost" : "here";
    if (!mayPass(error) && saving.value !== "lost") report(error);
  }
}

type Special = Pick<Judgement, "all_bad" | "cannot_judge" | "flagged">;

/** What is still missing before this can be handed in, or null. */
export function missing(): "missingText" | "missingRating" | "missingGood" | null {
  const kind = task.value?.kind;
  const { text, rating, good } = draft.value;
  if ((kind === "prompt" || kind === "demonstration") && !text.trim()) return "missingText";
  if (kind === "rate_answer" && rating === null) return "missingRating";
  if (kind === "rate_chat" && good === null) return "missingGood";
  return null;
}

function judgementOf(own: Task, special: Special): Judgement {
  const { text, rating, flags, good, comment } = draft.value;
  const base: Judgement = { submission: own.submission, seconds: secondsSoFar(), ...(comment.trim() ? { comment } : {}) };
  if (special.all_bad || special.cannot_judge || special.flagged) return { ...base, ...special };
  if (own.kind === "rank") return { ...base, ranks: ranksOf(draft.value) };
  if (own.kind === "rate_answer") return { ...base, rating: rating ?? 0, flags };
  if (own.kind === "rate_chat") return { ...base, good: good ?? false };
  return { ...base, text };
}

export async function submit(special: Special = {}): Promise<void> {
  const own = task.value;
  if (!own || isSending.value) return;
  isSending.value = true;
  stopSaving();
  put({ task: own.id, person: person(), judgement: judgementOf(own, special) });
  try {
    const isThrough = await flush(person(), labelling.submit);
    canUndo.value = isThrough;
    announce(say(isThrough ? "handedIn" : "keptHere"));
    await next();
  } finally {
    isSending.value = false;
  }
}

export async function skip(reason: string): Promise<void> {
  const own = task.value;
  if (!own) return;
  stopSaving();
  try {
    await labelling.skip(own.id, reason);
    canUndo.value = true;
    await next();
  } catch (error) {
    report(error);
  }
}

export async function undo(): Promise<void> {
  stopSaving();
  try {
    const back = await labelling.undo();
    canUndo.value = false;
    if (back) show(back);
    notify(say("undone"));
  } catch (error) {
    report(error);
  }
}

/** Keep the lease, send what waits, count the time: while the page is open. Returns what ends it. */
export function attend(): () => void {
  const renewing = setInterval(() => void save(), RENEW_EVERY_MS);
  const onSight = () => bookTime();
  document.addEventListener("visibilitychange", onSight);
  const retrying = effect(() => {
    const wait = trouble.value?.againMs;
    if (wait === undefined) return;
    const again = setTimeout(() => void next(), wait);
    return () => clearTimeout(again);
  });
  return () => {
    clearInterval(renewing);
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onSight);
    retrying();
    if (task.value && saving.value === "unsaved") void save();
  };
}
