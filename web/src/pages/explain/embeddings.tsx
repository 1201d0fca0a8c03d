// The embedding table: the neighbours of a token, and all tokens as points that can be searched, hovered and zoomed.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { api } from "../../api";
import { useLoaded } from "../../parts/loaded";
import { report } from "../../parts/notices";
import { number, percent } from "../../words";
import { inside, type Piece } from "./api";
import { EmbeddingMap } from "./embedding_map";
import { opened, selected } from "./state";
import { named } from "./token_name";
import { say } from "./words";

export function Embeddings() {
  const text = opened.value;
  const model = text?.model ?? "";
  const own = text?.tokens[selected.value];
  const [wanted, setWanted] = useState<Piece | null>(null);
  const [isHere, setHere] = useState("");
  useLayoutEffect(() => {
    setWanted(null); // another token of the text was chosen
    setHere("");
  }, [selected.value, text?.id]);
  const shown = wanted ?? own;
  const map = useLoaded(() => inside.map(model), [model]);
  const near = useLoaded(
    () => (shown ? inside.neighbours(model, shown.id) : Promise.resolve(null)),
    [model, shown?.id],
    80,
  );
  const search = async (typed: string) => {
    setHere(typed);
    if (!typed) return setWanted(null);
    try {
      const { tokens } = await api.tokens(model, typed);
      const first = tokens.find((token) => !token.control);
      if (first) setWanted(first);
    } catch (error) {
      report(error);
    }
  };
  return (
    <>
      <p class="lead">{say("embeddingsLead")}</p>
      <div class="explain-columns">
        <section class="card box" aria-label={say("map")}>
          {map.failure && <p class="failure">{map.failure}</p>}
          {map.value && shown && (
            <EmbeddingMap
              model={model}
              points={map.value.points}
              marked={(near.value?.neighbours ?? []).map((one) => one.id)}
              chosen={shown}
              onChoose={setWanted}
            />
          )}
          {!map.value && !map.failure && <p class="hint">{say("opening")}</p>}
          {map.value && (
            <p class="hint numbers">
              {say("mapShare", {
                count: map.value.points.length / 2,
                share: percent(map.value.explained.reduce((sum, one) => sum + (one || 0), 0)),
              })}
            </p>
          )}
        </section>
        <aside class="explain-aside">
          <label>
            <span>{say("findToken")}</span>
            <input type="search" value={isHere} onInput={(event) => void search(event.currentTarget.value)} />
          </label>
          <section class="card box" aria-label={say("neighbours")} aria-live="polite">
            <h2>
              {say("neighboursOf")} <code>{shown ? named(shown) : ""}</code>
            </h2>
            {near.failure && <p class="failure">{near.failure}</p>}
            <ol class="bars">
              {near.value?.neighbours.map((one) => (
                <li key={one.id}>
                  <button type="button" class="bar-name neighbour" onClick={() => setWanted(one)}>
                    <code>{named(one)}</code>
                  </button>
                  <span class="bar" aria-hidden="true">
                    <i style={{ width: `${Math.max(0, one.similarity) * 100}%` }} />
                  </span>
                  <span class="numbers">{number(one.similarity, 2)}</span>
                </li>
              ))}
            </ol>
            <p class="hint">{say("neighboursHint")}</p>
          </section>
        </aside>
      </div>
    </>
  );
}

/** Names are fetched for what the pointer comes near to, never for the whole vocabulary. */
export function useNames(model: string): [ReadonlyMap<number, Piece>, (ids: number[]) => void] {
  const [names, setNames] = useState<ReadonlyMap<number, Piece>>(new Map());
  const asked = useRef(new Set<number>());
  useLayoutEffect(() => {
    asked.current = new Set();
    setNames(new Map());
  }, [model]);
  const ask = (ids: number[]) => {
    const fresh = ids.filter((id) => !asked.current.has(id)).slice(0, 500);
    if (!fresh.length) return;
    for (const id of fresh) asked.current.add(id);
    inside
      .names(model, fresh)
      .then((found) => setNames((old) => new Map([...old, ...found.map((one) => [one.id, one] as const)])))
      .catch(report);
  };
  return [names, ask];
}
