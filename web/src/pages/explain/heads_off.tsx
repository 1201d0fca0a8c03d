// Switch heads off and compute again: what do they do for the next token?
import { useRef, useState } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { number, percent } from "../../words";
import { type Candidate, inside } from "./api";
import { sideBySide } from "./maths";
import { opened, reading } from "./state";
import { named } from "./token_name";
import { say } from "./words";

const LISTED = 100;
const SHOWN = 12;

/** What is not listed is less likely than the last one that is. */
function shareOf(p: number | null, listed: Candidate[]): string {
  return p === null ? `< ${percent(listed.at(-1)?.p ?? 0)}`.replace("< <", "<") : percent(p);
}

export function HeadsOff() {
  const text = opened.value;
  const [off, setOff] = useState<ReadonlySet<string>>(new Set());
  const pairs = [...off].map((key) => key.split(".").map(Number) as [number, number]);
  const found = useLoaded(
    (signal) => reading((id) => inside.ablation(id, pairs, LISTED, signal)),
    [text?.id, [...off].sort().join()],
    220,
  );
  const toggle = (keys: string[]) => {
    const next = new Set(off);
    const areOff = keys.every((key) => next.has(key));
    for (const key of keys) areOff ? next.delete(key) : next.add(key);
    setOff(next);
  };
  const value = found.value;
  return (
    <>
      <p class="lead">{say("headsLead")}</p>
      <div class="explain-columns even">
        <section class="card box" aria-label={say("heads")}>
          <Switches off={off} onToggle={toggle} />
          <div class="row between">
            <p class="hint">{say("headsOff", { count: off.size })}</p>
            <button type="button" class="plain small" disabled={!off.size} onClick={() => setOff(new Set())}>
              {say("allOn")}
            </button>
          </div>
        </section>
        <section class="card box" aria-label={say("headsEffect")} aria-live="polite" aria-busy={found.isBusy}>
          {found.failure && <p class="failure">{found.failure}</p>}
          {value && (
            <>
              <p class="source-key hint">
                <span class="key-less before">{say("before")}</span>
                <span class="key-more">{say("after")}</span>
              </p>
              <ol class="bars two">
                {sideBySide(value.on.top, value.off.top)
                  .slice(0, SHOWN)
                  .map((row) => (
                    <li key={row.id}>
                      <code class="bar-name">{named(row)}</code>
                      <span aria-hidden="true">
                        <span class="bar">
                          <i class="quiet-bar" style={{ width: `${(row.before ?? 0) * 100}%` }} />
                        </span>
                        <span class="bar">
                          <i style={{ width: `${(row.after ?? 0) * 100}%` }} />
                        </span>
                      </span>
                      <span class="numbers">
                        <small>{shareOf(row.before, value.on.top)}</small>
                        <br />
                        {shareOf(row.after, value.off.top)}
                      </span>
                    </li>
                  ))}
              </ol>
              <p class="hint numbers">
                {say("headsChange", {
                  kl: number(value.kl, 3),
                  before: number(value.on.entropy, 2),
                  after: number(value.off.entropy, 2),
                })}
              </p>
            </>
          )}
        </section>
      </div>
    </>
  );
}

function Switches({ off, onToggle }: { off: ReadonlySet<string>; onToggle: (keys: string[]) => void }) {
  const grid = useRef<HTMLTableElement>(null);
  const layers = Array.from({ length: opened.value?.layers ?? 0 }, (_, each) => each);
  const heads = Array.from({ length: opened.value?.heads ?? 0 }, (_, each) => each);
  const onKeyDown = (event: KeyboardEvent) => {
    const from = (event.target as HTMLElement).dataset;
    if (from.layer === undefined || from.head === undefined) return;
    const steps: Record<string, [number, number]> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const key = `[data-layer="${Number(from.layer) + step[0]}"][data-head="${Number(from.head) + step[1]}"]`;
    grid.current?.querySelector<HTMLElement>(key)?.focus();
  };
  return (
    <div class="scroll">
      <table ref={grid} class="switches" onKeyDown={onKeyDown}>
        <thead>
          <tr>
            <th scope="col">{say("layer")}</th>
            {heads.map((each) => (
              <th key={each} scope="col">
                {each + 1}
              </th>
            ))}
            <td />
          </tr>
        </thead>
        <tbody>
          {layers.map((layer) => (
            <tr key={layer}>
              <th scope="row">{layer + 1}</th>
              {heads.map((each) => {
                const isOff = off.has(`${layer}.${each}`);
                return (
                  <td key={each}>
                    <button
                      type="button"
                      role="switch"
                      aria-checked={!isOff}
                      aria-label={say("switchName", { layer: layer + 1, head: each + 1 })}
                      data-layer={layer}
                      data-head={each}
                      onClick={() => onToggle([`${layer}.${each}`])}
                    />
                  </td>
                );
              })}
              <td>
                <button
                  type="button"
                  class="quiet small"
                  aria-label={say("wholeLayerName", { layer: layer + 1 })}
                  onClick={() => onToggle(heads.map((each) => `${layer}.${each}`))}
                >
                  {say("wholeLayer")}
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
