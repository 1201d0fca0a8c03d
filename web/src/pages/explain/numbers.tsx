// One token, one head: query times keys, scaled, masked, softmax. Every number on the way.
import { useRef, useState } from "preact/hooks";
import { useDrawing, useRepaint } from "../../parts/canvas";
import { useLoaded } from "../../parts/loaded";
import { number, percent } from "../../words";
import { inside, type Look } from "./api";
import { drawSigned } from "./drawing";
import { HeadChoice, LayerChoice } from "./heads_bar";
import { largest } from "./maths";
import { head, layer, opened, reading, selected } from "./state";
import { named } from "./token_name";
import { say } from "./words";

const MOST_ROWS = 16;

export function Numbers() {
  const [isWhole, setWhole] = useState(false);
  const text = opened.value;
  const own = Math.max(0, head.value);
  const look = useLoaded(
    () => reading((id) => inside.position(id, layer.value, own, selected.value)),
    [text?.id, layer.value, own, selected.value],
    80,
  );
  const token = text?.tokens[selected.value];
  const value = look.value;
  return (
    <>
      <p class="lead">{say("numbersLead")}</p>
      <div class="explain-pickers">
        <LayerChoice />
        <HeadChoice hasMean={false} />
      </div>
      {look.failure && (
        <p class="failure" role="alert">
          {look.failure}
        </p>
      )}
      {value && token && (
        <div class="card box" aria-live="polite" aria-busy={look.isBusy}>
          <header class="query-line">
            <span class="field-name">{say("queryOf")}</span>
            <code class="token-name">{named(token)}</code>
            <Stripe values={value.query} label={say("vectorLabel", { count: value.query.length })} />
          </header>
          <Formula look={value} />
          <Table look={value} rows={rowsOf(value, isWhole)} />
          {value.weights.length > MOST_ROWS && (
            <button type="button" class="plain small" aria-pressed={isWhole} onClick={() => setWhole(!isWhole)}>
              {isWhole ? say("fewerKeys", { count: MOST_ROWS }) : say("allKeys", { count: value.weights.length })}
            </button>
          )}
        </div>
      )}
    </>
  );
}

function rowsOf(look: Look, isWhole: boolean): number[] {
  const every = look.weights.map((_, place) => place);
  if (isWhole || every.length <= MOST_ROWS) return every;
  return largest(look.weights, MOST_ROWS).sort((one, other) => one - other);
}

function Formula({ look }: { look: Look }) {
  const size = look.query.length;
  const hidden = look.masked.filter(Boolean).length;
  return (
    <ol class="steps hint">
      <li>
        <strong>q · k</strong> {say("stepDot", { size })}
      </li>
      <li>
        <strong>× {number(look.scale, 4)}</strong> {say("stepScale", { size })}
      </li>
      <li>
        <strong>{say("mask")}</strong> {say("stepMask", { count: hidden })}
      </li>
      <li>
        <strong>softmax</strong> {say("stepSoftmax")}
      </li>
    </ol>
  );
}

function Table({ look, rows }: { look: Look; rows: number[] }) {
  const tokens = opened.value?.tokens ?? [];
  const most = Math.max(1e-9, ...look.contribution);
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={say("numbersTable")}>
      <table class="listing numbers-table">
        <thead>
          <tr>
            <th scope="col">{say("keyOf")}</th>
            <th scope="col" class="of-key">
              k
            </th>
            <th scope="col" class="amount">
              q · k
            </th>
            <th scope="col" class="amount">
              {say("scaled")}
            </th>
            <th scope="col">{say("mask")}</th>
            <th scope="col">softmax</th>
            <th scope="col">{say("contribution")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((place) => {
            const token = tokens[place];
            const share = look.weights[place] ?? 0;
            const isHidden = look.masked[place] ?? false;
            return (
              <tr key={place} class={isHidden ? "unseen" : ""}>
                <th scope="row">
                  <code>{token ? named(token) : place}</code>
                </th>
                <td class="of-key">
                  <Stripe values={look.keys[place] ?? []} />
                </td>
                <td class="amount">{number(look.dot[place] ?? 0, 2)}</td>
                <td class="amount">{isHidden ? "" : number(look.scaled[place] ?? 0, 2)}</td>
                <td>{isHidden ? "−∞" : ""}</td>
                <td class="with-bar">
                  <span class="bar" aria-hidden="true">
                    <i style={{ width: `${share * 100}%` }} />
                  </span>
                  <span class="numbers">{percent(share)}</span>
                </td>
                <td class="with-bar">
                  <span class="bar" aria-hidden="true">
                    <i class="second" style={{ width: `${((look.contribution[place] ?? 0) / most) * 100}%` }} />
                  </span>
                  <span class="numbers">{number(look.contribution[place] ?? 0, 2)}</span>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Stripe({ values, label }: { values: number[]; label?: string }) {
  const ref = useRef<HTMLCanvasElement>(null);
  const repaint = useRepaint();
  const width = Math.min(160, values.length * 4);
  useDrawing(ref, (canvas) => drawSigned(canvas, [values], width, 14), [values, width, repaint]);
  return label ? (
    <canvas ref={ref} class="stripe" role="img" aria-label={label} />
  ) : (
    <canvas ref={ref} class="stripe" aria-hidden="true" />
  );
}
