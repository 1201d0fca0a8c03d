// Work on its way to the server. It lies in this browser until the server has said that it has it, and is sent again
// under the same submission id, so that nothing is lost and nothing counts twice.
import { signal } from "@preact/signals";
import { ApiError, explain } from "../../api";
import { remember } from "../../preferences";
import type { Judgement } from "./api";

const KEY = "chatwright.outbox";

export interface Parcel {
  task: string;
  person: string;
  judgement: Judgement;
  /** What the server refused for good, in its words; null while it may still be sent. */
  refusal: string | null;
}

export type Send = (task: string, judgement: Judgement) => Promise<unknown>;

export const parcels = signal<Parcel[]>(read());
/** Why the last try did not come through, and when to try again; null while all is well. */
export const trouble = signal<{ text: string; againMs: number } | null>(null);

const SOON_MS = 4000;
const LATER_MS = 30_000;

export function noteTrouble(error: unknown): void {
  trouble.value = { text: explain(error), againMs: error instanceof TypeError ? SOON_MS : LATER_MS };
}

function read(): Parcel[] {
  if (typeof localStorage === "undefined") return [];
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "[]") as unknown;
    return Array.isArray(found) ? (found as Parcel[]).filter((one) => one?.judgement?.submission && one.task) : [];
  } catch (error) {
    console.warn("The work kept in this browser could not be read.", error);
    return [];
  }
}

function keep(next: Parcel[]): void {
  parcels.value = next;
  remember(KEY, next);
}

export function put(parcel: Omit<Parcel, "refusal">): void {
  const others = parcels.value.filter((one) => one.judgement.submission !== parcel.judgement.submission);
  keep([...others, { ...parcel, refusal: null }]);
}

export function discard(submission: string): void {
  keep(parcels.value.filter((one) => one.judgement.submission !== submission));
}

/** Whether trying again may help: the network, the server's trouble, or too many requests. */
export const mayPass = (error: unknown): boolean =>
  error instanceof ApiError ? error.status >= 500 || error.status === 429 || error.status === 401 : error instanceof TypeError;

let sending: Promise<boolean> | null = null;

/** Send what is this person's and not refused, oldest first. True when nothing of it is left. */
export function flush(person: string, send: Send): Promise<boolean> {
  sending ??= deliver(person, send).finally(() => (sending = null));
  return sending;
}

async function deliver(person: string, send: Send): Promise<boolean> {
  for (;;) {
    const next = parcels.value.find((one) => one.person === person && one.refusal === null);
    if (!next) {
      trouble.value = null;
      return true;
    }
    try {
      await send(next.task, next.judgement);
      discard(next.judgement.submission);
    } catch (error) {
      if (mayPass(error)) {
        noteTrouble(error);
        return false;
      }
      const refusal = explain(error);
      keep(parcels.value.map((one) => (one === next ? { ...one, refusal } : one)));
    }
  }
}
