// Tokens are bytes: how they are read, and how they are shown.
import type { TokenPiece } from "../../api";

export function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

export function hex(base64: string): string {
  return [...bytesOf(base64)].map((byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join(" ");
}

/** A token that is not whole characters: its bytes belong to a character that several tokens share. */
export const isPartial = (text: string): boolean => text.includes("\uFFFD");

export interface Counts {
  tokens: number;
  characters: number;
  bytes: number;
  bytesPerToken: number;
}

export function countsOf(text: string, tokens: readonly TokenPiece[]): Counts {
  const bytes = new TextEncoder().encode(text).length;
  return {
    tokens: tokens.length,
    characters: [...text].length,
    bytes,
    bytesPerToken: tokens.length ? bytes / tokens.length : 0,
  };
}
