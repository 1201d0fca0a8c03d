// What is looked into, and where: one opened text, one chosen token, layer and head for all the views.
import { computed, signal } from "@preact/signals";
import { api, ApiError, explain, isAbort, type Message } from "../../api";
import { writingModels } from "../../session";
import { inside, type Opened, type Said, type Subject } from "./api";

export type View = "attention" | "numbers" | "lens" | "next" | "sources" | "heads" | "embeddings" | "positions";

export const chosenModel = signal("");
export const text = signal("");
/** A conversation taken over from the chat; null when the text counts. */
export const conversation = signal<{ messages: Said[]; answer: string } | null>(null);
export const opened = signal<Opened | null>(null);
export const failure = signal<string | null>(null);
export const isOpening = signal(false);
export const view = signal<View>("attention");
export const selected = signal(0);
export const layer = signal(0);
export const head = signal(-1);
export const weights = signal<Uint8Array | null>(null);

export const model = computed(
  () => writingModels.value.find((one) => one.id === chosenModel.value)?.id ?? writingModels.value[0]?.id ?? "",
);

let subject: Subject | null = null;
let running: AbortController | null = null;
let layers = new Map<number, Uint8Array>();

export function open(): void {
  const taken = conversation.value;
  subject = taken
    ? { model: model.value, messages: taken.messages, ...(taken.answer ? { answer: taken.answer } : {}) }
    : { model: model.value, text: text.value };
  void reopen(true);
}

/** Ask for the text again; places are kept where the server merely forgot it. */
async function reopen(isFresh: boolean): Promise<Opened | null> {
  if (!subject) return null;
  running?.abort();
  const controller = (running = new AbortController());
  isOpening.value = true;
  failure.value = null;
  try {
    const found = await inside.open(subject, controller.signal);
    if (isFresh) take(found);
    else opened.value = found;
    return found;
  } catch (error) {
    if (!isAbort(error)) failure.value = explain(error);
    return null;
  } finally {
    if (running === controller) isOpening.value = false;
  }
}

function take(found: Opened): void {
  layers = new Map();
  weights.value = null;
  selected.value = found.length - 1;
  layer.value = Math.min(layer.value, found.layers - 1);
  head.value = Math.min(head.value, found.heads - 1);
  opened.value = found;
  void showLayer(layer.value);
}

/** Read something of the opened text; one that the server dropped is opened again, once. */
export async function reading<T>(work: (id: string) => Promise<T>): Promise<T> {
  const now = opened.value;
  if (!now) throw new Error("no text is open");
  try {
    return await work(now.id);
  } catch (error) {
    if (!(error instanceof ApiError && error.code === "explain_gone")) throw error;
    const again = await reopen(false);
    if (!again) throw error;
    return work(again.id);
  }
}

/** One layer is fetched when it is first looked at, then kept. */
export async function showLayer(wanted: number): Promise<void> {
  layer.value = wanted;
  const own = layers;
  try {
    const found = own.get(wanted) ?? (await reading((id) => inside.attention(id, wanted)));
    own.set(wanted, found);
    if (layer.value === wanted && own === layers) weights.value = found;
  } catch (error) {
    if (own === layers) failure.value = explain(error);
  }
}

/** The turns that lead to a message of a chat, for a link "look inside this answer". */
export function turnsTo(messages: Message[], last: string): Message[] {
  const known = new Map(messages.map((message) => [message.id, message]));
  const turns: Message[] = [];
  let at = known.get(last);
  while (at && !turns.includes(at)) {
    turns.unshift(at);
    at = at.parent === null ? undefined : known.get(at.parent);
  }
  return turns;
}

export async function takeFromChat(chat: string, message: string): Promise<void> {
  const found = await api.chat(chat);
  const turns = turnsTo(found.messages, message).map(({ role, content }) => ({ role, content }) as Said);
  if (found.system) turns.unshift({ role: "system", content: found.system });
  const last = turns.at(-1);
  const isAnswer = last?.role === "assistant";
  const written = found.messages.find((one) => one.id === message)?.model;
  chosenModel.value = written ?? found.model ?? "";
  conversation.value = { messages: isAnswer ? turns.slice(0, -1) : turns, answer: isAnswer ? last.content : "" };
  open();
}
