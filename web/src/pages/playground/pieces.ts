// What a completion is made of: its tokens with the alternatives the model had in mind. A letter that is several tokens
// is one piece, so that what is shown, copied and gone on from is the text itself.
import type { CompletionChunk } from "../../api";
import { visible } from "../../parts/visible";
import type { Candidate } from "./maths";

export interface Piece {
  text: string;
  /** Of all its tokens together. */
  logp: number | null;
  /** How many tokens it is, where not one. */
  tokens?: number;
  /** The bytes of a part of a letter, as long as they make no whole text. */
  open?: number[];
  /** The name of its first token, where that differs from the text: what `top` is alternatives to. */
  lead?: string;
  top: Candidate[];
  /** The temperature that the log-probabilities already hold. */
  heat: number;
  /** Put here by the person, who clicked an alternative. */
  isChosen?: boolean;
}

/** The tokens of one chunk, one piece each. Without log-probabilities the chunk's text is one piece. */
export function piecesOf(choice: CompletionChunk["choices"][number], temperature: number): Piece[] {
  const heat = temperature || 1; // at 0 the server reports the model's own distribution
  const { logprobs } = choice;
  if (!logprobs?.tokens.length) return choice.text ? [{ text: choice.text, logp: null, top: [], heat }] : [];
  return logprobs.tokens.map((name, place) => ({
    ...named(name),
    logp: logprobs.token_logprobs[place] ?? null,
    heat,
    top: Object.entries(logprobs.top_logprobs?.[place] ?? {})
      .map(([other, logp]) => ({ text: other, logp }))
      .sort((first, second) => second.logp - first.logp),
  }));
}

const BYTES = /^bytes:((?:\\x[0-9a-f]{2})+)$/i;

/** A token's text; of a part of a letter, which the server calls `bytes:\xc3`, the bytes too. */
function named(name: string): Pick<Piece, "text" | "open" | "lead"> {
  const bytes = BYTES.exec(name)?.[1];
  if (!bytes) return { text: name };
  const open = bytes.split("\\x").slice(1).map((value) => Number.parseInt(value, 16));
  return { text: decoded(open).text, open, lead: name };
}

function decoded(bytes: number[]): { text: string; isWhole: boolean } {
  const raw = Uint8Array.from(bytes);
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw), isWhole: true };
  } catch {
    return { text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(raw), isWhole: false };
  }
}

/** Pieces with more behind them: parts of a letter become one piece, with the alternatives of the first. */
export function joined(pieces: readonly Piece[], more: readonly Piece[]): Piece[] {
  const all = [...pieces];
  for (const next of more) {
    const before = all.at(-1);
    if (before?.open && next.open) all[all.length - 1] = together(before, next);
    else all.push(next);
  }
  return all;
}

function together(first: Piece, second: Piece): Piece {
  const bytes = [...(first.open ?? []), ...(second.open ?? [])];
  const { text, isWhole } = decoded(bytes);
  const { open: _, ...rest } = first;
  return {
    ...rest,
    text,
    ...(isWhole ? {} : { open: bytes }),
    tokens: tokensOf([first, second]),
    logp: first.logp === null || second.logp === null ? null : first.logp + second.logp,
  };
}

export const tokensOf = (pieces: readonly Piece[]): number => pieces.reduce((sum, piece) => sum + (piece.tokens ?? 1), 0);

/**
 * Pieces that say no more than the text that came: the last tokens may hold the string that the answer ends before,
 * and control tokens have a name but no text.
 */
export function within(pieces: readonly Piece[], text: string): Piece[] {
  let rest = text;
  const kept: Piece[] = [];
  for (const piece of pieces) {
    const own = rest.startsWith(piece.text) ? piece.text : piece.text.startsWith(rest) ? rest : "";
    rest = rest.slice(own.length);
    if (own) kept.push(own === piece.text ? piece : { ...piece, text: own, lead: piece.lead ?? piece.text });
  }
  return kept;
}

/** Half a character cannot be written into a prompt: such a token cannot be branched to. */
export function canContinue(text: string): boolean {
  return text !== "" && !text.includes("\uFFFD") && !/^(bytes:|token_id:)/.test(text);
}

/** What the piece is called in its list of alternatives. */
export const leadOf = (piece: Piece): string => piece.lead ?? piece.text;

/** A token's name as the lists show it; of a part of a letter just its bytes. */
export const shownToken = (name: string): string => visible(BYTES.exec(name)?.[1] ?? name);

export const textOf = (pieces: readonly Piece[]): string => pieces.map((piece) => piece.text).join("");
