// One run: what it came from, its stages, and the chosen stage with receipt, curves and samples.
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { Markdown } from "../../parts/markdown";
import { type Stage, type State, watching } from "./api";
import { Curves, short } from "./curves";
import { LineageDrawing } from "./lineage";
import { metricName, roleName, valueName } from "./measure_words";
import { amount, duration, energy, size } from "./units";
import { kindName, say, time } from "./words";

const LOOK_EVERY_MS = 5000;

export function StateBadge({ state }: { state: State }) {
  const look = state === "running" ? "live" : state === "complete" ? "good" : "";
  return <span class={`badge ${look}`}>{say(`state_${state}`)}</span>;
}

export function RunView({ name }: { name: string }) {
  const found = useLoaded(() => watching.run(name), [name]);
  const [chosen, setChosen] = useState<string | null>(null);
  const run = found.value?.name === name ? found.value : null;
  useLayoutEffect(() => setChosen(null), [name]);
  useEffect(() => {
    if (run?.state !== "running") return;
    const timer = setInterval(found.reload, LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, [run?.state]);
  if (found.failure) return <p class="failure">{found.failure}</p>;
  if (!run) return <p class="hint">{say("loading")}</p>;
  const busy = run.stages.find((stage) => stage.state === "running");
  const measured = run.stages.filter((stage) => stage.metrics.length > 0);
  const withCurves = measured.findLast((stage) => stage.kind === "ppo") ?? measured.at(-1);
  const stage = run.stages.find((one) => one.name === chosen) ?? busy ?? withCurves ?? run.stages.at(-1);
  return (
    <div class="run-view">
      <header class="row between">
        <div>
          <h2 class="display">
            {run.name} <StateBadge state={run.state} />
          </h2>
          <p class="hint run-folder">{run.folder}</p>
        </div>
        {run.has_report && (
          <a class="plain small" href={watching.reportAddress(run.name)} target="_blank" rel="noopener">
            {say("openReport")}
          </a>
        )}
      </header>
      <section class="card box" aria-label={say("lineage")}>
        <h2>{say("lineage")}</h2>
        <LineageDrawing run={run.name} lineage={run.lineage} chosen={stage?.name ?? null} onChoose={setChosen} />
      </section>
      {run.stages.length > 0 && (
        <div class="segments stages" role="group" aria-label={say("stages")}>
          {run.stages.map((one) => (
            <button key={one.name} type="button" aria-pressed={one.name === stage?.name} onClick={() => setChosen(one.name)}>
              {one.name}
            </button>
          ))}
        </div>
      )}
      {stage ? <StageView key={stage.name} run={run.name} stage={stage} /> : <p class="empty">{say("noStages")}</p>}
    </div>
  );
}

function StageView({ run, stage }: { run: string; stage: Stage }) {
  return (
    <section class="stage-view" aria-label={stage.name}>
      <header class="row">
        <h3>
          {stage.name} <span class="hint">{kindName(stage.kind)}</span>
        </h3>
        <StateBadge state={stage.state} />
        {stage.served_as.map((name) => (
          <span key={name} class="badge good">
            {say("servedAs", { name })}
          </span>
        ))}
      </header>
      <div class="pair">
        <Receipt stage={stage} />
        <Outcome stage={stage} />
      </div>
      {(stage.metrics.length > 0 || stage.state === "running") && (
        <Curves run={run} stage={stage.name} isLive={stage.state === "running"} />
      )}
      <details class="more">
        <summary>{say("config")}</summary>
        <pre class="log" tabIndex={0}>{JSON.stringify(stage.config, null, 2)}</pre>
      </details>
      {stage.has_samples && <Samples run={run} stage={stage.name} />}
    </section>
  );
}

function Receipt({ stage }: { stage: Stage }) {
  const receipt = stage.receipt ?? {};
  const read = (key: string): number | null => (typeof receipt[key] === "number" ? receipt[key] : null);
  const rows: [string, string][] = [];
  const add = (label: string, key: string, write: (value: number) => string) => {
    const value = read(key);
    if (value !== null) rows.push([label, write(value)]);
  };
  if (stage.started_at) rows.push([say("started"), time(stage.started_at)]);
  if (stage.seed !== null) rows.push([say("seed"), String(stage.seed)]);
  add(say("took"), "seconds", duration);
  add(say("processor"), "cpu_seconds", duration);
  add(say("tokens"), "tokens", amount);
  add(say("operations"), "flops", amount);
  add(say("memory"), "peak_memory_bytes", size);
  add(say("energyMeasured"), "energy_measured_j", energy);
  add(say("energyEstimated"), "energy_estimated_j", energy);
  add(say("co2"), "co2e_g", (value) => `${short(value)} g`);
  const parents = Object.entries(stage.parents).filter(([, name]) => name);
  return (
    <section class="card box" aria-label={say("receipt")}>
      <h2>{say("receipt")}</h2>
      <dl class="facts numbers">
        {rows.map(([label, value]) => (
          <div key={label} class="fact">
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
        {parents.length > 0 && (
          <div class="fact">
            <dt>{say("madeFrom")}</dt>
            <dd>{parents.map(([role, name]) => (role === name ? name : `${name} (${roleName(role)})`)).join(", ")}</dd>
          </div>
        )}
      </dl>
    </section>
  );
}

function Outcome({ stage }: { stage: Stage }) {
  const summary = (stage.receipt?.summary ?? {}) as Record<string, unknown>;
  const rows = Object.entries(summary).filter(([, value]) => typeof value === "number" || (typeof value === "string" && value));
  if (!rows.length) return null;
  return (
    <section class="card box" aria-label={say("outcome")}>
      <h2>{say("outcome")}</h2>
      <dl class="facts numbers">
        {rows.slice(0, 14).map(([key, value]) => (
          <div key={key} class="fact">
            <dt>{metricName(key)}</dt>
            <dd>{typeof value === "number" ? short(value) : valueName(String(value))}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Samples({ run, stage }: { run: string; stage: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="more" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{say("samples")}</summary>
      {isOpen && <SamplesText run={run} stage={stage} />}
    </details>
  );
}

function SamplesText({ run, stage }: { run: string; stage: string }) {
  const found = useLoaded(() => watching.samples(run, stage), [run, stage]);
  if (found.failure) return <p class="failure">{found.failure}</p>;
  return (
    <div class="card box samples" tabIndex={0} role="region" aria-label={say("samples")}>
      <Markdown text={found.value ?? ""} copy={say("copy")} copied={say("copied")} />
    </div>
  );
}
