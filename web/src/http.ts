// Requests to the server, typed by web/openapi.json: an address, a value or a field that does not fit fails `npm run check`.
// Relative addresses, so a proxy prefix works.
import type { paths } from "../types/openapi";
import { otherwise, refusals, say } from "./error_words";
import { language } from "./preferences";
import { jsonEvents } from "./sse";
import { fill } from "./words";

type Method = "get" | "post" | "patch" | "delete";
/** The paths that take this method. */
type Path<M extends Method> = { [P in keyof paths]: paths[P][M] extends object ? P : never }[keyof paths];
type Operation<M extends Method, P extends Path<M>> = paths[P][M];
type Json<Content> = Content extends { content: { "application/json": infer Body } } ? Body : undefined;

/** The JSON that comes back: "get", "/api/v1/chats" -> { chats, more }. */
export type Answer<M extends Method, P extends Path<M>> =
  Operation<M, P> extends { responses: { 200: infer Content } } ? Json<Content> : undefined;

/** The JSON that goes out. */
export type Given<M extends Method, P extends Path<M>> =
  Operation<M, P> extends { requestBody: infer Content } ? Json<Content> : undefined;

type InPath<O> = O extends { parameters: { path: infer V } } ? { path: { [Name in keyof V]: string | number } } : object;
type InQuery<O> = O extends { parameters: { query: infer Q } }
  ? { query: Q }
  : O extends { parameters: { query?: infer Q } }
    ? { query?: Q }
    : object;
type InBody<O> = O extends { requestBody: { content: { "application/json": infer Body } } } ? { body: Body } : object;
type Wants<O> = InPath<O> & InQuery<O> & InBody<O> & { signal?: AbortSignal };
/** One argument, which may be left out where nothing in it is needed. */
type Arguments<O> = object extends Wants<O> ? [wants?: Wants<O>] : [wants: Wants<O>];

interface Wanted {
  path?: Record<string, string | number>;
  query?: Record<string, unknown>;
  body?: unknown;
  signal?: AbortSignal;
}

/** What the server refused, in its own words. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string | null = null,
    readonly param: string | null = null,
    /** Seconds until it is worth another try. */
    readonly wait: number | null = null,
  ) {
    super(message);
  }
}

/** Ask for JSON. Nothing comes of an answer without content. */
export async function call<M extends Method, P extends Path<M>>(
  method: M,
  path: P,
  ...[wants]: Arguments<Operation<M, P>>
): Promise<Answer<M, P>> {
  const response = await request(method, path, wants);
  return (response.status === 204 ? undefined : await response.json()) as Answer<M, P>;
}

/** Ask for a file or for numbers. */
export function fetched<P extends Path<"get">>(path: P, ...[wants]: Arguments<Operation<"get", P>>): Promise<Response> {
  return request("get", path, wants);
}

/** Ask for events; the stream ends when `signal` says so. What they hold is not part of the description. */
export async function* streamed<P extends Path<"post">>(
  path: P,
  wants: Wants<Operation<"post", P>>,
): AsyncGenerator<unknown> {
  const response = await request("post", path, wants);
  if (!response.body) return;
  for await (const event of jsonEvents(response.body)) {
    const { error } = event as { error?: { message: string; code?: string | null; param?: string | null } };
    if (error) throw new ApiError(error.message, 200, error.code ?? null, error.param ?? null);
    yield event;
  }
}

/** Where something can be fetched with "get": for links. */
export function addressOf<P extends Path<"get">>(path: P, ...[wants]: Arguments<Operation<"get", P>>): string {
  return built(path, wants).toString();
}

/** Where programs reach the API, for "view code". */
export const publicAddress = (): string => new URL("v1", root()).toString();

const root = (): URL => new URL("./", document.baseURI);

function built(path: string, { path: values = {}, query = {} }: Wanted = {}): URL {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ""));
  const address = new URL(filled.slice(1), root());
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") address.searchParams.set(name, String(value));
  }
  return address;
}

async function request(method: Method, path: string, wants: Wanted = {}): Promise<Response> {
  const { body, signal } = wants;
  const init: RequestInit = {
    method: method.toUpperCase(),
    credentials: "same-origin",
    headers: { accept: "application/json" },
  };
  if (signal) init.signal = signal;
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { ...init.headers, "content-type": "application/json" };
  }
  const response = await fetch(built(path, wants), init);
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { error: { message: string; code: string | null; param?: string | null } };
    const wait = Number(response.headers.get("retry-after")) || null;
    return new ApiError(error.message, response.status, error.code, error.param ?? null, wait);
  } catch {
    // Something between the page and the server answered: a proxy's error page is no use to a person.
    return new ApiError(`${response.status} ${response.statusText}`.trim(), response.status);
  }
}

/** A sentence for people about anything that was thrown. Aborting is no error. */
export function explain(error: unknown): string {
  if (error instanceof ApiError) return language.value === "de" ? refusedInGerman(error) : sentence(error.message);
  if (error instanceof TypeError) return say("unreachable");
  return error instanceof Error ? error.message : String(error);
}

function refusedInGerman({ message, code, param, wait }: ApiError): string {
  const words = (code && refusals[code]) || otherwise;
  const time = wait === null ? "später" : wait < 90 ? `in ${wait} Sekunden` : `in ${Math.ceil(wait / 60)} Minuten`;
  return fill(words, { message: sentence(message), param: param ? `„${param}“` : "etwas", wait: time });
}

/** The server's errors begin small where they were raised, as parts of a line in a terminal. */
function sentence(text: string): string {
  const begun = /^[a-z]+[ ,']/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text; // not a file's name
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === "AbortError";
