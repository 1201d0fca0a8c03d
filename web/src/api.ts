// What every page asks of the server. What only one page asks stands beside it.
import { type Answer, call, type Given, streamed } from "./http";
import { language, type Language } from "./preferences";

export { addressOf, ApiError, call, explain, fetched, isAbort, publicAddress } from "./http";

export type Me = Answer<"get", "/api/v1/me">;
export type Role = NonNullable<Me["role"]>;
export type ChatSummary = Answer<"get", "/api/v1/chats">["chats"][number];
export type Chat = Answer<"get", "/api/v1/chats/{chat}">;
export type Message = Chat["messages"][number];
export type ContextFacts = Answer<"get", "/api/v1/chats/{chat}/context">;
export type Feedback = Answer<"post", "/api/v1/messages/{message}/feedback">;
export type Thumb = NonNullable<Feedback["thumb"]>;
export type TokenList = Answer<"post", "/api/v1/tokens">;
export type TokenPiece = TokenList["tokens"][number];
export type MergePath = Answer<"get", "/api/v1/tokens/{model}/{token}">;
export type MergePart = MergePath["steps"][number]["left"];

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

const CHAT = "/api/v1/chats/{chat}";
const of = (chat: string): { path: { chat: string } } => ({ path: { chat } });

export const api = {
  me: () => call("get", "/api/v1/me"),
  login: (name: string, password: string) => call("post", "/api/v1/login", { body: { name, password } }),
  logout: () => call("post", "/api/v1/logout"),
  setup: (token: string, name: string, password: string) =>
    call("post", "/api/v1/setup", { body: { token, name, password, language: language.value } }),
  acceptInvite: (token: string, name: string, password: string) =>
    call("post", "/api/v1/invites/accept", { body: { token, name, password, language: language.value } }),
  speak: (language: Language) => call("patch", "/api/v1/me", { body: { language } }),

  models: async () => ((await call("get", "/v1/models")) as { data: Model[] }).data,
  /** Of a text as it stands in a conversation: without the token that begins one. */
  countTokens: (model: string, prompt: string) =>
    call("post", "/tokenize", { body: { model, prompt, add_special_tokens: false } }) as Promise<{
      count: number;
      max_model_len: number;
    }>,

  chats: (search: string, offset = 0) => call("get", "/api/v1/chats", { query: { search, offset, limit: 50 } }),
  createChat: (body: Given<"post", "/api/v1/chats">) => call("post", "/api/v1/chats", { body }),
  chat: (id: string) => call("get", CHAT, of(id)),
  changeChat: (id: string, body: Given<"patch", typeof CHAT>) => call("patch", CHAT, { ...of(id), body }),
  deleteChat: (id: string) => call("delete", CHAT, of(id)),
  addMessage: (chat: string, body: Given<"post", "/api/v1/chats/{chat}/messages">) =>
    call("post", "/api/v1/chats/{chat}/messages", { ...of(chat), body }),
  answers: (chat: string, body: Given<"post", "/api/v1/chats/{chat}/answers">, signal: AbortSignal) =>
    streamed("/api/v1/chats/{chat}/answers", { ...of(chat), body, signal }) as AsyncGenerator<AnswerChunk>,
  context: (chat: string, query: { model: string; tip?: string; max_tokens: number }) =>
    call("get", "/api/v1/chats/{chat}/context", { ...of(chat), query }),
  feedback: (message: string, body: Given<"post", "/api/v1/messages/{message}/feedback">) =>
    call("post", "/api/v1/messages/{message}/feedback", { path: { message }, body }),
  rateChat: (chat: string, rating: Chat["rating"]) =>
    call("post", "/api/v1/chats/{chat}/rating", { ...of(chat), body: { rating } }),
  choose: (chat: string, body: Given<"post", "/api/v1/chats/{chat}/choice">) =>
    call("post", "/api/v1/chats/{chat}/choice", { ...of(chat), body }),
  score: (message: string) => call("get", "/api/v1/messages/{message}/score", { path: { message } }),

  complete: (request: { model: string; prompt: string; logprobs: number } & Sampling, signal: AbortSignal) =>
    streamed("/v1/completions", { body: { ...request, stream: true }, signal }) as AsyncGenerator<CompletionChunk>,
  tokens: (model: string, text: string, signal?: AbortSignal) =>
    call("post", "/api/v1/tokens", { body: { model, text }, ...(signal && { signal }) }),
  mergePath: (model: string, token: number) => call("get", "/api/v1/tokens/{model}/{token}", { path: { model, token } }),
};
