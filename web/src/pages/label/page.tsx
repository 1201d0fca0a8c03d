// The label page: the desk, the standing of the work, blind comparisons.
import { useEffect, useState } from "preact/hooks";
import { Icon } from "../../parts/icons";
import { type Tab, Tabs } from "../../parts/tabs";
import { place } from "../../router";
import { me } from "../../session";
import { Standing } from "./agreement";
import { KINDS } from "./api";
import { Guidelines, ProgressBox, Waiting } from "./beside";
import { Compare } from "./compare";
import { Desk } from "./desk";
import { trouble } from "./outbox";
import { attend, canUndo, failure, isLoading, kinds, next, task, undo } from "./state";
import { say } from "./words";
import "../../parts/panels.css";
import "../../parts/markdown.css";
import "./label.css";

type View = "tasks" | "standing" | "compare";

export default function LabelPage() {
  const isLabeler = me.value?.role !== "chatter";
  const views: View[] = isLabeler ? ["tasks", "standing", "compare"] : ["compare"];
  const asked = place.value.query.get("view") as View | null;
  const [view, setView] = useState<View>(asked && views.includes(asked) ? asked : (views[0] ?? "compare"));
  const tabs: Tab<View>[] = views.map((name) => ({ name, label: say(name) }));
  return (
    <div class="frame label-page">
      <header class="frame-head">
        <div>
          <h1>{say("heading")}</h1>
          <p>{say("lead")}</p>
        </div>
      </header>
      <Tabs label={say("heading")} tabs={tabs} chosen={view} onChoose={setView}>
        {view === "tasks" ? <Tasks /> : view === "standing" ? <Standing /> : <Compare />}
      </Tabs>
    </div>
  );
}

function Tasks() {
  useEffect(() => {
    void next();
    return attend();
  }, []);
  return (
    <div class="label-columns">
      <div class="label-main">
        <Waiting />
        <div class="row between">
          <div class="segments kinds" role="group" aria-label={say("whichTasks")}>
            <button type="button" aria-pressed={!kinds.value.length} onClick={() => choose([])}>
              {say("anyTask")}
            </button>
            {KINDS.map((kind) => (
              <button key={kind} type="button" aria-pressed={kinds.value.includes(kind)} onClick={() => choose([kind])}>
                {say(kind)}
              </button>
            ))}
          </div>
          <button type="button" class="quiet small" onClick={() => void undo()} disabled={!canUndo.value && !task.value}>
            <Icon name="history" />
            {say("undo")}
          </button>
        </div>
        {failure.value && (
          <p class="failure" role="alert">
            {failure.value}
          </p>
        )}
        {task.value ? (
          <Desk key={`${task.value.id}.${task.value.submission}`} task={task.value} />
        ) : (
          <div class="empty">
            <p>{isLoading.value ? say("loading") : trouble.value ? say("waitsForServer") : say("nothingLeft")}</p>
            {!isLoading.value && (
              <button type="button" class="plain" onClick={() => void next()}>
                {say("lookAgain")}
              </button>
            )}
          </div>
        )}
      </div>
      <aside class="label-aside">
        <ProgressBox />
        <Guidelines />
      </aside>
    </div>
  );
}

function choose(chosen: typeof kinds.value): void {
  kinds.value = chosen;
  void next();
}
