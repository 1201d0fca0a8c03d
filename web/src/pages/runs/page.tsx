// The runs page: runs with their curves, reports side by side, served models, training, blind comparisons.
import { useEffect } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { type Tab, Tabs } from "../../parts/tabs";
import { addressOf, go, place } from "../../router";
import { me } from "../../session";
import { type RunSummary, watching } from "./api";
import { Comparisons } from "./comparisons";
import { Reports } from "./reports";
import { RunView, StateBadge } from "./run_view";
import { Served } from "./served";
import { Training } from "./training";
import { say, time } from "./words";
import "../../parts/panels.css";
import "./runs.css";

type View = "runs" | "reports" | "served" | "training" | "comparisons";
const LOOK_EVERY_MS = 6000;

export default function RunsPage() {
  if (me.value?.role !== "chatter") return <Watching />;
  return (
    <section class="door">
      <h1>{say("heading")}</h1>
      <p>{say("notForChatters")}</p>
    </section>
  );
}

function Watching() {
  const isAdmin = me.value?.role === "admin";
  const views: View[] = ["runs", "reports", "served", ...(isAdmin ? (["training", "comparisons"] as const) : [])];
  const asked = place.value.query.get("view") as View | null;
  const view = asked && views.includes(asked) ? asked : "runs";
  const found = useLoaded(() => watching.runs(), []);
  const runs = found.value ?? [];
  const isBusy = runs.some((run) => run.state === "running");
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && found.reload(), isBusy ? LOOK_EVERY_MS : LOOK_EVERY_MS * 5);
    return () => clearInterval(timer);
  }, [isBusy]);
  const tabs: Tab<View>[] = views.map((name) => ({ name, label: say(name === "runs" ? "runsTab" : name) }));
  const choose = (name: View) => go("runs", name === "runs" ? {} : { view: name }, true);
  return (
    <div class="frame runs-page">
      <header class="frame-head">
        <div>
          <h1>{say("heading")}</h1>
          <p>{say("lead")}</p>
        </div>
      </header>
      <Tabs label={say("heading")} tabs={tabs} chosen={view} onChoose={choose}>
        {found.failure && (
          <p class="failure" role="alert">
            {found.failure}
          </p>
        )}
        {!found.value && !found.failure && <p class="hint">{say("loading")}</p>}
        {found.value && view === "runs" && <RunsList runs={runs} />}
        {found.value && view === "reports" && <Reports runs={runs} />}
        {found.value && view === "served" && <Served runs={runs} />}
        {found.value && view === "training" && <Training />}
        {found.value && view === "comparisons" && <Comparisons runs={runs} />}
      </Tabs>
    </div>
  );
}

function RunsList({ runs }: { runs: RunSummary[] }) {
  const asked = place.value.query.get("run");
  const chosen = runs.find((run) => run.name === asked)?.name ?? runs[0]?.name;
  if (!chosen) return <p class="empty">{say("noRuns")}</p>;
  return (
    <div class="runs-columns">
      <nav aria-label={say("runsTab")}>
        <ul class="run-list">
          {runs.map((run) => (
            <li key={run.name}>
              <a
                class="run-card"
                href={addressOf("runs", { run: run.name })}
                aria-current={run.name === chosen ? "true" : undefined}
                onClick={(event) => {
                  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
                  event.preventDefault();
                  go("runs", { run: run.name });
                }}
              >
                <strong>{run.name}</strong>
                <StateBadge state={run.state} />
                <span class="hint">{run.started_at ? time(run.started_at) : ""}</span>
                <span class="stage-dots" aria-hidden="true">
                  {run.stages.map((stage) => (
                    <i key={stage.name} class={stage.complete ? "done" : ""} />
                  ))}
                </span>
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <RunView name={chosen} />
    </div>
  );
}
