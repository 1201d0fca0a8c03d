// One text as the tokens of one tokenizer, with its counts.
import { useRef } from "preact/hooks";
import type { TokenPiece } from "../../api";
import { walk } from "../../parts/roving";
import { visible } from "../../parts/visible";
import { number } from "../../words";
import { countsOf, hex, isPartial } from "./bytes";
import { say } from "./words";
import { useTokens } from "./use_tokens";

export type View = "asText" | "asIds" | "asBytes";
const COLOURS = 5;

interface Props {
  model: string;
  text: string;
  view: View;
  selected: { model: string; place: number } | null;
  onSelect: (selected: { model: string; place: number; piece: TokenPiece }) => void;
}

export function TokenView({ model, text, view, selected, onSelect }: Props) {
  const found = useTokens(model, text);
  const body = useRef<HTMLDivElement>(null);
  const tokens = found?.list.tokens ?? [];
  const here = selected?.model === model ? selected.place : -1;
  return (
    <section class="token-view card" aria-label={say("tokensBy", { model })}>
      <header>
        <strong>{model}</strong>
        {found && <Counters text={found.text} tokens={tokens} size={found.list.size} />}
      </header>
      <div
        ref={body}
        class={`token-text ${view}`}
        onKeyDown={(event) => walk(event, body.current, ".tok")}
      >
        {tokens.map((piece, place) => (
          <Token
            key={place}
            piece={piece}
            place={place}
            view={view}
            isSelected={place === here}
            isReachable={place === Math.max(0, here)}
            onSelect={() => onSelect({ model, place, piece })}
          />
        ))}
      </div>
    </section>
  );
}

interface TokenProps {
  piece: TokenPiece;
  place: number;
  view: View;
  isSelected: boolean;
  isReachable: boolean;
  onSelect: () => void;
}

function Token({ piece, place, view, isSelected, isReachable, onSelect }: TokenProps) {
  const shown = view === "asIds" ? String(piece.id) : view === "asBytes" ? hex(piece.bytes) : written(piece);
  return (
    <span
      class={`tok colour-${place % COLOURS}${isPartial(piece.text) ? " partial" : ""}${piece.control ? " control" : ""}`}
      role="button"
      tabIndex={isReachable ? 0 : -1}
      aria-pressed={isSelected}
      aria-label={say("token", { id: String(piece.id), text: isPartial(piece.text) ? hex(piece.bytes) : visible(piece.text) })}
      onClick={onSelect}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        onSelect();
      }}
    >
      {shown}
    </span>
  );
}

/** As in the text; a line break is shown and made, half a character is shown as its bytes. */
function written(piece: TokenPiece): string {
  if (isPartial(piece.text)) return hex(piece.bytes);
  return piece.text.replaceAll("\n", "⏎\n").replaceAll("\t", "⇥\t");
}

function Counters({ text, tokens, size }: { text: string; tokens: TokenPiece[]; size: number | undefined }) {
  const counts = countsOf(text, tokens);
  const rows: [string, string][] = [
    [number(counts.tokens), say("tokens")],
    [number(counts.characters), say("characters")],
    [number(counts.bytes), say("bytes")],
    [number(counts.bytesPerToken, 2), say("perToken")],
  ];
  if (size) rows.push([number(size), say("vocabulary")]);
  return (
    <dl class="counters numbers">
      {rows.map(([value, name]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
