// The playground's columns: each is a text that one model goes on with.
import { computed, signal } from "@preact/signals";
import { api, ApiError, type CompletionChunk, isAbort, type Sampling } from "../../api";
import { report } from "../../parts/notices";
import { DEFAULT_SAMPLING } from "../../parts/sampling_fields";
import { language, recall, remember } from "../../preferences";
import { writingModels } from "../../session";
import type { Candidate } from "./maths";
import { joined, type Piece, piecesOf, textOf, within } from "./pieces";
import { PRESETS } from "./presets";
import { ANSWER_END, fewShotPrompt, shotCounts, type Shots } from "./prompts";

const KEY = "chatwright.playground";
const ALTERNATIVES = 10;
const FEWER_ALTERNATIVES = 5; // what OpenAI's own limit allows, for servers that keep it

export interface Column {
  id: number;
  model: string;
  /** How many examples the prompt holds, in a few-shot comparison. */
  shots: number | null;
  prompt: string;
  pieces: Piece[];
  /** What stood here before each branch, to go back to. */
  past: Piece[][];
  finish: string | null;
  controller: AbortController | null;
}

interface Kept {
  prompt: string;
  sampling: Sampling;
  hasColours: boolean;
}

const kept = recall<Kept>(KEY, {
  prompt: PRESETS[0]?.text?.[language.value] ?? "",
  sampling: { ...DEFAULT_SAMPLING, temperature: 1, max_tokens: 48 },
  hasColours: true,
});

export const mode = signal<"text" | "shots">("text");
export const prompt = signal(kept.prompt);
export const sampling = signal<Sampling>(kept.sampling);
export const hasColours = signal(kept.hasColours);
export const isPair = signal(false);
export const chosenModels = signal<[string, string]>(["", ""]);
export const shots = signal<Shots>(structuredClone(firstShots()));
export const columns = signal<Column[]>([]);
/** The token that the panel explains. */
export const focus = signal<{ column: number; place: number } | null>(null);

export const isRunning = computed(() => columns.value.some((column) => column.controller));
export const focused = computed(() => {
  const at = focus.value;
  const column = at && columns.value.find((one) => one.id === at.column);
  if (at && column?.pieces[at.place]) return { column, place: at.place, piece: column.pieces[at.place] as Piece };
  const first = columns.value[0];
  return first?.pieces[0] ? { column: first, place: 0, piece: first.pieces[0] } : null;
});

function firstShots(): Shots {
  const found = PRESETS.find((preset) => preset.shots)?.shots?.[language.value];
  return found ?? { instruction: "", inputName: "Input", outputName: "Output", examples: [], query: "" };
}

export function keep(): void {
  remember(KEY, { prompt: prompt.value, sampling: sampling.value, hasColours: hasColours.value } satisfies Kept);
}

/** The model of a column: the chosen one while it is served; the second column starts with another than the first. */
export function modelOf(column: 0 | 1): string {
  const served = writingModels.value;
  const chosen = served.find((one) => one.id === chosenModels.value[column]);
  return chosen?.id ?? served[Math.min(column, served.length - 1)]?.id ?? "";
}

let last = 0;
const newColumn = (model: string, text: string, count: number | null = null): Column => ({
  id: ++last,
  model,
  shots: count,
  prompt: text,
  pieces: [],
  past: [],
  finish: null,
  controller: null,
});

export function run(): void {
  const models = isPair.value ? ([0, 1] as const).map(modelOf) : [modelOf(0)];
  begin(models.map((model) => newColumn(model, prompt.value)));
}

export function compareShots(): void {
  begin(shotCounts(shots.value).map((count) => newColumn(modelOf(0), fewShotPrompt(shots.value, count), count)));
}

function begin(fresh: Column[]): void {
  stop();
  keep();
  focus.value = null;
  columns.value = fresh;
  for (const column of fresh) void write(column.id, []);
}

export function stop(): void {
  for (const column of columns.value) column.controller?.abort();
}

export function clear(): void {
  stop();
  columns.value = [];
  focus.value = null;
}

/** Put another token in a place and let the model go on from there. */
export function branch(id: number, place: number, candidate: Candidate): void {
  const column = columns.value.find((one) => one.id === id);
  const old = column?.pieces[place];
  if (!column || !old) return;
  column.controller?.abort();
  const { top, heat } = old;
  const start = [...column.pieces.slice(0, place), { ...candidate, top, heat, isChosen: true }];
  change(id, { past: [...column.past, column.pieces] });
  focus.value = { column: id, place };
  void write(id, start);
}

export function undoBranch(id: number): void {
  const column = columns.value.find((one) => one.id === id);
  const before = column?.past.at(-1);
  if (!column || !before) return;
  column.controller?.abort();
  change(id, { pieces: before, past: column.past.slice(0, -1), controller: null, finish: null });
}

/** Take a completion over into the prompt, to write on by hand. */
export function adopt(column: Column): void {
  mode.value = "text";
  prompt.value = column.prompt + textOf(column.pieces);
  keep();
  clear();
}

function change(id: number, fields: Partial<Column>): void {
  columns.value = columns.value.map((column) => (column.id === id ? { ...column, ...fields } : column));
}

async function write(id: number, start: Piece[]): Promise<void> {
  const column = columns.value.find((one) => one.id === id);
  if (!column) return;
  const controller = new AbortController();
  change(id, { pieces: start, controller, finish: null });
  let pieces = start;
  let said = textOf(start);
  try {
    const request = { ...requestOf(column), prompt: column.prompt + said };
    for await (const chunk of completion(request, controller.signal)) {
      const choice = chunk.choices[0];
      if (!choice) continue;
      said += choice.text;
      pieces = joined(pieces, piecesOf(choice, request.temperature));
      if (choice.finish_reason) pieces = within(pieces, said);
      change(id, { pieces, finish: choice.finish_reason });
    }
  } catch (error) {
    if (isAbort(error)) change(id, { finish: "cancelled" });
    else report(error);
  } finally {
    const now = columns.value.find((one) => one.id === id);
    if (now?.controller === controller) change(id, { controller: null }); // a later branch has its own
  }
}

/** In a few-shot comparison an answer is one line, as the examples are, unless the person set another end. */
function requestOf(column: Column): { model: string; prompt: string } & Sampling {
  const own = sampling.value;
  const stop = column.shots !== null && !own.stop?.length ? { stop: [ANSWER_END] } : {};
  return { model: column.model, prompt: column.prompt, ...own, ...stop };
}

async function* completion(
  request: { model: string; prompt: string } & Sampling,
  signal: AbortSignal,
): AsyncGenerator<CompletionChunk> {
  try {
    yield* api.complete({ ...request, logprobs: ALTERNATIVES }, signal);
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 400 && /logprobs/.test(error.message))) throw error;
    yield* api.complete({ ...request, logprobs: FEWER_ALTERNATIVES }, signal);
  }
}
