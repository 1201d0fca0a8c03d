// What a completion is made of: its tokens with the alternatives the model had in mind.
import type { CompletionChunk } from "../../api";
import type { Candidate } from "./maths";

export interface Piece {
  text: string;
  logp: number | null;
  top: Candidate[];
  /** The temperature that the log-probabilities already hold. */
  heat: number;
  /** Put here by the person, who clicked an alternative. */
  isChosen?: boolean;
}

/** The tokens of one chunk. Without log-probabilities the chunk's text is one piece. */
export function piecesOf(choice: CompletionChunk["choices"][number], temperature: number): Piece[] {
  const heat = temperature || 1; // at 0 the server reports the model's own distribution
  const { logprobs } = choice;
  if (!logprobs?.tokens.length) return choice.text ? [{ text: choice.text, logp: null, top: [], heat }] : [];
  return logprobs.tokens.map((text, place) => ({
    text,
    logp: logprobs.token_logprobs[place] ?? null,
    heat,
    top: Object.entries(logprobs.top_logprobs?.[place] ?? {})
      .map(([other, logp]) => ({ text: other, logp }))
      .sort((first, second) => second.logp - first.logp),
  }));
}

/** Half a character cannot be written into a prompt: such a token cannot be branched to. */
export function canContinue(text: string): boolean {
  return text !== "" && !text.includes("\uFFFD") && !/^(bytes:|token_id:)/.test(text);
}

export const textOf = (pieces: readonly Piece[]): string => pieces.map((piece) => piece.text).join("");
