// How far people agree, with each other and with known answers, and whose judgements are worth a look.
import { useState } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { number, percent } from "../../words";
import { type Agreement, type JudgedKind, type Labeler, office, type Outlier } from "./api";
import { usualTime } from "./sums";
import { teach } from "./teaching_words";
import { duration } from "./units";
import { Segments } from "./usage";
import { say } from "./words";

const KINDS: JudgedKind[] = ["ranking", "answer_rating", "chat_rating"];
const share = (one: number | null) => (one === null ? "–" : percent(one));
const timed = (one: number | null) => (one === null ? "–" : duration(one));
const plain = (one: number | null) => (one === null ? "–" : number(one, 2));

export function Quality() {
  const [kind, setKind] = useState<JudgedKind>("ranking");
  const found = useLoaded(() => office.agreement(kind), [kind]);
  const odd = useLoaded(() => office.outliers(), []);
  const outliers = odd.value ?? [];
  const failure = found.failure ?? odd.failure;
  return (
    <>
      <p class="lead">{teach("qualityLead")}</p>
      {failure && <p class="failure">{failure}</p>}
      {odd.value && <Outliers outliers={outliers} />}
      <section class="card box" aria-label={teach("agreement")}>
        <header class="row between">
          <h2>{teach("agreement")}</h2>
          <Segments label={teach("agreementOf")} items={KINDS} chosen={kind} name={(one) => teach(`${one}s`)} onChoose={setKind} />
        </header>
        {found.value && <Figures found={found.value} />}
        {found.value && !found.value.judgements && <p class="empty">{teach("noJudgements")}</p>}
        {found.value && found.value.labelers.length > 0 && (
          <Labelers labelers={found.value.labelers} odd={new Set(kind === "ranking" ? outliers.map((one) => one.labeler) : [])} />
        )}
      </section>
    </>
  );
}

function Figures({ found }: { found: Agreement }) {
  const figures: [string, string, string][] = [
    [teach("pairwise"), share(found.pairwise), teach("pairwiseMore", { pairs: found.pairs })],
    ["Kendall τ", plain(found.tau), teach("tauMore")],
    ["Krippendorff α", plain(found.alpha), teach("alphaMore")],
    [teach("usualTime"), timed(usualTime(found.labelers)), teach("usualTimeMore")],
    [teach("sharedItems"), number(found.shared_items), teach("sharedMore", { count: found.judgements })],
  ];
  return (
    <dl class="figures wide">
      {figures.map(([name, value, more]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
          <dd class="hint">{more}</dd>
        </div>
      ))}
    </dl>
  );
}

function Labelers({ labelers, odd }: { labelers: Labeler[]; odd: ReadonlySet<string> }) {
  const heads = ["judgements", "withOthers", "tau", "gold", "secondsEach", "firstIsBest"] as const;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={teach("labelers")}>
      <table class="listing">
        <thead>
          <tr>
            <th scope="col">{teach("labeler")}</th>
            {heads.map((head) => (
              <th key={head} scope="col" class="amount" title={teach(`${head}Title`)}>
                {teach(head)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {labelers.map((one) => (
            <tr key={one.labeler}>
              <th scope="row">
                <bdi>{one.name ?? (one.labeler || teach("from_import"))}</bdi> {one.is_me && <span class="badge good">{say("you")}</span>}{" "}
                {one.simulated && <span class="badge">{teach("simulated")}</span>}{" "}
                {odd.has(one.labeler) && <span class="badge bad">{teach("worthALook")}</span>}
              </th>
              <td class="amount">{number(one.judgements)}</td>
              <td class="amount">
                <Meter value={one.pairwise} />
                {share(one.pairwise)}
              </td>
              <td class="amount">{plain(one.tau)}</td>
              <td class="amount">{one.gold_pairs ? share(one.gold_pairwise) : "–"}</td>
              <td class="amount">{timed(one.seconds)}</td>
              <td class="amount">{share(one.first_is_best)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Meter({ value }: { value: number | null }) {
  if (value === null) return null;
  return (
    <span class="bar in-cell" aria-hidden="true">
      <i class={value < 0.5 ? "second" : ""} style={{ width: `${value * 100}%` }} />
    </span>
  );
}

function Outliers({ outliers }: { outliers: Outlier[] }) {
  return (
    <section class="card box" aria-label={teach("outliers")}>
      <h2>{teach("outliers")}</h2>
      <p class="hint">{teach("outliersMore")}</p>
      {outliers.length ? (
        <ul class="lines">
          {outliers.map((one) => (
            <li key={one.labeler} class="line">
              <div class="line-text">
                <p class="line-name">
                  <bdi>{one.name ?? (one.labeler || teach("from_import"))}</bdi>
                  <span class="soft">{teach("judgementsCount", { count: one.judgements })}</span>
                </p>
                <ul class="reasons" lang="en">
                  {one.reasons.map((reason) => (
                    <li key={reason}>{reason}</li>
                  ))}
                </ul>
              </div>
            </li>
          ))}
        </ul>
      ) : (
        <p class="hint">{teach("noOutliers")}</p>
      )}
    </section>
  );
}
