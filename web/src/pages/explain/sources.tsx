// Which tokens speak for the next one: by leaving each out, or by the gradient.
import { useRef, useState } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { walk } from "../../parts/roving";
import { number } from "../../words";
import { inside } from "./api";
import { largest } from "./maths";
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
          <Weighed key={`${text.id} ${place}`} scores={value.scores} place={place} />
          <p class="source-key hint">
            <span class="key-more">{say("speaksFor")}</span>
            <span class="key-less">{say("speaksAgainst")}</span>
          </p>
        </section>
      )}
    </>
  );
}

/** Each token in the colour of its number, and one of them in words: the one pointed at, else the weightiest. */
function Weighed({ scores, place }: { scores: number[]; place: number }) {
  const [at, setAt] = useState<number | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const tokens = opened.value?.tokens ?? [];
  const weights = scores.map((score, own) => (own > place ? 0 : Math.abs(score)));
  const shown = at ?? largest(weights, 1)[0] ?? 0;
  const most = Math.max(1e-9, ...weights);
  const told = tokens[shown];
  return (
    <>
      <div
        ref={box}
        class="coloured"
        role="group"
        aria-label={say("weighed")}
        onKeyDown={(event) => walk(event, box.current, "[role=button]")}
      >
        {tokens.map((token, own) => {
          const score = scores[own] ?? 0;
          const share = Math.round(((weights[own] ?? 0) / most) * 42);
          const colour = score < 0 ? "var(--danger)" : "var(--accent)";
          const background = `color-mix(in srgb, ${colour} ${share}%, transparent)`;
          return own > place ? (
            <span key={own} class="unseen">
              {named(token)}
            </span>
          ) : (
            <span
              key={own}
              class={own === shown ? "shown" : ""}
              role="button"
              tabIndex={own === shown ? 0 : -1}
              aria-label={say("weighs", { text: named(token), score: number(score, 3) })}
              style={{ background }}
              onMouseEnter={() => setAt(own)}
              onFocus={() => setAt(own)}
              onClick={() => setAt(own)}
            >
              {named(token)}
            </span>
          );
        })}
      </div>
      {told && (
        <p class="weighs numbers">{say("weighs", { text: named(told), score: number(scores[shown] ?? 0, 3) })}</p>
      )}
    </>
  );
}
