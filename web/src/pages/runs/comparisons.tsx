// Blind comparisons as admins see them: start one, watch the win rate with its interval, promote or discard.
import { useEffect, useState } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { notify, report } from "../../parts/notices";
import { addressOf, go } from "../../router";
import { chatModels } from "../../session";
import { number, percent } from "../../words";
import { type Comparison, type Contender, type Result, type RunSummary, watching } from "./api";
import { type Candidate, PromoteDialog } from "./served";
import { say, time } from "./words";

const LOOK_EVERY_MS = 5000;

export function Comparisons({ runs }: { runs: RunSummary[] }) {
  const found = useLoaded(() => watching.comparisons(), []);
  const [chosen, setChosen] = useState<string | null>(null);
  const shown = found.value?.find((one) => one.id === chosen) ?? found.value?.[0];
  return (
    <>
      <NewComparison
        runs={runs}
        onStarted={(made) => {
          setChosen(made.id);
          found.reload();
        }}
      />
      {found.failure && <p class="failure">{found.failure}</p>}
      {found.value && !found.value.length && <p class="empty">{say("noComparisons")}</p>}
      {found.value && found.value.length > 0 && (
        <ul class="jobs card box" aria-label={say("comparisonsName")}>
          {found.value.map((one) => (
            <li key={one.id}>
              <button type="button" class="job" aria-pressed={one.id === shown?.id} onClick={() => setChosen(one.id)}>
                <strong>{`#${one.id} ${one.model_a} · ${one.model_b}`}</strong>
                <span class={one.closed ? "badge" : "badge good"}>{say(one.closed ? "closed" : "open")}</span>
                <span class="hint numbers">{say("pairsCount", { count: one.pairs })}</span>
                <span class="hint numbers">{time(one.created_at)}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      {shown && <ResultView key={shown.id} comparison={shown} runs={runs} onChanged={found.reload} />}
    </>
  );
}

/** The most trained of the served models against the one before it. */
const newestFirst = (served: number): [number, number] => (served > 1 ? [served - 1, served - 2] : [0, 0]);

/** Served chat models first, then what lies in runs. */
function contenders(runs: RunSummary[]): { label: string; value: Contender }[] {
  const served = chatModels.value.map((model) => ({ label: model.id, value: model.id as Contender }));
  const inRuns = runs.flatMap((run) =>
    run.stages
      .filter((stage) => stage.complete && (stage.kind === "sft" || stage.kind === "ppo"))
      .map((stage) => ({ label: `${run.name}/${stage.name}`, value: { run: run.name, stage: stage.name } as Contender })),
  );
  return [...served, ...inRuns];
}

function NewComparison({ runs, onStarted }: { runs: RunSummary[]; onStarted: (made: Comparison) => void }) {
  const all = contenders(runs);
  const [chosen, setChosen] = useState<[number, number]>(() => newestFirst(chatModels.value.length));
  const [count, setCount] = useState(30);
  const [length, setLength] = useState(64);
  const [isBusy, setBusy] = useState(false);
  const start = async (event: Event) => {
    event.preventDefault();
    const [a, b] = [all[chosen[0]], all[chosen[1]]];
    if (!a || !b) return;
    setBusy(true);
    try {
      const made = await watching.compare({ model_a: a.value, model_b: b.value, count, max_tokens: length });
      notify(say("comparisonMade", { count: made.pairs }));
      onStarted(made);
    } catch (error) {
      report(error);
    } finally {
      setBusy(false);
    }
  };
  const contender = (side: 0 | 1, label: string) => (
    <label>
      <span>{label}</span>
      <select
        value={String(chosen[side])}
        onChange={(event) => {
          const next: [number, number] = [...chosen];
          next[side] = Number(event.currentTarget.value);
          setChosen(next);
        }}
      >
        {all.map((one, at) => (
          <option key={one.label} value={String(at)}>
            {one.label}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <form class="card box" aria-label={say("newComparison")} onSubmit={(event) => void start(event)}>
      <h2>{say("newComparison")}</h2>
      <p class="hint">{say("comparisonLead")}</p>
      <div class="form-line">
        {contender(0, say("modelA"))}
        {contender(1, say("modelB"))}
        <label>
          <span>{say("prompts")}</span>
          <input type="number" min={1} max={200} value={count} onInput={(event) => setCount(event.currentTarget.valueAsNumber || 20)} />
        </label>
        <label>
          <span>{say("longest")}</span>
          <input type="number" min={1} max={1024} value={length} onInput={(event) => setLength(event.currentTarget.valueAsNumber || 64)} />
        </label>
        <button type="submit" class="primary" disabled={isBusy || all.length < 1}>
          {isBusy ? say("answering") : say("letAnswer")}
        </button>
      </div>
    </form>
  );
}

interface ResultProps {
  comparison: Comparison;
  runs: RunSummary[];
  onChanged: () => void;
}

function ResultView({ comparison, runs, onChanged }: ResultProps) {
  const found = useLoaded(() => watching.result(comparison.id), [comparison.id]);
  const [promoting, setPromoting] = useState<Candidate | null>(null);
  useEffect(() => {
    if (comparison.closed) return;
    const timer = setInterval(found.reload, LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, [comparison.closed]);
  const result = found.value;
  const discard = async () => {
    try {
      await watching.close(comparison.id);
      notify(say("discarded"));
      onChanged();
    } catch (error) {
      report(error);
    }
  };
  if (found.failure) return <p class="failure">{found.failure}</p>;
  if (!result) return <p class="hint">{say("loading")}</p>;
  return (
    <section class="card box" aria-label={say("result")}>
      <header class="row between">
        <h2>{say("against", { a: result.model_a, b: result.model_b })}</h2>
        {!comparison.closed && (
          <a
            class="plain small"
            href={addressOf("label", { view: "compare" })}
            onClick={(event) => {
              event.preventDefault();
              go("label", { view: "compare" });
            }}
          >
            {say("vote")}
          </a>
        )}
      </header>
      <WinRate result={result} />
      <Prompts comparison={comparison} />
      <dl class="figures">
        <Figure name={say("votes")} value={number(result.votes)} />
        <Figure name={say("wins")} value={number(result.wins)} />
        <Figure name={say("losses")} value={number(result.losses)} />
        <Figure name={say("ties")} value={number(result.ties)} />
        <Figure name={say("bothBad")} value={number(result.both_bad)} />
        <Figure name={say("leftShare")} value={result.left_share === null ? "–" : percent(result.left_share)} />
      </dl>
      {result.votes > 0 && (
        <p class={result.interval && result.interval[0] > 0.5 ? "verdict good" : "verdict"}>{verdict(result)}</p>
      )}
      <div class="row">
        <button type="button" class="primary" onClick={() => setPromoting(candidateOf(result.model_a, runs))}>
          {say("promoteA", { name: result.model_a })}
        </button>
        {!comparison.closed && (
          <button type="button" class="plain" onClick={() => void discard()}>
            {say("discard")}
          </button>
        )}
      </div>
      {promoting && (
        <PromoteDialog runs={runs} given={promoting} onClose={() => setPromoting(null)} onDone={onChanged} />
      )}
    </section>
  );
}

const KNOWN_AS = ["fresh", "test", "held_back", "seen", "given"] as const;

/** An exam that was practised says little: how many of the prompts are how well known to the models. */
function Prompts({ comparison }: { comparison: Comparison }) {
  const parts = KNOWN_AS.filter((name) => comparison.prompts[name] > 0).map((name) =>
    say(`prompts_${name}`, { count: comparison.prompts[name] }),
  );
  return (
    <>
      {parts.length > 0 && (
        <p class={comparison.prompts.seen > 0 ? "note" : "hint"}>{say("promptsCompared", { parts: parts.join(", ") })}</p>
      )}
      {comparison.left_out > 0 && <p class="hint">{say("pairsLeftOut", { count: comparison.left_out })}</p>}
    </>
  );
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** "run/stage" is what a comparison calls a model of a run. */
export function candidateOf(name: string, runs: Pick<RunSummary, "name">[]): Candidate {
  const run = runs.find((one) => name.startsWith(`${one.name}/`))?.name;
  return run ? { run, stage: name.slice(run.length + 1) } : { model: name };
}

function verdict({ interval, votes, model_a: a, model_b: b }: Result): string {
  if (!interval || !votes) return say("noVotes");
  if (interval[0] > 0.5) return say("aIsBetter", { a, b });
  if (interval[1] < 0.5) return say("bIsBetter", { a, b });
  return say("undecided");
}

/** The interval on a line from 0 to 1, with the even chance marked. */
function WinRate({ result }: { result: Result }) {
  const { win_rate: rate, interval } = result;
  const shown =
    rate === null || !interval
      ? say("noVotes")
      : say("winRateIs", { name: result.model_a, rate: percent(rate), low: percent(interval[0]), high: percent(interval[1]) });
  return (
    <div class="win-rate">
      <p class="numbers">{shown}</p>
      <svg viewBox="0 0 400 44" role="img" aria-label={shown}>
        <line class="scale" x1={8} x2={392} y1={20} y2={20} />
        <line class="even" x1={200} x2={200} y1={6} y2={32} />
        {rate !== null && interval && (
          <>
            <line class="interval" x1={8 + interval[0] * 384} x2={8 + interval[1] * 384} y1={20} y2={20} />
            <circle cx={8 + rate * 384} cy={20} r={6} />
          </>
        )}
        <text x={8} y={42}>
          0 %
        </text>
        <text x={200} y={42} text-anchor="middle">
          50 %
        </text>
        <text x={392} y={42} text-anchor="end">
          100 %
        </text>
      </svg>
    </div>
  );
}
