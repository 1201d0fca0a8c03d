// What may come next after the chosen token, at any temperature.
import { useState } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { number, percent } from "../../words";
import { inside } from "./api";
import { opened, reading, selected } from "./state";
import { named } from "./token_name";
import { say } from "./words";

export function NextToken() {
  const [temperature, setTemperature] = useState(1);
  const text = opened.value;
  const found = useLoaded(
    () => reading((id) => inside.next(id, selected.value, temperature)),
    [text?.id, selected.value, temperature],
    120,
  );
  const spread = found.value;
  const most = Math.max(1e-9, ...(spread?.top.map((one) => one.p) ?? []));
  const token = text?.tokens[selected.value];
  const following = text?.tokens[selected.value + 1];
  return (
    <>
      <p class="lead">{say("nextLead")}</p>
      <label class="temperature">
        <span class="field-name">{say("temperatureIs", { value: number(temperature, 2) })}</span>
        <input
          type="range"
          aria-label={say("temperature")}
          min={0.1}
          max={3}
          step={0.05}
          value={temperature}
          onInput={(event) => setTemperature(Number(event.currentTarget.value))}
        />
      </label>
      {found.failure && <p class="failure">{found.failure}</p>}
      {spread && (
        <section class="card box" aria-label={say("next")} aria-live="polite" aria-busy={found.isBusy}>
          <h2>
            {say("nextAfter")} <code>{token ? named(token) : ""}</code>
          </h2>
          <ol class="bars wide">
            {spread.top.map((one) => (
              <li key={one.id} class={one.id === following?.id ? "chosen" : ""}>
                <code class="bar-name">{named(one)}</code>
                <span class="bar" aria-hidden="true">
                  <i style={{ width: `${(one.p / most) * 100}%` }} />
                </span>
                <span class="numbers">
                  {percent(one.p)}
                  {one.logit !== undefined && <small> {number(one.logit, 1)}</small>}
                </span>
              </li>
            ))}
          </ol>
          <p class="hint numbers">
            {say("entropyIs", { bits: number(spread.entropy, 2), rest: percent(spread.rest ?? 0) })}
            {following && ` ${say("followed", { text: named(following) })}`}
          </p>
        </section>
      )}
    </>
  );
}
