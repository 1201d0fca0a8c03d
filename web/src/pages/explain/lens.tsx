// The logit lens: what each layer would say next, were it the last.
import { useState } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { percent } from "../../words";
import { type Candidate, inside } from "./api";
import { opened, reading, selected } from "./state";
import { named } from "./token_name";
import { say } from "./words";

const LEVELS = [0.02, 0.08, 0.2, 0.45, 0.75];
const levelOf = (share: number): number => LEVELS.filter((limit) => share >= limit).length;

export function LensTable() {
  const text = opened.value;
  const [chosenLayer, setLayer] = useState<number | null>(null);
  const lens = useLoaded(() => reading((id) => inside.lens(id)), [text?.id]);
  const layers = lens.value?.layers ?? [];
  const tokens = text?.tokens ?? [];
  if (lens.failure) return <p class="failure">{lens.failure}</p>;
  if (!layers.length || layers[0]?.positions.length !== tokens.length) return <p class="hint">{say("opening")}</p>;
  const shown = layers.find((one) => one.layer === chosenLayer) ?? layers.at(-1);
  const nameOf = (at: number) => (at === 0 ? say("embedding") : at === layers.length - 1 ? say("output") : String(at));
  return (
    <>
      <p class="lead">{say("lensLead")}</p>
      <Scale />
      <div class="scroll card lens-scroll" tabIndex={0} role="region" aria-label={say("lens")}>
        <table class="lens">
          <thead>
            <tr>
              <th scope="col">{say("layer")}</th>
              {tokens.map((token, at) => (
                <th key={at} scope="col" class={at === selected.value ? "chosen" : ""}>
                  <code>{named(token)}</code>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {[...layers].reverse().map((row) => (
              <tr key={row.layer}>
                <th scope="row">{nameOf(row.layer)}</th>
                {row.positions.map((found, at) => (
                  <Cell
                    key={at}
                    best={found[0]}
                    isChosen={at === selected.value && row.layer === shown?.layer}
                    onChoose={() => {
                      selected.value = at;
                      setLayer(row.layer);
                    }}
                  />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown && (
        <section class="card box" aria-live="polite" aria-label={say("lensDetail")}>
          <h2>
            {say(/^\d+$/.test(nameOf(shown.layer)) ? "lensAfter" : "lensEdge", { layer: nameOf(shown.layer) })}{" "}
            <code>{tokens[selected.value] ? named(tokens[selected.value]!) : ""}</code>
          </h2>
          <Candidates found={shown.positions[selected.value] ?? []} />
        </section>
      )}
    </>
  );
}

function Cell({ best, isChosen, onChoose }: { best: Candidate | undefined; isChosen: boolean; onChoose: () => void }) {
  if (!best) return <td />;
  return (
    <td class={`level-${levelOf(best.p)}`}>
      <button type="button" tabIndex={-1} aria-pressed={isChosen} title={percent(best.p)} onClick={onChoose}>
        {named(best)}
      </button>
    </td>
  );
}

export function Candidates({ found }: { found: Candidate[] }) {
  return (
    <ol class="bars">
      {found.map((one) => (
        <li key={one.id}>
          <code class="bar-name">{named(one)}</code>
          <span class="bar" aria-hidden="true">
            <i style={{ width: `${one.p * 100}%` }} />
          </span>
          <span class="numbers">{percent(one.p)}</span>
        </li>
      ))}
    </ol>
  );
}

function Scale() {
  return (
    <p class="legend-scale hint">
      {say("unsure")}
      {[0, 1, 2, 3, 4, 5].map((level) => (
        <i key={level} class={`level-${level}`} aria-hidden="true" />
      ))}
      {say("sure")}
    </p>
  );
}
