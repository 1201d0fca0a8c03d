// Which tokens speak for the next one: by leaving each out, or by the gradient.
import { useState } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { number } from "../../words";
import { inside } from "./api";
import { opened, reading, selected } from "./state";
import { named } from "./token_name";
import { say } from "./words";

const METHODS = ["occlusion", "gradient"] as const;

export function Sources() {
  const [method, setMethod] = useState<(typeof METHODS)[number]>("occlusion");
  const [target, setTarget] = useState<{ id: number; place: number; text: string | undefined } | null>(null);
  const text = opened.value;
  const place = selected.value;
  const own = target && target.place === place && target.text === text?.id ? target.id : undefined;
  const next = useLoaded(() => reading((id) => inside.next(id, place, 1, 12)), [text?.id, place], 80);
  const found = useLoaded(
    () =>
      reading((id) =>
        inside.attribution(id, { method, position: place, ...(own === undefined ? {} : { target: own }) }),
      ),
    [text?.id, method, place, own],
    120,
  );
  const value = found.value;
  const isFitting = value && value.scores.length === text?.length;
  const most = Math.max(1e-9, ...(value?.scores.map(Math.abs) ?? []));
  return (
    <>
      <p class="lead">{say(method === "occlusion" ? "occlusionLead" : "gradientLead")}</p>
      <div class="row">
        <div class="segments" role="group" aria-label={say("method")}>
          {METHODS.map((one) => (
            <button key={one} type="button" aria-pressed={one === method} onClick={() => setMethod(one)}>
              {say(one)}
            </button>
          ))}
        </div>
        <label>
          <span class="field-name">{say("target")}</span>
          <select
            value={String(own ?? value?.target.id ?? "")}
            onChange={(event) => setTarget({ id: Number(event.currentTarget.value), place, text: text?.id })}
          >
            {next.value?.top.map((one) => (
              <option key={one.id} value={String(one.id)}>
                {named(one)}
              </option>
            ))}
          </select>
        </label>
      </div>
      {found.failure && <p class="failure">{found.failure}</p>}
      {isFitting && (
        <section class="card box" aria-label={say("sources")} aria-live="polite" aria-busy={found.isBusy}>
          <p class="hint">{say("sourcesFor", { text: named(value.target), logp: number(value.logp, 2) })}</p>
          <p class="coloured">
            {text.tokens.map((token, at) => {
              const score = value.scores[at] ?? 0;
              const share = Math.round((Math.abs(score) / most) * 42);
              const colour = score < 0 ? "var(--danger)" : "var(--accent)";
              return (
                <span
                  key={at}
                  class={at > place ? "unseen" : ""}
                  title={number(score, 3)}
                  style={{ background: `color-mix(in srgb, ${colour} ${at > place ? 0 : share}%, transparent)` }}
                >
                  {named(token)}
                  <span class="for-readers">{` ${number(score, 2)}; `}</span>
                </span>
              );
            })}
          </p>
          <p class="source-key hint">
            <span class="key-more">{say("speaksFor")}</span>
            <span class="key-less">{say("speaksAgainst")}</span>
          </p>
        </section>
      )}
    </>
  );
}
