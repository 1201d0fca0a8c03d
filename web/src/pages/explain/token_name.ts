// How a token is written in a list: spaces visible, half a character as its bytes.
import { visible } from "../../parts/visible";
import { hex, isPartial } from "../tokens/bytes";

interface Nameable {
  id: number;
  text: string;
  bytes?: string;
}

export function named(token: Nameable): string {
  if (token.bytes && isPartial(token.text)) return hex(token.bytes);
  return visible(token.text) || `[${token.id}]`;
}
