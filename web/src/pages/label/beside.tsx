// Beside the desk: work that waits to be sent, how far everything is, the guidelines.
import { useLoaded } from "../../parts/loaded";
import { Markdown } from "../../parts/markdown";
import { useWidth } from "../../parts/width";
import { language } from "../../preferences";
import { number } from "../../words";
import { labelling } from "./api";
import { discard, parcels, trouble } from "./outbox";
import { person, progress } from "./state";
import { say } from "./words";

export function Waiting() {
  const mine = parcels.value.filter((one) => one.person === person());
  if (!mine.length && !trouble.value) return null;
  const open = mine.filter((one) => one.refusal === null);
  return (
    <section class="waiting-work" role="status" aria-label={say("waitingWork")}>
      {trouble.value && (
        <p class="note">
          <strong>{say("notReached")}</strong> {trouble.value.text}{" "}
          {open.length > 0 && say("keptCount", { count: open.length })}
        </p>
      )}
      {mine
        .filter((one) => one.refusal !== null)
        .map((one) => (
          <div key={one.judgement.submission} class="failure refused">
            <p>
              {say("refused")} {one.refusal}
            </p>
            {one.judgement.text && <pre class="log">{one.judgement.text}</pre>}
            <button type="button" class="plain small" onClick={() => discard(one.judgement.submission)}>
              {say("discard")}
            </button>
          </div>
        ))}
    </section>
  );
}

export function ProgressBox() {
  const found = progress.value;
  if (!found) return null;
  return (
    <section class="card box" aria-label={say("progress")}>
      <dl class="figures">
        <div>
          <dt>{say("today")}</dt>
          <dd>{number(found.mine.today)}</dd>
        </div>
        <div>
          <dt>{say("inTotal")}</dt>
          <dd>{number(found.mine.total)}</dd>
        </div>
      </dl>
      <ul class="bars">
        {found.kinds
          .filter((one) => one.wanted !== 0)
          .map((one) => (
            <li key={one.kind}>
              <span class="bar-name">{say(one.kind)}</span>
              <span class="bar" aria-hidden="true">
                <i style={{ width: `${one.wanted === null ? 0 : (100 * one.judgements) / Math.max(1, one.wanted)}%` }} />
              </span>
              <span class="numbers">
                {number(one.judgements)}
                {one.wanted !== null && `/${number(one.wanted)}`}
              </span>
            </li>
          ))}
      </ul>
    </section>
  );
}

export function Guidelines() {
  const isWide = useWidth("(min-width: 60.01rem)");
  const found = useLoaded(() => labelling.guidelines(language.value), [language.value]);
  return (
    <details class="card guidelines" open={isWide}>
      <summary>{say("guidelines")}</summary>
      {found.failure && <p class="failure">{found.failure}</p>}
      {found.value && <Markdown text={found.value} copy={say("copy")} copied={say("copied")} />}
    </details>
  );
}
