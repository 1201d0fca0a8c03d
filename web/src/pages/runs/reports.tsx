// Two reports side by side. A report may come from anywhere: it is shown in a frame in which nothing runs.
import { useState } from "preact/hooks";
import { type RunSummary, watching } from "./api";
import { say } from "./words";

export function Reports({ runs }: { runs: RunSummary[] }) {
  const done = runs.filter((run) => run.state === "complete");
  const [chosen, setChosen] = useState<[string, string]>([done[0]?.name ?? "", done[1]?.name ?? ""]);
  if (!done.length) return <p class="empty">{say("noReports")}</p>;
  return (
    <div class="reports">
      {([0, 1] as const).map((side) => (
        <section key={side} aria-label={say("reportOf", { side: side + 1 })}>
          <div class="row">
            <select
              aria-label={say("reportOf", { side: side + 1 })}
              value={chosen[side]}
              onChange={(event) => {
                const next: [string, string] = [...chosen];
                next[side] = event.currentTarget.value;
                setChosen(next);
              }}
            >
              <option value="">{say("none")}</option>
              {done.map((run) => (
                <option key={run.name} value={run.name}>
                  {run.name}
                </option>
              ))}
            </select>
            {chosen[side] && (
              <a class="quiet small" href={watching.reportAddress(chosen[side])} target="_blank" rel="noopener">
                {say("openReport")}
              </a>
            )}
          </div>
          {chosen[side] && (
            <iframe
              class="card"
              sandbox=""
              title={say("reportTitle", { name: chosen[side] })}
              src={watching.reportAddress(chosen[side])}
            />
          )}
        </section>
      ))}
    </div>
  );
}
