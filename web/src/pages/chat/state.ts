// The open chat: what is on screen and what the person's actions do to it. Components only read these signals.
import { computed, signal } from "@preact/signals";
import { api, type Chat, type Feedback, isAbort, type Message, type Sampling } from "../../api";
import { announce, report } from "../../parts/notices";
import { DEFAULT_SAMPLING } from "../../parts/sampling_fields";
import { recall, remember } from "../../preferences";
import { go } from "../../router";
import { chatModels } from "../../session";
import { countContext, tellContext } from "./context";
import { loadChats } from "./history_state";
import { newSentences, spoken } from "./sentences";
import { draftsOf, pathOf, pick, picksTo, type Picks } from "./tree";

const SETTINGS_KEY = "chatwright.chat";
const FLUSH_MS = 66; // about 15 repaints a second: faster is not readable, and formatting costs time
const TITLE_LENGTH = 60;

interface Settings {
  model: string;
  sampling: Sampling;
}

export interface Drafts {
  parent: string;
  ids: string[];
  chosen: string | null;
  scores: Record<string, number> | null;
}

export const settings = signal<Settings>(recall(SETTINGS_KEY, { model: "", sampling: { ...DEFAULT_SAMPLING } }));
export type OpenChat = Omit<Chat, "messages">;
export const chat = signal<OpenChat | null>(null);
export const messages = signal<Message[]>([]);
export const picks = signal<Picks>({});
export const system = signal("");
export const running = signal<{ ids: string[]; controller: AbortController } | null>(null);
export const drafts = signal<Drafts | null>(null);

export const path = computed(() => pathOf(messages.value, picks.value));
/** The model in use: the chosen one while it is served, else the last: of a run's base, sft and ppo the most trained. */
export const model = computed(() => {
  const served = chatModels.value;
  return served.find((one) => one.id === settings.value.model) ?? served.at(-1);
});

export function changeSettings(change: Partial<Settings>): void {
  settings.value = { ...settings.value, ...change };
  remember(SETTINGS_KEY, settings.value);
  recount();
}

/** After whatever changes what the model will read next. While it writes, the answer itself tells. */
function recount(): void {
  const served = model.value;
  if (!served || running.value) return;
  countContext({
    chat: chat.value?.id ?? null,
    tip: path.value.at(-1)?.id ?? null,
    system: system.value,
    model: served.id,
    max_tokens: settings.value.sampling.max_tokens,
  });
}

let opening = 0;

/** A chat that is still on its way is not wanted any more. */
export function stopOpening(): void {
  opening += 1;
}

export function closeChat(): void {
  stopOpening();
  running.value?.controller.abort();
  chat.value = null;
  messages.value = [];
  picks.value = {};
  system.value = "";
  drafts.value = null;
  tellContext(null);
}

export async function openChat(id: string): Promise<void> {
  if (chat.value?.id === id) return;
  closeChat();
  const ticket = opening;
  const whole = await api.chat(id).catch((error: unknown) => {
    if (ticket === opening) throw error;
  });
  if (!whole || ticket !== opening) return; // another was opened meanwhile, or a new one begun
  const { messages: found, ...rest } = whole;
  chat.value = rest;
  messages.value = found;
  picks.value = picksTo(found, rest.tip);
  system.value = rest.system ?? "";
  if (rest.model && chatModels.value.some((one) => one.id === rest.model)) changeSettings({ model: rest.model });
  recount();
}

async function ensureChat(text: string): Promise<string> {
  if (chat.value) return chat.value.id;
  const title = text.replace(/\s+/g, " ").trim().slice(0, TITLE_LENGTH);
  const ticket = opening;
  const { messages: _none, ...rest } = await api.createChat({
    title,
    system: system.value,
    model: model.value?.id ?? "",
  });
  if (ticket !== opening) return rest.id;
  chat.value = rest;
  go("chat", { id: rest.id }, true);
  return rest.id;
}

let isSending = false;

/** False: nothing was sent. Whoever goes to another chat meanwhile is not followed there. */
export async function sendMessage(text: string, count: number): Promise<boolean> {
  if (isSending) return false;
  isSending = true;
  drafts.value = null;
  try {
    const id = await ensureChat(text);
    await savingSystem.catch(() => null); // who was told of a failure may still ask
    if (chat.value?.id !== id) return false;
    const parent = path.value.at(-1)?.id ?? null;
    const message = await api.addMessage(id, { parent, role: "user", content: text });
    if (chat.value?.id !== id) return true;
    show(message);
    void answer(message.id, count);
    return true;
  } catch (error) {
    report(error);
    return false;
  } finally {
    isSending = false;
  }
}

/** A new version of a turn. A person's turn is answered again; an assistant's stands as written. */
export async function editMessage(old: Message, text: string): Promise<void> {
  const id = chat.value?.id;
  if (!id) return;
  drafts.value = null;
  try {
    const message = await api.addMessage(id, { parent: old.parent, role: old.role, content: text });
    if (chat.value?.id !== id) return;
    show(message);
    if (old.role === "user") await answer(message.id, 1);
    else recount();
  } catch (error) {
    report(error);
  }
}

export async function answer(parent: string, count: number): Promise<void> {
  const id = chat.value?.id;
  const served = model.value;
  if (!id || !served || running.value) return;
  drafts.value = null;
  const controller = new AbortController();
  running.value = { ids: [], controller };
  const stream = new AnswerStream(parent, served.id);
  try {
    const request = { parent, model: served.id, sampling: settings.value.sampling, n: count };
    for await (const chunk of api.answers(id, request, controller.signal)) {
      if (chunk.message_ids) stream.begin(chunk.message_ids, controller);
      if (chunk.context) tellContext(chunk.context);
      for (const choice of chunk.choices) stream.add(choice.index, choice.delta?.content ?? "", choice.finish_reason);
    }
  } catch (error) {
    if (isAbort(error)) stream.markCancelled();
    else report(error);
  } finally {
    stream.end();
    if (running.value?.controller === controller) {
      running.value = null;
      if (chat.value?.id === id) recount();
    }
    loadChats().catch(report);
  }
}

export function stop(): void {
  running.value?.controller.abort();
}

/** Collects pieces of one or more answers and puts them on screen a few times a second. */
class AnswerStream {
  private ids: string[] = [];
  private texts: string[] = [];
  private reasons: (string | null)[] = [];
  private timer: ReturnType<typeof setTimeout> | null = null;
  private announced = 0;

  constructor(
    private readonly parent: string,
    private readonly model: string,
  ) {}

  begin(ids: string[], controller: AbortController): void {
    this.ids = ids;
    this.texts = ids.map(() => "");
    this.reasons = ids.map(() => null);
    const created = new Date().toISOString();
    const { parent, model: writer } = this;
    const empty = ids.map<Message>((id) => ({
      id,
      parent,
      role: "assistant",
      content: "",
      model: writer,
      finish_reason: null,
      created_at: created,
      feedback: null,
    }));
    messages.value = [...messages.value, ...empty];
    const first = empty[0];
    if (first) picks.value = pick(picks.value, first);
    if (ids.length > 1) drafts.value = { parent, ids, chosen: null, scores: null };
    running.value = { ids, controller };
  }

  add(index: number, text: string, reason: string | null): void {
    if (index >= this.ids.length) return;
    this.texts[index] += text;
    if (reason) this.reasons[index] = reason;
    this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  markCancelled(): void {
    this.reasons = this.reasons.map((reason) => reason ?? "cancelled");
  }

  end(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.flush();
    if (this.ids.length === 1) announce(spoken((this.texts[0] ?? "").slice(this.announced)));
  }

  private flush(): void {
    this.timer = null;
    if (!this.ids.length) return;
    messages.value = messages.value.map((message) => {
      const index = this.ids.indexOf(message.id);
      if (index < 0) return message;
      return { ...message, content: this.texts[index] ?? "", finish_reason: this.reasons[index] ?? null };
    });
    if (this.ids.length > 1) return; // several voices at once would be noise
    const { sentences, next } = newSentences(this.texts[0] ?? "", this.announced);
    if (sentences) announce(spoken(sentences));
    this.announced = next;
  }
}

function show(message: Message): void {
  messages.value = [...messages.value, message];
  picks.value = pick(picks.value, message);
}

export function showVersion(message: Message): void {
  picks.value = pick(picks.value, message);
  drafts.value = null;
  keepTip();
  recount();
}

/** All answers to the same question side by side, to choose from now or once more. */
export function compareVersions(message: Message): void {
  const ids = draftsOf(messages.value, message).map((one) => one.id);
  if (message.parent !== null && ids.length) drafts.value = { parent: message.parent, ids, chosen: null, scores: null };
}

export function closeDrafts(): void {
  drafts.value = null;
}

/** The server remembers which branch was open last. */
function keepTip(): void {
  const tip = path.value.at(-1)?.id;
  if (chat.value && tip) api.changeChat(chat.value.id, { tip }).catch(report);
}

let isChoosing = false;

export async function chooseDraft(chosen: string): Promise<void> {
  const board = drafts.value;
  const message = messages.value.find((one) => one.id === chosen);
  if (!chat.value || !board || !message || board.chosen || isChoosing) return;
  isChoosing = true;
  try {
    await api.choose(chat.value.id, { parent: board.parent, chosen, shown: board.ids });
    if (drafts.value !== board) return;
    picks.value = pick(picks.value, message);
    keepTip();
    recount();
    const unscored = (drafts.value = { ...board, chosen });
    const scores = await scoresOf(board.ids);
    if (drafts.value === unscored) drafts.value = { ...unscored, scores };
  } catch (error) {
    report(error);
  } finally {
    isChoosing = false;
  }
}

async function scoresOf(ids: string[]): Promise<Record<string, number>> {
  const scores: Record<string, number> = {};
  await Promise.all(
    ids.map(async (id) => {
      try {
        scores[id] = (await api.score(id)).score;
      } catch (error) {
        console.info("No reward score for this draft.", error); // no reward model is served: the board says so
      }
    }),
  );
  return scores;
}

export async function giveFeedback(message: Message, feedback: Feedback): Promise<void> {
  const saved = await api.feedback(message.id, feedback);
  messages.value = messages.value.map((one) => (one.id === message.id ? { ...one, feedback: saved } : one));
}

export async function rateChat(rating: "good" | "bad" | null): Promise<void> {
  const id = chat.value?.id;
  if (!id) return;
  await api.rateChat(id, rating);
  if (chat.value?.id === id) chat.value = { ...chat.value, rating };
}

/** Who else may read the chat or learn from it. What was judged in it follows, as it does on the server. */
export async function changeSharing(change: Partial<Pick<Chat, "shared" | "consent">>): Promise<void> {
  const id = chat.value?.id;
  if (!id) return;
  await api.changeChat(id, change);
  if (chat.value?.id !== id) return;
  chat.value = { ...chat.value, ...change };
  const { consent } = change;
  if (consent === undefined) return;
  messages.value = messages.value.map((message) =>
    message.feedback ? { ...message, feedback: { ...message.feedback, consent } } : message,
  );
}

const wantedSystem = new Map<string, string>();
let savingSystem: Promise<unknown> = Promise.resolve();

/** The system prompt belongs to the chat: an open one is changed on the server as well. */
export async function changeSystem(text: string): Promise<void> {
  system.value = text;
  const id = chat.value?.id;
  if (id) {
    wantedSystem.set(id, text); // one after the other, and only the newest: a late one would overwrite it
    savingSystem = savingSystem
      .catch(() => null)
      .then(() => (wantedSystem.get(id) === text ? api.changeChat(id, { system: text }) : null));
    await savingSystem;
  }
  if (chat.value?.id === id) recount();
}
