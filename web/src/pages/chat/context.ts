// How full the model's context is. The server counts it as it builds prompts, so that the meter and it never differ.
import { signal } from "@preact/signals";
import { api, type ContextFacts } from "../../api";

export interface Counted {
  /** Null: it is not begun yet, and holds a system prompt at most. */
  chat: string | null;
  tip: string | null;
  system: string;
  model: string;
  max_tokens: number;
}

const SETTLE_MS = 150; // a slider that is dragged asks once

export const facts = signal<ContextFacts | null>(null);

let ticket = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** What an answer has told, or null: nothing is known. What is still being counted is out of date by now. */
export function tellContext(told: ContextFacts | null): void {
  ticket += 1;
  clearTimeout(timer);
  facts.value = told;
}

export function countContext(what: Counted): void {
  const own = ++ticket;
  clearTimeout(timer);
  timer = setTimeout(() => {
    ask(what)
      .then((found) => {
        if (own === ticket) facts.value = found;
      })
      .catch((error: unknown) => {
        if (own === ticket) facts.value = null; // better no meter than a wrong one
        console.info("The context could not be counted; the meter appears with the next answer.", error);
      });
  }, SETTLE_MS);
}

async function ask({ chat, tip, system, model, max_tokens }: Counted): Promise<ContextFacts | null> {
  if (chat !== null) return api.context(chat, { ...(tip !== null && { tip }), model, max_tokens });
  if (!system.trim()) return null;
  const { count, max_model_len: window } = await api.countTokens(model, system);
  return { system: count, history: 0, room: Math.max(0, Math.min(max_tokens, window - count)), window, turns_dropped: 0 };
}
