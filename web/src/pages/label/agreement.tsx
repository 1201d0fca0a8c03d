// How prompts are spread over the categories, and how far labelers agree: with others, and with known answers.
import { useState } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { number, percent } from "../../words";
import { type AgreementKind, type Labeler, labelling } from "./api";
import { categoryName, say } from "./words";

const KINDS: AgreementKind[] = ["ranking", "answer_rating", "chat_rating"];

export function Standing() {
  return (
    <div class="pair">
      <Coverage />
      <AgreementBox />
    </div>
  );
}

function Coverage() {
  const found = useLoaded(() => labelling.progress(), []);
  const coverage = Object.entries(found.value?.coverage ?? {});
  const most = Math.max(1, ...coverage.map(([, count]) => count));
  const thin = coverage.filter(([, count]) => count < most / 3);
  return (
    <section class="card box" aria-label={say("coverage")}>
      <h2>{say("coverage")}</h2>
      <p class="hint">{say("coverageLead")}</p>
      {found.failure && <p class="failure">{found.failure}</p>}
      <ul class="bars">
        {coverage.map(([category, count]) => (
          <li key={category}>
            <span class="bar-name">{categoryName(category)}</span>
            <span class="bar" aria-hidden="true">
              <i class={count < most / 3 ? "second" : ""} style={{ width: `${(100 * count) / most}%` }} />
            </span>
            <span class="numbers">{number(count)}</span>
          </li>
        ))}
      </ul>
      {thin.length > 0 && most > 1 && (
        <p class="hint">{say("thin", { names: thin.map(([category]) => categoryName(category)).join(", ") })}</p>
      )}
    </section>
  );
}

export function AgreementBox() {
  const [kind, setKind] = useState<AgreementKind>("ranking");
  const found = useLoaded(() => labelling.agreement(kind), [kind]);
  const value = found.value;
  const share = (one: number | null) => (one === null ? "–" : percent(one));
  const plain = (one: number | null) => (one === null ? "–" : number(one, 2));
  return (
    <section class="card box" aria-label={say("agreement")}>
      <header class="row between">
        <h2>{say("agreement")}</h2>
        <div class="segments" role="group" aria-label={say("agreementOf")}>
          {KINDS.map((one) => (
            <button key={one} type="button" aria-pressed={one === kind} onClick={() => setKind(one)}>
              {say(one)}
            </button>
          ))}
        </div>
      </header>
      {found.failure && <p class="failure">{found.failure}</p>}
      {value && (
        <>
          <dl class="figures">
            <div>
              <dt>{say("pairwise")}</dt>
              <dd>{share(value.pairwise)}</dd>
            </div>
            <div>
              <dt>Kendall τ</dt>
              <dd>{plain(value.tau)}</dd>
            </div>
            <div>
              <dt>Krippendorff α</dt>
              <dd>{plain(value.alpha)}</dd>
            </div>
          </dl>
          <p class="hint">{say("agreementLine", { items: value.shared_items, pairs: value.pairs })}</p>
          {value.labelers.length > 0 && <Labelers labelers={value.labelers} share={share} plain={plain} />}
        </>
      )}
    </section>
  );
}

interface LabelersProps {
  labelers: Labeler[];
  share: (one: number | null) => string;
  plain: (one: number | null) => string;
}

function Labelers({ labelers, share, plain }: LabelersProps) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={say("labelers")}>
      <table class="listing">
        <thead>
          <tr>
            <th scope="col">{say("labeler")}</th>
            <th scope="col" class="amount">
              {say("judgements")}
            </th>
            <th scope="col" class="amount">
              {say("pairwise")}
            </th>
            <th scope="col" class="amount">
              τ
            </th>
            <th scope="col" class="amount">
              {say("gold")}
            </th>
            <th scope="col" class="amount">
              {say("secondsEach")}
            </th>
          </tr>
        </thead>
        <tbody>
          {labelers.map((one) => (
            <tr key={one.labeler}>
              <th scope="row">
                {one.name ?? one.labeler} {one.is_me && <span class="badge good">{say("you")}</span>}
              </th>
              <td class="amount">{number(one.judgements)}</td>
              <td class="amount">{share(one.pairwise)}</td>
              <td class="amount">{plain(one.tau)}</td>
              <td class="amount">{one.gold_pairs ? share(one.gold_pairwise) : "–"}</td>
              <td class="amount">{one.seconds === null ? "–" : number(one.seconds)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
