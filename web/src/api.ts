// The only file that knows the server's addresses and shapes. Relative addresses, so a proxy prefix works.
import { jsonEvents } from "./sse";

export type Role = "admin" | "labeler" | "chatter";

export interface Me {
  person: { id: string; name: string; role: Role } | null;
  role: Role | null;
  access: "open" | "login" | "setup";
}

export interface Model {
  id: string;
  max_model_len?: number;
  kind?: "chat" | "text" | "reward";
  stage?: string | null;
}

export interface Sampling {
  temperature: number;
  top_p: number;
  top_k: number;
  min_p: number;
  max_tokens: number;
  presence_penalty: number;
  frequency_penalty: number;
  repetition_penalty: number;
  seed?: number;
  stop?: string[];
}

export type Thumb = "up" | "down";

export interface Feedback {
  thumb: Thumb | null;
  reasons: string[];
  comment: string;
  consent: boolean;
}

export interface Message {
  id: string;
  parent: string | null;
  role: "user" | "assistant";
  content: string;
  model: string | null;
  finish_reason: string | null;
  created_at: string;
  feedback: Feedback | null;
}

export interface ChatSummary {
  id: string;
  title: string;
  model: string | null;
  rating: "good" | "bad" | null;
  created_at: string;
  updated_at: string;
}

export interface Chat extends ChatSummary {
  system: string;
  tip: string | null;
  consent: boolean;
  messages: Message[];
}

export interface ContextFacts {
  system: number;
  history: number;
  room: number;
  window: number;
  turns_dropped: number;
}

export interface AnswerChunk {
  message_ids?: string[];
  context?: ContextFacts;
  choices: { index: number; delta?: { content?: string | null }; finish_reason: string | null }[];
  usage?: { prompt_tokens: number; completion_tokens: number } | null;
}

export interface CompletionChunk {
  choices: {
    index: number;
    text: string;
    finish_reason: string | null;
    logprobs?: {
      tokens: string[];
      token_logprobs: (number | null)[];
      top_logprobs: (Record<string, number> | null)[] | null;
    } | null;
  }[];
}

export interface TokenPiece {
  id: number;
  bytes: string;
  text: string;
  start: number;
  end: number;
  control?: boolean;
}

export interface TokenList {
  model: string;
  tokens: TokenPiece[];
  size?: number;
}

export interface MergePart {
  bytes: string;
  text: string;
  id?: number;
}

export interface MergePath {
  id: number;
  bytes: string;
  text: string;
  control?: boolean;
  count?: number | null;
  steps: { rank: number; left: MergePart; right: MergePart; result: MergePart }[];
}

/** What the server refused, in its own words. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string | null = null,
  ) {
    super(message);
  }
}

const root = (): URL => new URL("./", document.baseURI);
export const own = (path: string): URL => new URL(`api/v1/${path}`, root());

export async function send(address: URL, method: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const init: RequestInit = { method, credentials: "same-origin", headers: { accept: "application/json" } };
  if (signal) init.signal = signal;
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { ...init.headers, "content-type": "application/json" };
  }
  const response = await fetch(address, init);
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { error: { message: string; code: string | null } };
    return new ApiError(error.message, response.status, error.code);
  } catch {
    // Something between the page and the server answered: a proxy's error page is no use to a person.
    return new ApiError(`${response.status} ${response.statusText}`.trim(), response.status);
  }
}

export async function ask<T>(address: URL, method = "GET", body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await send(address, method, body, signal);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

async function* stream<T>(address: URL, body: unknown, signal: AbortSignal): AsyncGenerator<T> {
  const response = await send(address, "POST", body, signal);
  if (!response.body) return;
  for await (const event of jsonEvents(response.body)) {
    const { error } = event as { error?: { message: string; code?: string | null } };
    if (error) throw new ApiError(error.message, 200, error.code ?? null);
    yield event as T;
  }
}

export const part = encodeURIComponent;

export const api = {
  me: () => ask<Me>(own("me")),
  login: (name: string, password: string) => ask<Me>(own("login"), "POST", { name, password }),
  logout: () => ask<Me | undefined>(own("logout"), "POST", {}),
  setup: (token: string, name: string, password: string) => ask<Me>(own("setup"), "POST", { token, name, password }),
  acceptInvite: (token: string, name: string, password: string) =>
    ask<Me>(own("invites/accept"), "POST", { token, name, password }),

  models: async () => (await ask<{ data: Model[] }>(new URL("v1/models", root()))).data,
  countTokens: (model: string, messages: { role: string; content: string }[], signal?: AbortSignal) =>
    ask<{ count: number; max_model_len: number }>(new URL("tokenize", root()), "POST", { model, messages }, signal),

  chats: (search: string, offset = 0) =>
    ask<{ chats: ChatSummary[]; more: boolean }>(own(`chats?search=${part(search)}&limit=50&offset=${offset}`)),
  createChat: (fields: { title: string; system: string; model: string }) => ask<Chat>(own("chats"), "POST", fields),
  chat: (id: string) => ask<Chat>(own(`chats/${part(id)}`)),
  changeChat: (id: string, fields: Partial<Pick<Chat, "title" | "system" | "model" | "tip" | "consent">>) =>
    ask<Partial<Chat>>(own(`chats/${part(id)}`), "PATCH", fields),
  deleteChat: (id: string) => ask<undefined>(own(`chats/${part(id)}`), "DELETE"),
  exportAddress: (id: string, format: "markdown" | "json") =>
    own(`chats/${part(id)}/export?format=${format}`).toString(),
  addMessage: (chat: string, message: Pick<Message, "parent" | "role" | "content">) =>
    ask<Message>(own(`chats/${part(chat)}/messages`), "POST", message),
  answers: (
    chat: string,
    request: { parent: string; model: string; sampling: Sampling; n: number },
    signal: AbortSignal,
  ) => stream<AnswerChunk>(own(`chats/${part(chat)}/answers`), request, signal),
  feedback: (message: string, feedback: Feedback) =>
    ask<Feedback>(own(`messages/${part(message)}/feedback`), "POST", feedback),
  rateChat: (chat: string, rating: "good" | "bad" | null) =>
    ask<unknown>(own(`chats/${part(chat)}/rating`), "POST", { rating }),
  choose: (chat: string, choice: { parent: string; chosen: string; shown: string[] }) =>
    ask<unknown>(own(`chats/${part(chat)}/choice`), "POST", choice),
  score: (message: string) => ask<{ score: number; model: string }>(own(`messages/${part(message)}/score`)),

  complete: (request: { model: string; prompt: string; logprobs: number } & Sampling, signal: AbortSignal) =>
    stream<CompletionChunk>(new URL("v1/completions", root()), { ...request, stream: true }, signal),
  tokens: (model: string, text: string, signal?: AbortSignal) =>
    ask<TokenList>(own("tokens"), "POST", { model, text }, signal),
  mergePath: (model: string, id: number) => ask<MergePath>(own(`tokens/${part(model)}/${id}`)),
  /** Where programs reach the API, for "view code". */
  publicAddress: () => new URL("v1", root()).toString(),
};

/** A sentence for people about anything that was thrown. Aborting is no error. */
export function explain(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  if (error instanceof TypeError) return "The server cannot be reached.";
  return error instanceof Error ? error.message : String(error);
}

export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === "AbortError";
